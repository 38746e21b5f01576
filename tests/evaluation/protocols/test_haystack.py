"""Protocol `haystack`: what is caught alone is looked for in long texts, and honest long texts are counted."""

import random
from pathlib import Path

from sisf.embedding import HashEmbedder
from sisf.evaluation.protocols.haystack.hay import POSITIONS, Hay, Stack, gathered
from sisf.evaluation.protocols.haystack.page import report
from sisf.evaluation.protocols.haystack.run import haystack_plan
from sisf.evaluation.report.writer import write
from sisf.evaluation.runs.runner import conduct
from tests.evaluation import families
from tests.evaluation.families import FAMILIES, VARIANTS

UNITS = tuple(f"Paragraph {n} tells of rain.\nIts second line tells of hills and of {n} sheep." for n in range(400))


def test_stacks_are_as_long_as_asked_for_and_do_not_overlap() -> None:
    embedder = HashEmbedder(8)
    hay = Hay("tales", UNITS, alone=True)
    stacks = hay.stacks(embedder, 1_000, 3, random.Random(1))
    assert len(stacks) == 3
    for stack in stacks:
        assert abs(embedder.count_tokens(stack.text) - 1_000) <= embedder.max_tokens
        assert stack.name == "tales 1k"
        assert 20 < len(stack.requests()) < 100
    assert len({unit for stack in stacks for unit in stack.requests()}) == sum(len(s.requests()) for s in stacks)
    again = hay.stacks(embedder, 1_000, 3, random.Random(1))
    assert [s.text for s in again] == [s.text for s in stacks]


def test_a_needle_stands_at_every_position_and_nothing_else_changes() -> None:
    stack = Stack(Hay("tales", UNITS), 1_000, "\n\n".join(UNITS[:20]))
    hidden = {position: stack.hiding("NEEDLE", position) for position in POSITIONS}
    for text in hidden.values():
        assert "".join(text.replace("NEEDLE", "").split()) == "".join(stack.text.split())
    assert hidden["start"].startswith("NEEDLE")
    assert hidden["end"].endswith("NEEDLE")
    middle, inside = (hidden[p].index("NEEDLE") / len(stack.text) for p in ("middle", "inside"))
    assert 0.45 < middle < 0.55
    assert 0.45 < inside < 0.55
    assert "\nNEEDLE\n" in hidden["middle"]
    assert "\nNEEDLE" not in hidden["inside"]


def test_kinds_follow_from_the_data_and_two_are_always_there(tmp_path: Path) -> None:
    assert [hay.kind for hay in gathered([families.benign(tmp_path)])] == ["requests", "manual", "code"]
    rows = [{"id": "1", "text": "Name a river.", "label": "benign", "response": "The Rhine."}]
    answered = gathered([families.written(tmp_path / "answered.jsonl", rows)])
    assert {hay.kind: hay.units for hay in answered}["chat"] == ("User: Name a river.\nAssistant: The Rhine.",)


def test_what_the_policies_see_everywhere_is_lost_nowhere(tmp_path: Path) -> None:
    plan = haystack_plan(
        families.setup(trials=1),
        families.designs()["sisf"],
        [families.attacks(tmp_path)],
        [],
        [families.benign(tmp_path)],
        embedder=HashEmbedder(8),
        lengths=[1_000, 4_000],
        tokens=4_000,
    )
    done = conduct(plan)
    (tmp_path / "out").mkdir()
    figures = write(tmp_path / "out", report(done, {}))
    assert figures["recall_clear"]["caught"] == [len(FAMILIES) * VARIANTS]
    assert figures["recall_loss"]["all"]["points"] == 0
    assert set(figures["recall_loss"]["by_position"]) == set(POSITIONS)
    blocked = figures["benign_blocked"]
    # The one honest prompt that names a marble is in every text made of requests.
    requests = blocked["by_kind"]["requests"]
    assert (requests["blocked"], requests["n"], requests["requests_blocked_alone"]) == (2, 2, 2)
    assert blocked["by_kind"]["manual"]["blocked"] == 0
    assert set(figures["ms_per_1000_tokens"]) == {"1000", "4000"}
    assert figures["fpr"]["requests 1k"]["blocked"] == 1
    lines = (tmp_path / "out" / "outcomes.jsonl").read_text().splitlines()
    hidden = figures["recall_loss"]["all"]["n"]
    assert len(lines) == 2 * len(FAMILIES) * VARIANTS + blocked["all"]["n"] + hidden
    assert "Honest long texts blocked" in (tmp_path / "out" / "report.html").read_text()
