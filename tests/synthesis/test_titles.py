"""Titles of learned policies say what the harm is about."""

from sisf.synthesis.local import Known, topics
from sisf.taxonomy import Hazard


def test_topics_of_titles_are_those_of_several_harmful_requests() -> None:
    """A pair shares a topic: a rare one may be what the honest twin is about (`figurative`, `moderation`)."""
    known = [Known(f"harm {number}", Hazard.HATE, "religion") for number in range(5)]
    known += [Known(f"rare {number}", Hazard.HATE, "figurative") for number in range(4)]
    known += [Known(f"elsewhere {number}", Hazard.PRIVACY, "figurative") for number in range(2)]
    known += [Known(f"unsaid {number}", Hazard.HATE, "other") for number in range(9)]
    known += [Known(f"honest {number}", None, "religion") for number in range(9)]
    assert topics(known) == {f"harm {number}": "religion" for number in range(5)}
