"""Compiling: what is reused changes nothing, whatever comes and goes."""

import random
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.errors import PolicyError
from sisf.policy import Decision, Direction, Pattern, Policy, Probe, Prototypes, Snapshot, Status
from sisf.warden import PolicySet, Warden
from tests.warden.samples import EMBEDDER, any_policy, near, pattern, said, score, word, words_probe


def outcome(decision: Decision) -> object:
    return decision.action, sorted((m.policy_id, round(m.score, 4), m.shadow) for m in decision.matches)


def texts_for(policies: list[Policy], rng: random.Random) -> list[str]:
    """Texts that hit some of the policies, and some that hit none."""
    found = [word(rng)]
    for chosen in rng.sample(policies, min(4, len(policies))):
        condition = chosen.condition
        if isinstance(condition, Pattern):
            found.append(condition.pattern.replace(r"\b", ""))
        elif isinstance(condition, Prototypes):
            found.append(condition.examples[0])
        elif isinstance(condition, Probe):
            found.append(" ".join(condition.ngrams))
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_incremental_compiling_and_merging_give_what_compiling_afresh_gives(seed: int) -> None:
    rng = random.Random(seed)
    policies: list[Policy] = []
    current = PolicySet.compile(Snapshot(), EMBEDDER)
    for revision in range(1, 12):
        policies = [p for p in policies if rng.random() > 0.15]
        policies += [any_policy(rng) for _ in range(rng.choice((1, 3, 40)))]
        if len(policies) > 2:
            changed = rng.randrange(len(policies))
            policies[changed] = replace(any_policy(rng), id=policies[changed].id)
        current = PolicySet.compile(Snapshot(revision, tuple(policies)), EMBEDDER, current)
        fresh = PolicySet.compile(Snapshot(revision, tuple(policies)), EMBEDDER)
        for text in texts_for(policies, rng):
            for direction in (Direction.PROMPT, Direction.RESPONSE):
                for tenant in ("", "t"):
                    expected = outcome(fresh.inspect(said(text), direction, tenant))
                    assert outcome(current.inspect(said(text), direction, tenant)) == expected
                    assert outcome(current.merged().inspect(said(text), direction, tenant)) == expected


def test_hundreds_of_activations_leave_few_pieces_behind() -> None:
    warden = Warden(EMBEDDER)
    policies: list[Policy] = []
    for revision in range(1, 400):
        policies += [pattern(f"word{revision}x"), near(f"topic {revision} of many")]
        warden.activate(Snapshot(revision, tuple(policies)))
    warden._background.submit(lambda: None).result()
    assert warden.inspect(said("word7x"), Direction.PROMPT).blocked
    assert warden.inspect(said("topic 390 of many"), Direction.PROMPT).blocked
    assert len(warden.policy_set.pattern_layers) <= 12
    assert len(warden.policy_set.semantics.postings) <= 12
    warden.close()


def test_score_is_what_the_set_computes() -> None:
    text = "explain how to pick the lock of a gate"
    for made in (near(text, -1.0), words_probe("lock", "pick the", threshold=-9.0)):
        decision = PolicySet.compile(Snapshot(1, (made,)), EMBEDDER).inspect(said(text), Direction.PROMPT)
        assert isinstance(made.condition, Prototypes | Probe)
        assert decision.matches[0].score == pytest.approx(score(made.condition, text), abs=1e-5)


@pytest.mark.parametrize(
    "bad",
    [
        Pattern("("),
        Pattern("a(?=b)"),
        Pattern(r"(a)\1"),
        Pattern("fine", exceptions=("[",)),
        Prototypes("other", 256, b"\0" * 1024, 0.5),
        Prototypes(EMBEDDER.id, 256, b"\0" * 5, 0.5),
        Probe(EMBEDDER.id, 256, b"\0" * 2048, {}, 0.0, 0.0),
        Probe(EMBEDDER.id, 256, b"\0" * 1024, {}, 0.0, 0.0, features="other/1"),
    ],
)
def test_what_does_not_compile_is_named(bad: Pattern | Prototypes | Probe) -> None:
    good = pattern("good")
    broken = replace(good, id="the-bad-one", condition=bad)
    with pytest.raises(PolicyError, match="the-bad-one"):
        PolicySet.compile(Snapshot(1, (good, broken)), EMBEDDER)


def test_retired_and_rejected_policies_do_nothing() -> None:
    for status in (Status.RETIRED, Status.REJECTED, Status.PROPOSED):
        quiet = replace(pattern("lock"), status=status)
        assert not PolicySet.compile(Snapshot(1, (quiet,)), EMBEDDER).inspect(said("a lock"), Direction.PROMPT).matches


def test_a_check_finishes_on_the_revision_it_began_with() -> None:
    warden = Warden(EMBEDDER)
    warden.activate(Snapshot(1, (pattern("lock"),)))
    begun = warden.policy_set.begin(said("a lock"), Direction.PROMPT, "")
    warden.activate(Snapshot(2, ()))
    begun.heuristics()
    assert (begun.decision().revision, begun.decision().blocked) == (1, True)
    assert not warden.inspect(said("a lock"), Direction.PROMPT).blocked
    warden.close()


def test_checks_during_swaps_see_one_set_or_the_other() -> None:
    warden = Warden(EMBEDDER)
    one, two = pattern("lock"), pattern("gate")
    stop = threading.Event()
    seen: list[tuple[int, bool]] = []

    def look() -> None:
        while not stop.is_set():
            decision = warden.inspect(said("a lock"), Direction.PROMPT)
            seen.append((decision.revision, decision.blocked))

    thread = threading.Thread(target=look)
    thread.start()
    for revision in range(1, 200):
        warden.activate(Snapshot(revision, (one,) if revision % 2 else (two,)))
    stop.set()
    thread.join()
    assert seen
    assert all(blocked == (revision % 2 == 1) for revision, blocked in seen)
    warden.close()


def test_ten_thousand_tenants_do_not_fill_the_memory() -> None:
    made = PolicySet.compile(Snapshot(1, (replace(pattern("lock"), tenant="t7"),)), EMBEDDER)
    for number in range(3_000):
        made.scope(Direction.PROMPT, f"t{number}")
    assert len(made._scopes) <= 1_024
    assert np.array_equal(made.scope(Direction.PROMPT, "t7").applies, [True])
