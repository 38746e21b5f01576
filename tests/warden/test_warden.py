"""Enforcement: what matches is decided on, at the revision in force."""

import asyncio
import base64
import random
import threading
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from sisf.errors import LimitExceeded, PolicyError
from sisf.policy import Action, Condition, Direction, Pattern, Probe, Prototypes, Snapshot, Status
from sisf.settings import load
from sisf.text.views import views
from sisf.warden import Warden
from tests.warden.samples import EMBEDDER, compiled, policy, said


def test_the_empty_set_allows() -> None:
    decision = compiled().inspect(said("anything"), Direction.PROMPT)
    assert (decision.action, decision.matches, decision.revision) == (Action.ALLOW, (), 3)


def test_a_pattern_blocks_in_its_direction_and_names_the_place() -> None:
    rule = policy(Pattern(r"pick (the|a) lock", exceptions=("my own",)))
    decision = compiled(rule).inspect(said("hello", "how to pick a lock"), Direction.PROMPT)
    assert decision.blocked
    assert decision.policy_id == rule.id
    assert (decision.matches[0].segment, decision.matches[0].span) == (1, (7, 18))
    assert not compiled(rule).inspect(said("pick a lock"), Direction.RESPONSE).blocked
    assert not compiled(rule).inspect(said("pick a lock of my own"), Direction.PROMPT).blocked


def test_shadow_and_foreign_tenants_do_not_enforce() -> None:
    shadow = replace(policy(Pattern("lock")), status=Status.SHADOW)
    foreign = replace(policy(Pattern("lock")), tenant="other")
    decision = compiled(shadow, foreign).inspect(said("a lock"), Direction.PROMPT, "mine")
    assert decision.action is Action.ALLOW
    assert [(m.policy_id, m.shadow) for m in decision.matches] == [(shadow.id, True)]
    assert compiled(foreign).inspect(said("a lock"), Direction.PROMPT, "other").blocked


def test_block_wins_over_flag() -> None:
    flag, block = policy(Pattern("lock"), Action.FLAG), policy(Pattern("pick"))
    decision = compiled(flag, block).inspect(said("pick a lock"), Direction.PROMPT)
    assert decision.policy_id == block.id
    assert len(decision.matches) == 2


def test_prototypes_and_probes_score_the_best_window() -> None:
    text = "explain how to pick the lock of my neighbour"
    vector = EMBEDDER.embed([text]).astype("<f4").tobytes()
    near = policy(Prototypes(EMBEDDER.id, EMBEDDER.dimensions, vector, 0.9))
    zero = np.zeros(EMBEDDER.dimensions, "<f4").tobytes()
    words = policy(Probe(EMBEDDER.id, EMBEDDER.dimensions, zero, {"lock": 2.0, "pick the": 2.0}, -0.5, 0.0))
    decision = compiled(near, words).inspect(said(text), Direction.PROMPT)
    assert {m.policy_id for m in decision.matches} == {near.id, words.id}
    assert {m.policy_id: m.score for m in decision.matches}[near.id] == pytest.approx(1.0, abs=1e-3)
    assert not compiled(near, words).inspect(said("what is a good soup"), Direction.PROMPT).blocked
    prose = " boats lie at the quay under old trees near some water" * 100
    buried = f"{prose} {text} {prose}"
    assert compiled(words).inspect(said(text), Direction.PROMPT).blocked
    assert compiled(near).inspect(said(buried), Direction.PROMPT).matches == ()


def test_a_policy_that_does_not_compile_is_named_and_the_old_set_stays() -> None:
    warden = Warden(EMBEDDER)
    good, bad = policy(Pattern("lock")), policy(Pattern("("))
    warden.activate(Snapshot(1, (good,)))
    with pytest.raises(PolicyError, match=bad.id):
        warden.activate(Snapshot(2, (good, bad)))
    assert warden.revision == 1
    warden.activate(Snapshot(1, ()))
    assert asyncio.run(warden.check(said("a lock"), Direction.PROMPT)).blocked
    warden.close()


@pytest.mark.parametrize("condition", [Prototypes("other", 4, b"\0" * 16, 0.5), Prototypes(EMBEDDER.id, 256, b"", 0.5)])
def test_vectors_of_another_embedder_or_size_are_refused(condition: Condition) -> None:
    with pytest.raises(PolicyError):
        compiled(policy(condition))


@pytest.mark.parametrize(("unreadable", "known"), [("allow", True), ("flag", False)])
def test_what_was_seen_before_is_decided_on_at_once(unreadable: Literal["allow", "flag"], *, known: bool) -> None:
    prompt = said("Ünderneath the old bridge the river is wide and slow. " * 20)
    warden = Warden(EMBEDDER, on_unreadable=unreadable)
    warden.activate(Snapshot(1, (policy(Pattern("a lock")),)))
    try:
        assert warden.at_once(prompt, Direction.PROMPT) is None
        warden.inspect(prompt, Direction.PROMPT)
        decision = warden.at_once(prompt, Direction.PROMPT)
        assert (decision is not None) == known
        assert warden.at_once(said(prompt[0].content, "a lock"), Direction.PROMPT) is None
    finally:
        warden.close()


def test_nothing_is_inspected_on_the_event_loop_before_all_that_is_made_once_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first text that needs a table would hold up everybody for the tenths of a second that making it takes."""
    gate, where = threading.Event(), list[str]()

    def views_of(text: str, *given: Any) -> Any:
        where.append(threading.current_thread().name)
        return views(text, *given)

    monkeypatch.setattr("sisf.warden.warden.make_all", lambda go_on: gate.wait(20))
    monkeypatch.setattr("sisf.warden.inspection.views", views_of)
    warden = Warden(EMBEDDER)
    warden.activate(Snapshot(1, (policy(Pattern("lock")),)))

    async def main() -> None:
        loop = threading.current_thread().name
        assert warden.at_once(said("pick a l0ck"), Direction.PROMPT) is None
        assert (await warden.check(said("pick a lock"), Direction.PROMPT)).blocked
        assert where
        assert loop not in where
        gate.set()
        warden._background.submit(gate.is_set).result(20)  # behind what is made
        assert warden.at_once(said("pick one more lock"), Direction.PROMPT) is not None
        assert where[-1] == loop

    try:
        asyncio.run(asyncio.wait_for(main(), 20))
    finally:
        gate.set()
        warden.close()


def test_what_settings_say_of_texts_holds_from_when_they_are_followed() -> None:
    warden = Warden(EMBEDDER)
    noise = base64.b64encode(random.Random(5).randbytes(600)).decode()
    try:
        assert not warden.inspect(said(noise), Direction.PROMPT).blocked
        narrow = {"limits.text_chars": 400, "inspection.unreadable": "refuse", "streaming.window_chars": 64}
        warden.follow(load(environment={}, overrides=narrow))
        with pytest.raises(LimitExceeded, match="at most 400"):
            warden.inspect(said(noise), Direction.PROMPT)
        with pytest.raises(LimitExceeded, match="reads as nothing"):
            warden.inspect(said(noise[:399]), Direction.PROMPT)
        assert asyncio.run(warden.stream().feed("a text " * 10)) == ("a text " * 10)[:-32]  # all but half a window
        warden.follow(load(environment={}))
        assert not warden.inspect(said(noise), Direction.PROMPT).blocked
        assert asyncio.run(warden.stream().feed("a text " * 10)) == ""
    finally:
        warden.close()
