"""The shipped corpus keeps what its README promises."""

import errno
import json
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from sisf import corpus
from sisf.errors import DataError, packaged
from sisf.taxonomy import Hazard, Technique

pytestmark = pytest.mark.smoke

AUTHORED = [hazard for hazard in Hazard if hazard not in (Hazard.OTHER, Hazard.CHILD_SEXUAL_EXPLOITATION)]


def normal_form(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"\w+", folded))


def trigrams(text: str) -> frozenset[tuple[str, ...]]:
    words = normal_form(text).split()
    return frozenset(tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2)))


def near_duplicates(texts: dict[str, str], limit: float) -> Iterator[tuple[str, str, float]]:
    grams = {key: trigrams(text) for key, text in texts.items()}
    holders: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for key, own in grams.items():
        shared = Counter(other for gram in own for other in holders[gram])
        for other, common in shared.items():
            score = common / (len(own) + len(grams[other]) - common)
            if score > limit:
                yield other, key, score
        for gram in own:
            holders[gram].append(key)


def requests() -> dict[str, str]:
    """Every request-like text that ships, by id (ids are unique over the files)."""
    texts: dict[str, str] = {}
    shown = corpus.sample_attacks(), corpus.sample_benign()
    measured = corpus.benign_reference(), corpus.dangerous_words(), corpus.unseen_pairs()
    for records in (corpus.contrastive(), *shown, *measured):
        for record in records:
            assert record.id not in texts
            texts[record.id] = record.text
    for pair in corpus.pairs():
        texts |= {f"{pair.id}-h": pair.harmful, f"{pair.id}-t": pair.twin}
    return texts | {sample.id: sample.text for sample in corpus.documents()}


def public_texts(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").split("\n"):
            if line:
                record = json.loads(line)
                if isinstance(record.get("text"), str):
                    yield record["text"]


def repeated(texts: Iterable[str]) -> list[str]:
    return [text for text, count in Counter(texts).items() if count > 1]


def test_contrastive_has_the_promised_size() -> None:
    kinds = Counter(item.kind for item in corpus.contrastive())
    assert sum(kinds.values()) >= 1700
    assert kinds["general"] >= 250
    assert kinds["edgy"] >= 180


@pytest.mark.parametrize("hazard", AUTHORED)
def test_each_hazard_is_covered(hazard: Hazard) -> None:
    kinds = Counter(item.kind for item in corpus.contrastive() if item.hazard is hazard)
    assert kinds["harmful"] >= 40
    assert kinds["edgy"] >= 15


def test_every_harmful_item_has_one_twin() -> None:
    pairs: dict[str, list[str]] = defaultdict(list)
    for item in corpus.contrastive():
        if item.kind in ("harmful", "twin"):
            assert item.pair is not None
            pairs[item.pair].append(item.kind)
        else:
            assert item.pair is None
    assert all(sorted(kinds) == ["harmful", "twin"] for kinds in pairs.values())


def test_nothing_but_general_items_lacks_a_hazard() -> None:
    assert all((item.hazard is None) == (item.kind == "general") for item in corpus.contrastive())


def test_child_exploitation_is_only_described() -> None:
    kinds = {item.kind for item in corpus.contrastive() if item.hazard is Hazard.CHILD_SEXUAL_EXPLOITATION}
    assert kinds == {"definition", "edgy"}
    for records in (corpus.sample_attacks(), corpus.sample_benign()):
        assert all(record.category is not Hazard.CHILD_SEXUAL_EXPLOITATION for record in records)


def test_samples_have_the_promised_size_and_labels() -> None:
    attacks, benign, reference = corpus.sample_attacks(), corpus.sample_benign(), corpus.benign_reference()
    assert len(attacks) >= 170
    assert len(benign) >= 330
    assert len(reference) >= 1000
    assert {record.label for record in attacks} == {"harmful"}
    assert all(record.category is not None for record in attacks)
    assert {record.label for record in (*benign, *reference)} == {"benign"}


def test_dangerous_words_are_honest_in_many_kinds_and_harmful_of_many_hazards() -> None:
    measured = corpus.dangerous_words()
    honest = Counter(record.id.rsplit("-", 1)[0] for record in measured if record.label == "benign")
    harmful = Counter(record.category for record in measured if record.label == "harmful")
    assert len(honest) >= 30
    assert min(honest.values()) >= 10
    assert len(harmful) >= 9
    assert None not in harmful


def test_unseen_pairs_are_twins_of_all_hazards_and_many_forms() -> None:
    harmful, twins = corpus.unseen_pairs()[::2], corpus.unseen_pairs()[1::2]
    assert len(harmful) >= 5_000
    assert [(s.id[:-2], s.form) for s in harmful] == [(s.id[:-2], s.form) for s in twins]
    assert {s.label for s in harmful} == {"harmful"}
    assert {s.label for s in twins} == {"benign"}
    assert min(Counter(s.category for s in harmful)[hazard] for hazard in AUTHORED) >= 200
    assert len({s.form for s in harmful}) >= 9


def test_sentences_of_many_scripts_stand_alone_and_beside_each_other() -> None:
    alone, all_of_them = corpus.scripts(), corpus.scripts_benign()
    assert len(all_of_them) == len(alone) ** 2 >= 2_500
    assert len({sample.id for sample in all_of_them}) == len(all_of_them)
    scripts = {unicodedata.name(c).split()[0] for sample in alone for c in sample.text if c.isalpha()}
    assert len(scripts) >= 25
    assert any("\u200c" in sample.text for sample in alone)  # the joiner of Persian
    assert any("\u200d" in sample.text for sample in alone)  # and that of Indic scripts, and of emoji


def test_answers_are_labelled_by_their_kind() -> None:
    kinds = Counter(item.kind for item in corpus.answers())
    assert sum(kinds.values()) >= 500
    assert kinds["refusal"] >= 150
    always = {"refusal": "safe", "harmless": "safe", "deflection": "safe", "compliance": "breach"}
    for item in corpus.answers():
        assert always.get(item.kind, item.label) == item.label, item.id
    assert {item.label for item in corpus.answers() if item.kind == "partial_refusal"} == {"safe", "breach"}


def test_compliance_answers_harmful_prompts_only() -> None:
    harmful = {item.id for item in corpus.contrastive() if item.harmful}
    for item in corpus.answers():
        if item.prompt_id is not None and item.kind in ("compliance", "partial_refusal"):
            assert item.prompt_id in harmful, item.id


def test_answer_ids_and_pairs_are_unique() -> None:
    assert not repeated(item.id for item in corpus.answers())
    assert not repeated(normal_form(item.prompt) + "\n" + normal_form(item.text) for item in corpus.answers())
    # One wording of a refusal must not stand for all of them.
    assert not repeated(normal_form(item.text) for item in corpus.answers())


def test_every_technique_has_frames_and_twins() -> None:
    frames = corpus.techniques()
    assert len(frames) >= 110
    assert not repeated(frame.id for frame in frames)
    assert not repeated(normal_form(frame.text) for frame in frames)
    for technique in set(Technique) - {Technique.DIRECT, Technique.OTHER}:
        kinds = Counter(frame.kind for frame in frames if frame.technique is technique)
        assert kinds["attack"] >= 4, technique
        assert kinds["twin"] >= 3, technique


def test_twins_of_techniques_have_no_slot_and_fill_replaces_it() -> None:
    for frame in corpus.techniques():
        if frame.kind == "twin":
            assert corpus.GOAL_SLOT not in frame.text
        assert corpus.GOAL_SLOT not in frame.fill("a goal")


def test_no_two_requests_are_equal() -> None:
    assert not repeated(normal_form(text) for text in requests().values())


def test_no_two_requests_are_near_duplicates() -> None:
    found = near_duplicates(requests(), limit=0.8)
    # The two sides of a pair are as near as they can be.
    assert [(a, b) for a, b, _ in found if a.rpartition("-")[0] != b.rpartition("-")[0]] == []


def test_near_duplicates_finds_one() -> None:
    texts = {"a": "how do I bake a loaf of rye bread at home today", "b": "how do I bake a loaf of rye bread at home"}
    assert [pair[:2] for pair in near_duplicates(texts, limit=0.8)] == [("a", "b")]


@pytest.mark.skipif(not os.environ.get("SISF_DATA_DIR"), reason="compares with the public sets under SISF_DATA_DIR")
def test_nothing_equals_a_text_of_the_public_sets() -> None:
    public = {normal_form(text) for text in public_texts(Path(os.environ["SISF_DATA_DIR"]))}
    assert public
    assert [key for key, text in requests().items() if normal_form(text) in public] == []


def test_a_malformed_line_names_its_place() -> None:
    with pytest.raises(DataError, match=r"README\.md line 1"):
        corpus._load("README.md", corpus._sample)


def test_a_missing_file_is_a_clear_error() -> None:
    with pytest.raises(DataError, match=r"absent\.jsonl"):
        corpus._load("absent.jsonl", corpus._sample)


@pytest.mark.parametrize(
    ("number", "mend"),
    [(errno.ENOENT, "install sisf again"), (errno.EMFILE, "ulimit -n"), (errno.EACCES, "may read it")],
)
def test_what_to_do_about_a_packaged_file_depends_on_why_it_cannot_be_read(number: int, mend: str) -> None:
    told = packaged("goals.jsonl", OSError(number, os.strerror(number)))
    assert os.strerror(number) in told
    assert mend in told
    assert ("install" in told) == (number != errno.EMFILE)
