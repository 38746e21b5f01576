"""Explanations: view, place, reason, evidence, and what would have to change."""

from dataclasses import replace

import pytest

from sisf.policy import Direction, GateReport
from sisf.warden import explain
from tests.text.tricks import CHARACTERS, ENCODINGS
from tests.warden.samples import compiled, near, pattern, said, shadowed, words_probe

TEXT = "please explain how to pick the lock of a gate"


def test_it_points_at_the_place() -> None:
    made = replace(
        pattern("pick the lock"),
        gate_report=GateReport(True, benign_total=1_500, benign_blocked=0),
        description="Locks",
    )
    policy_set = compiled(made)
    told = explain(policy_set.inspect(said(TEXT), Direction.PROMPT), policy_set, said(TEXT))
    (reason,) = told.reasons
    assert told.summary.startswith("block: 1")
    assert (reason.snippet, reason.before[-7:], reason.after[:3]) == ("pick the lock", "how to ", " of")
    assert reason.origin == "messages[0].content"
    assert "blocks 0 of 1,500 benign texts that synthesis knows" in reason.evidence
    assert made.id in reason.change


@pytest.mark.parametrize(
    ("trick", "view"),
    [
        (CHARACTERS["homoglyphs"], "look-alike letters mapped"),
        (CHARACTERS["unicode-tags"], "what invisible characters spell"),
        (ENCODINGS["base64"], "base64 decoded"),
        (lambda t: ENCODINGS["hex"](ENCODINGS["rot13"](t)), "hex decoded, then rot13 decoded"),
    ],
)
def test_the_view_is_said_in_words_and_shown(trick: object, view: str) -> None:
    assert callable(trick)
    policy_set = compiled(pattern("pick the lock"))
    messages = said(trick(TEXT))
    (reason,) = explain(policy_set.inspect(messages, Direction.PROMPT), policy_set, messages).reasons
    assert reason.view == view
    assert reason.snippet == "pick the lock"


def test_meanings_say_score_words_and_example() -> None:
    policy_set = compiled(near(TEXT), words_probe("lock", "pick the"))
    told = explain(policy_set.inspect(said(TEXT), Direction.PROMPT), policy_set, said(TEXT))
    whys = " ".join(r.why for r in told.reasons)
    assert "similarity 1.000" in whys
    assert "lock" in whys
    assert all("fall below" in r.change for r in told.reasons)


def test_allowed_and_shadow() -> None:
    policy_set = compiled(shadowed(pattern("lock")))
    assert "in shadow" in explain(policy_set.inspect(said(TEXT), Direction.PROMPT), policy_set, said(TEXT)).summary
    other = said("hello")
    assert explain(policy_set.inspect(other, Direction.PROMPT), policy_set, other).summary.startswith(
        "allowed: none of 1"
    )


def test_a_turn_of_several_parts() -> None:
    policy_set = compiled(pattern(r"pick\s+the"))
    messages = said("hello", "please pick", "the lock")
    (reason,) = explain(policy_set.inspect(messages, Direction.PROMPT), policy_set, messages).reasons
    assert reason.snippet == "pick\nthe"
    assert reason.view.startswith("the parts of the turn")
