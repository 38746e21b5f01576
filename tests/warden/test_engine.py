"""The parts of the engine: numbering, tables of n-grams, the shared matrix, and when to merge."""

import random
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.errors import PolicyError
from sisf.policy import Direction, Policy, Probe, Prototypes, Snapshot, Status
from sisf.text.ngrams import ngram_features
from sisf.warden import PolicySet, Warden
from sisf.warden.lexical import Postings, hashed
from sisf.warden.merge_schedule import due
from sisf.warden.policy_index import PolicyIndex
from sisf.warden.semantic import SemanticEngine
from tests.warden.samples import EMBEDDER, any_policy, landmarks_probe, near, pattern, said, score, word, words_probe

DIMENSIONS = EMBEDDER.dimensions
TEXTS = ["how to pick the lock of a gate", "a soup of leeks", "the lock", ""]


def semantic_policy(rng: random.Random) -> Policy:
    if rng.random() < 0.5:
        words = [*TEXTS[0].split(), *(word(rng) for _ in range(5))]
        probe = words_probe if rng.random() < 0.5 else partial(landmarks_probe, rng)
        return probe(*rng.sample(words, 4), threshold=rng.uniform(-1, 1))
    vectors = EMBEDDER.embed([" ".join(rng.sample(TEXTS[0].split(), 4)) for _ in range(rng.randint(1, 3))])
    condition = Prototypes(EMBEDDER.id, DIMENSIONS, vectors.astype("<f4").tobytes(), rng.uniform(-0.2, 0.6))
    return replace(near("x"), condition=condition)


def expected_hits(policies: dict[int, Policy], applies: np.ndarray) -> dict[int, float]:
    best: dict[int, float] = {}
    for number, policy in policies.items():
        condition = policy.condition
        assert isinstance(condition, Prototypes | Probe)
        highest = max(score(condition, text) for text in TEXTS)
        if applies[number] and highest >= condition.threshold + 1e-5:
            best[number] = highest
    return best


def _nearer(policy: Policy, steps: float) -> Prototypes | Probe:
    """The same condition with a threshold so many steps lower."""
    condition = policy.condition
    assert isinstance(condition, Prototypes | Probe)
    return replace(condition, threshold=condition.threshold - steps * (1.25 if isinstance(condition, Probe) else 0.02))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_engine_finds_what_each_policy_alone_finds(seed: int) -> None:
    rng = random.Random(seed)
    engine, known = SemanticEngine.empty(DIMENSIONS), dict[int, Policy]()
    for _ in range(6):
        new = {len(known) + i: semantic_policy(rng) for i in range(rng.choice((1, 2, 9)))}
        before = engine
        engine = engine.followed_by(new, EMBEDDER)
        # A set that was never put in force grew from the same engine: neither may see the other's rows.
        before.followed_by({n: semantic_policy(rng) for n in new}, EMBEDDER)
        known.update(new)
        applies = np.array([rng.random() < 0.8 for _ in known])
        embeddings, lexical = EMBEDDER.embed(TEXTS), [ngram_features(t) for t in TEXTS]
        for arranged in (engine, engine.merged()):
            found = {h.number: h.score for h in arranged.search(embeddings, lexical, applies)}
            expected = expected_hits(known, applies)
            assert expected.keys() <= found.keys()
            assert all(applies[n] for n in found)
            assert all(found[n] == pytest.approx(expected[n], abs=1e-4) for n in expected)
            near = {h.number: h for h in arranged.search(embeddings, lexical, applies, None, 2.0)}
            assert {n: h.score for n, h in near.items() if h.reached} == found
            nearly = {n: replace(p, condition=_nearer(p, 2.0)) for n, p in known.items()}
            assert expected_hits(nearly, applies).keys() <= near.keys()
            assert all(near[n].score >= _nearer(known[n], 2.0).threshold - 1e-4 for n in near)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=3), st.floats(-9, 9, width=32), max_size=6), min_size=1, max_size=6))
def test_tables_of_ngrams_weigh_as_the_probes_do(probes: list[dict[str, float]]) -> None:
    parts = [Postings.of({row: ngrams}) for row, ngrams in enumerate(probes)]
    merged = Postings.merged(parts, np.arange(len(probes), dtype=np.int32))
    text = {"a": 0.5, "": 0.25, "ab": 2.0} | dict.fromkeys(probes[0], 0.125)
    grams, values = hashed(text, len(text)), np.array(list(text.values()), np.float32)
    for tables in (parts, [merged]):
        scores = np.zeros(len(probes), np.float32)
        for table in tables:
            table.add(scores, grams, values)
        alone = [sum(text[g] * w for g, w in ngrams.items() if g in text) for ngrams in probes]
        assert scores == pytest.approx(alone, abs=1e-3)


def test_merging_tables_drops_rows_that_left() -> None:
    one, other = Postings.of({0: {"a": 1.0, "b": 2.0}}), Postings.of({1: {"b": 4.0}})
    merged = Postings.merged((one, other), np.array([-1, 0], np.int32))
    scores = np.zeros(1, np.float32)
    merged.add(scores, hashed(["a", "b"], 2), np.ones(2, np.float32))
    assert (len(merged), scores[0]) == (1, 4.0)


def test_a_number_stands_for_one_policy_with_one_condition() -> None:
    one, two = pattern("one"), pattern("two")
    checked: list[Policy] = []
    first, new = PolicyIndex().followed_by((one, two), checked.append)
    assert (first.numbers, dict(new)) == ({one.id: 0, two.id: 1}, {0: one, 1: two})
    watching = replace(one, status=Status.SHADOW, tenant="t")
    changed = replace(two, condition=pattern("three").condition)
    second, new = first.followed_by((watching, changed), checked.append)
    assert (second.numbers, dict(new)) == ({one.id: 0, two.id: 2}, {2: changed})
    assert second.policies[0] is watching
    assert second.scope(Direction.PROMPT, "t").applies.tolist() == [True, False, True]
    assert second.scope(Direction.PROMPT, "other").applies.tolist() == [False, False, True]
    assert first.scope(Direction.PROMPT, "").applies.tolist() == [True, True]
    third, new = second.followed_by((changed, replace(watching, status=Status.RETIRED)), checked.append)
    assert (third.numbers, dict(new)) == ({two.id: 2}, {})
    assert checked == [one, two, changed]


@given(st.lists(st.integers(1, 40), max_size=150))
def test_few_layers_remain_however_policies_come(arrivals: list[int]) -> None:
    sizes: list[int] = []
    for size in arrivals:
        sizes.append(size)
        count = due(sizes, 500, 8)
        if count:
            sizes[-count:] = [sum(sizes[-count:])]
        assert max(sizes) <= 500
    assert sum(sizes) == sum(arrivals)
    # Full ones; a chain of sizes that double, each with up to eight followers.
    assert len(sizes) <= sum(sizes) / 250 + 8 * 5


def test_the_newest_are_merged_when_there_are_more_than_few() -> None:
    assert due([1] * 8, 100, 8) == 0
    assert due([1] * 9, 100, 8) == 9
    assert due([64, 17, *[1] * 9], 100, 8) == 10
    assert due([64, *[20] * 9], 1_000, 8) == 10
    assert due([95, *[1] * 9], 100, 8) == 9


def test_churn_does_not_pile_up() -> None:
    rng = random.Random(5)
    warden = Warden(EMBEDDER)
    staying = [any_policy(rng) for _ in range(20)]
    for revision in range(1, 500):
        warden.activate(Snapshot(revision, (*staying, any_policy(rng))))
    warden._background.submit(lambda: None).result()
    made = warden.policy_set
    assert len(made.policies) == 21
    assert len(made.index.policies) <= 2 * 21 + 64
    assert made.semantics.count <= 2 * 21 + 64
    assert sum(len(layer.patterns) for layer in made.pattern_layers) <= 2 * 21 + 64
    warden.close()


def test_a_failed_compile_keeps_the_old_set_and_what_follows_is_right() -> None:
    warden = Warden(EMBEDDER)
    good, more = near(TEXTS[0]), near(TEXTS[1])
    warden.activate(Snapshot(1, (good,)))
    with pytest.raises(PolicyError, match="the-bad-one"):
        warden.activate(Snapshot(2, (good, near("other"), replace(pattern("("), id="the-bad-one"))))
    assert warden.revision == 1
    warden.activate(Snapshot(3, (good, more)))
    for policy, text in ((good, TEXTS[0]), (more, TEXTS[1])):
        assert warden.inspect(said(text), Direction.PROMPT).policy_id == policy.id
    assert not warden.inspect(said("other"), Direction.PROMPT).matches
    warden.close()


def test_what_was_activated_during_a_merge_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    warden = Warden(EMBEDDER)
    policies = [pattern(f"word{i}x") for i in range(40)]
    merge = PolicySet.merged

    def slow(self: PolicySet, pause: object = None) -> PolicySet:
        merged = merge(self)
        if self.revision == 30:
            monkeypatch.setattr(PolicySet, "merged", merge)
            warden.activate(Snapshot(31, tuple(policies[5:36])))
        return merged

    for number in range(1, 31):
        warden._set = PolicySet.compile(Snapshot(number, tuple(policies[:number])), EMBEDDER, warden._set)
    monkeypatch.setattr(PolicySet, "merged", slow)
    warden._merge()
    assert warden.revision == 31
    assert not warden.inspect(said("word2x"), Direction.PROMPT).blocked
    assert warden.inspect(said("word35x"), Direction.PROMPT).blocked
    assert len(warden.policy_set.pattern_layers) < 30
    warden.close()
