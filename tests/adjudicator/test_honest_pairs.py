"""Honest questions that sound alarming, with helpful answers: a fresh gateway must not learn from them.

`honest_pairs.jsonl` is measured on; `honest_pairs_dev.jsonl`, the other half of the same 500, may be looked at while a
judge is made. Which pair is in which half was fixed when the pairs were written.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sisf.adjudicator.local.judge import LocalAdjudicator
from sisf.embedding.factory import create_embedder
from sisf.exchange import Exchange, Message, Role
from sisf.verdict import Outcome

HALVES = {
    name: [json.loads(line) for line in Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()]
    for name in ("honest_pairs.jsonl", "honest_pairs_dev.jsonl")
}
PAIRS = HALVES["honest_pairs.jsonl"]


@pytest.mark.smoke
def test_the_pairs_are_two_disjoint_data_sets_of_250() -> None:
    every = [pair for half in HALVES.values() for pair in half]
    assert [len(half) for half in HALVES.values()] == [250, 250]
    assert len({pair["id"] for pair in every}) == len({pair["text"].casefold() for pair in every}) == 500
    assert {(pair["label"], pair["human_label"]) for pair in every} == {("benign", "safe")}
    assert all(len(pair["text"]) < 200 and 20 < len(pair["response"]) < 400 for pair in every)


@pytest.mark.soak
def test_what_the_local_judge_says_of_them(record_property: Callable[[str, object], None]) -> None:
    """The figure is reported. What is asserted of them is that nobody is refused, in `tests/loop`."""
    judge = LocalAdjudicator(create_embedder("harm-aware"))
    said = [judge.adjudicate(Exchange((Message(Role.USER, pair["text"]),), pair["response"])).outcome for pair in PAIRS]
    counts = {outcome.value: said.count(outcome) for outcome in Outcome}
    record_property("honest_pairs", counts)
    print(counts)
    assert sum(counts.values()) == len(PAIRS)
