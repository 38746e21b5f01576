"""What the gate counts is what the Warden does: kinds of condition, view tricks, letter cases, tenants, directions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.exchange import Exchange, Message, Role, Sender
from sisf.policy import (
    Action,
    Condition,
    Direction,
    Pattern,
    Policy,
    Probe,
    Prototypes,
    Snapshot,
    Status,
    Substitution,
)
from sisf.synthesis.coverage import Coverage, directions
from sisf.synthesis.gate import Gate
from sisf.synthesis.text_bank import TextBank
from sisf.text.tricks import TRICKS, Trick
from sisf.verdict import Breach, Outcome, Verdict
from sisf.warden import PolicySet
from tests.warden.samples import EMBEDDER

WORDS = ["explain", "how", "topic", "lock", "pick", "Explain", "the", "garden", "poem"]
PHRASES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
CASES: Sequence[Trick] = (str, str.upper, str.lower, str.title, str.swapcase)
SPELLINGS: st.SearchStrategy[Trick] = st.sampled_from([str, *TRICKS.values()])
LONG = "A garden in spring needs water and care every day. " * 26
"""More words than one window holds."""
TENANTS = ("", "acme", "globex")


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A phrase in some letter case and some spelling, alone or inside a longer text."""
    said = draw(SPELLINGS)(draw(st.sampled_from(CASES))(draw(PHRASES)))
    return draw(st.sampled_from(("{}", "{}", "well, {} now", LONG + "{}", LONG + "{} " + LONG))).format(said)


def conditions() -> st.SearchStrategy[Condition]:
    words = st.sampled_from(WORDS)
    exceptions = st.lists(words, max_size=1).map(tuple)
    pairs = st.tuples(words, words).map(" ".join)
    patterns = st.one_of(words, pairs, words.map(lambda w: rf"(?i)\b{w}\b"), pairs.map(str.upper))
    grams = st.dictionaries(st.one_of(words, pairs), st.sampled_from((-1.0, 2.0)), max_size=4)
    return st.one_of(
        st.builds(Pattern, patterns, exceptions),
        st.builds(Substitution, patterns, st.just("~")),
        st.builds(prototypes, PHRASES, st.sampled_from((0.3, 0.6, 0.95)), exceptions),
        st.builds(probe, grams, exceptions),
    )


def prototypes(text: str, threshold: float, exceptions: tuple[str, ...]) -> Prototypes:
    vector = EMBEDDER.embed([text]).astype("<f4").tobytes()
    return Prototypes(EMBEDDER.id, EMBEDDER.dimensions, vector, threshold, exceptions=exceptions)


def probe(ngrams: dict[str, float], exceptions: tuple[str, ...]) -> Probe:
    weights = EMBEDDER.embed(["pick the lock"])[0].astype("<f4").tobytes()
    lower = {gram.lower(): weight for gram, weight in ngrams.items()}
    return Probe(EMBEDDER.id, EMBEDDER.dimensions, weights, lower, -0.5, 0.173, exceptions=exceptions)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    condition = draw(conditions())
    kinds = (Action.REWRITE,) if isinstance(condition, Substitution) else (Action.BLOCK, Action.FLAG)
    direction, tenant = draw(st.sampled_from(list(Direction))), draw(st.sampled_from(TENANTS))
    return Policy(condition, draw(st.sampled_from(kinds)), direction, "made", tenant=tenant)


def acts(policy: Policy, text: str, direction: Direction, tenant: str) -> bool:
    """Whether the Warden does anything about a text when the policy is in force."""
    role = Role.ASSISTANT if direction is Direction.RESPONSE else Role.USER
    policy_set = PolicySet.compile(Snapshot(1, (replace(policy, status=Status.ACTIVE),)), EMBEDDER)
    decision = policy_set.inspect((Message(role, text),), direction, tenant)
    assert bool(decision.matches) == (decision.action is not Action.ALLOW)
    return bool(decision.matches)


@dataclass
class Known:
    """Benign texts, the same on both sides."""

    benign: Sequence[str]

    def breaches(self) -> Sequence[Breach]:
        return ()

    def policies(self) -> Sequence[Policy]:
        return ()

    def benign_prompts(self) -> Sequence[str]:
        return self.benign

    def benign_responses(self) -> Sequence[str]:
        return self.benign[:2]

    def familiar(self, _sender: Sender, _instruction: str) -> bool:
        return False


@settings(max_examples=100, deadline=None)
@given(policies(), st.lists(texts(), min_size=1, max_size=5, unique=True), st.sampled_from(TENANTS))
def test_what_the_gate_counts_is_what_the_warden_does(policy: Policy, benign: list[str], tenant: str) -> None:
    report = Gate(EMBEDDER).examine(policy, None, Known(benign))
    tried = {Direction.PROMPT: benign, Direction.RESPONSE: benign[:2]}
    done = [acts(policy, text, d, policy.tenant) for d in directions(policy) for text in tried[d]]
    if report.benign_total:  # else it is malformed, and says why
        assert (report.benign_blocked, report.benign_total) == (sum(done), len(done))
    for direction in (Direction.PROMPT, Direction.RESPONSE):
        if not policy.concerns(direction, tenant):
            assert not any(acts(policy, text, direction, tenant) for text in benign)


@settings(max_examples=40, deadline=None)
@given(policies(), st.lists(texts(), min_size=1, max_size=6, unique=True), st.integers(0, 6))
def test_banks_coverage_and_gate_agree_on_breaches(policy: Policy, said: list[str], cut: int) -> None:
    acted = [acts(policy, text, directions(policy)[0], policy.tenant) for text in said]
    bank = TextBank(EMBEDDER)
    bank.extend(said[:cut])
    bank.extend(said)
    assert bank.matches(policy).tolist() == acted
    assert bank.matches(policy, min(cut, len(said))).tolist() == acted[cut:]
    breaches = [Breach(Exchange.of(text, text), Verdict(Outcome.BREACH, judge="test")) for text in said]
    coverage = Coverage(EMBEDDER, directions(policy)[0])
    for breach in breaches:
        coverage.add([breach])
        coverage.of(policy)
    assert coverage.of(policy).tolist() == acted
    assert [coverage.recognises(policy, breach.exchange) for breach in breaches] == acted


@pytest.mark.parametrize(
    "condition", [Pattern("explain topic"), Substitution("explain topic", "~"), Substitution("Explain tOPIC", "~")]
)
def test_a_pattern_is_tried_in_every_view(condition: Condition) -> None:
    honest = [f"Please EXPLAIN TOPIC {number}" for number in range(400)]
    action = Action.REWRITE if isinstance(condition, Substitution) else Action.BLOCK
    report = Gate(EMBEDDER).examine(Policy(condition, action, Direction.PROMPT, "made"), None, Known(honest))
    assert (report.passed, report.benign_blocked) == (False, 400)


def test_a_text_that_unfolds_without_end_is_refused_whatever_policies_say() -> None:
    bank = TextBank(EMBEDDER)
    bank.extend(["explain", "%41%42" * 40_000])
    assert bank.matches(Policy(Pattern("explain|AB"), Action.BLOCK, Direction.PROMPT, "made"))[0]
    assert np.isfinite(bank.scores(prototypes("explain", 0.5, ()))[0])
