"""Titles of learned policies say what the harm is about."""

from sisf.embedding.hashing import HashEmbedder
from sisf.policy import Direction
from sisf.synthesis.local import Known, topics
from sisf.synthesis.titles import Titles
from sisf.synthesis.training_rows import Origin, TrainingRows
from sisf.taxonomy import Hazard


def test_topics_of_titles_are_those_of_several_harmful_requests() -> None:
    """A pair shares a topic: a rare one may be what the honest twin is about (`figurative`, `moderation`)."""
    known = [Known(f"harm {number}", Hazard.HATE, "religion") for number in range(5)]
    known += [Known(f"rare {number}", Hazard.HATE, "figurative") for number in range(4)]
    known += [Known(f"elsewhere {number}", Hazard.PRIVACY, "figurative") for number in range(2)]
    known += [Known(f"unsaid {number}", Hazard.HATE, "other") for number in range(9)]
    known += [Known(f"honest {number}", None, "religion") for number in range(9)]
    assert topics(known) == {f"harm {number}": "religion" for number in range(5)}


def test_a_title_names_topics_of_its_own_hazard() -> None:
    """What a breach is nearest to may belong to another hazard."""
    rows = TrainingRows(HashEmbedder())
    areas = {
        "insult people of that faith": "religion",
        "insult people of that land": "ethnicity",
        "track a phone": "stalking",
    }
    hazards = {text: Hazard.PRIVACY if area == "stalking" else Hazard.HATE for text, area in areas.items()}
    rows.add(list(areas), Origin.WORLD, hazards=hazards)
    rows.add(["track a phone now", "insult people of that faith now"], Origin.BREACH)
    titles = Titles(rows)
    titles.areas = areas
    said = titles.of(Hazard.HATE, Direction.PROMPT, ["track a phone now", "insult people of that faith now"])
    assert said.startswith("Hate: ")
    assert "religion" in said
    assert "stalking" not in said
    assert titles.of(Hazard.PRIVACY, Direction.PROMPT, ["track a phone now"]) == "Privacy: stalking"
    assert titles.of(Hazard.DEFAMATION, Direction.PROMPT, ["track a phone now"]) == "Defamation"
