"""The gate: what a proposed policy must show before it may act.

A policy passes when it is well formed, catches the breach it was written for, blocks none of the benign texts known
(a part of which synthesis never saw), has an upper bound of its false-positive rate under the budget, adds something
to what is in force, and costs little.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec
import numpy as np
from scipy.stats import beta

from sisf.embedding.base import Embedder
from sisf.errors import PolicyError
from sisf.policy import Direction, GateReport, Pattern, Policy, PolicyKind, Probe, Prototypes, Substitution
from sisf.synthesis.base import Knowledge
from sisf.synthesis.reference import Mask, TextBank
from sisf.verdict import Breach
from sisf.warden.patterns import validate as validate_pattern

_SHOWN = 10
_SHORTENED = 120


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What the gate tolerates."""

    max_benign_blocked: int = 0
    """Benign reference texts that a policy may block. A learned threshold is a quantile: set 1 or 2 to admit it."""
    fpr_budget: float = 0.002
    """The 95 % upper bound of the false-positive rate must stay under this (0 of 1,500 texts: 0.002)."""
    fpr_budget_answers: float = 0.003
    """The same for a policy on answers: harmless answers to show it by are scarcer than prompts."""
    max_cost_us: float = 2_000.0
    max_probe_bytes: int = 64_000
    novelty: float = 0.05
    """Share of the known breaches it would catch that nothing in force catches: below, it is a duplicate."""


def fpr_upper_bound(blocked: int, total: int, confidence: float = 0.95) -> float:
    """One-sided Clopper–Pearson upper bound of a rate seen as `blocked` of `total`; 1.0 without any text."""
    if total == 0 or blocked >= total:
        return 1.0
    return float(beta.ppf(confidence, blocked + 1, total - blocked))


class Gate:
    """Examines proposals. Called by one thread at a time; keeps the features of the benign texts between calls."""

    def __init__(self, embedder: Embedder, limits: GateLimits | None = None, *, secret: Sequence[str] = ()) -> None:
        self.embedder = embedder
        self.limits = limits or GateLimits()
        self._secret = tuple(secret)
        """Benign texts that synthesis never sees."""
        self._benign = {Direction.PROMPT: TextBank(embedder), Direction.RESPONSE: TextBank(embedder)}
        self._breaches = {Direction.PROMPT: TextBank(embedder), Direction.RESPONSE: TextBank(embedder)}
        self._known_breaches = 0

    def examine(
        self, policy: Policy, breach: Breach | None, knowledge: Knowledge, variants: Sequence[str] = ()
    ) -> GateReport:
        """Examine one policy. `variants` are rewordings of the breach's prompt that it should catch as well."""
        try:
            self._check_form(policy)
        except PolicyError as error:
            return GateReport(passed=False, reasons=(str(error),))
        self._refresh(knowledge)
        started = time.perf_counter()
        benign = list(self._benign_hits(policy))
        total = sum(len(self._benign[d]) for d in _directions(policy))
        cost = 1e6 * (time.perf_counter() - started) / max(total, 1)
        catches = breach is None or self._catches(policy, breach)
        caught = self._count_caught(policy, variants)
        upper = fpr_upper_bound(len(benign), total)
        duplicates = self._duplicates(policy, knowledge)
        budget = self.limits.fpr_budget_answers if policy.direction is Direction.RESPONSE else self.limits.fpr_budget
        reasons = self._reasons(
            catches=catches, benign=benign, upper=upper, budget=budget, duplicates=duplicates, cost=cost
        )
        return GateReport(
            passed=not reasons,
            reasons=tuple(reasons),
            catches_breach=catches,
            variants_caught=caught,
            variants=len(variants),
            benign_hits=tuple(text[:_SHORTENED] for text in benign[:_SHOWN]),
            benign_blocked=len(benign),
            benign_total=total,
            fpr_upper=upper,
            duplicates=duplicates,
            cost_us=cost,
        )

    def _refresh(self, knowledge: Knowledge) -> None:
        self._benign[Direction.PROMPT].extend([*knowledge.benign_prompts(), *self._secret])
        self._benign[Direction.RESPONSE].extend(knowledge.benign_responses())
        breaches = knowledge.breaches()
        for known in breaches[self._known_breaches :]:
            self._breaches[Direction.PROMPT].extend([known.exchange.prompt])
            self._breaches[Direction.RESPONSE].extend([known.exchange.response or ""])
        self._known_breaches = len(breaches)

    def _check_form(self, policy: Policy) -> None:
        limits = self.limits
        match policy.condition:
            case Pattern(pattern=pattern, exceptions=exceptions):
                for expression in (pattern, *exceptions):
                    validate_pattern(expression)
            case Substitution(pattern=pattern):
                validate_pattern(pattern)
            case Probe() | Prototypes() as condition:
                if condition.embedder != self.embedder.id:
                    raise PolicyError(
                        f"made for embedder `{condition.embedder}`, but `{self.embedder.id}` is in use; "
                        "rebuild the policy for this embedder"
                    )
                size = probe_bytes(condition) if isinstance(condition, Probe) else 0
                if size > limits.max_probe_bytes:
                    raise PolicyError(f"the probe takes {size:,} bytes; at most {limits.max_probe_bytes:,} are allowed")

    def _benign_hits(self, policy: Policy) -> chain[str]:
        banks = [self._benign[d] for d in _directions(policy)]
        return chain.from_iterable(_selected(bank, bank.matches(policy)) for bank in banks)

    def _catches(self, policy: Policy, breach: Breach) -> bool:
        texts = {
            Direction.PROMPT: [m.content for m in breach.exchange.messages] + [breach.exchange.prompt],
            Direction.RESPONSE: [breach.exchange.response or ""],
        }
        return any(self._matches_any(policy, texts[d]) for d in _directions(policy))

    def _matches_any(self, policy: Policy, texts: Sequence[str]) -> bool:
        return self._count_caught(policy, texts) > 0

    def _count_caught(self, policy: Policy, texts: Sequence[str]) -> int:
        if not texts:
            return 0
        bank = TextBank(self.embedder)
        bank.extend(texts)
        return int(bank.matches(policy).sum())

    def _duplicates(self, policy: Policy, knowledge: Knowledge) -> tuple[str, ...]:
        """Ids of what is in force (and not replaced by `policy`) and catches nearly all breaches that it catches."""
        if policy.kind is PolicyKind.REWRITE:
            return ()
        others = [
            p for p in knowledge.policies() if p.id not in policy.provenance.supersedes and p.action is policy.action
        ]
        found: list[str] = []
        for direction in _directions(policy):
            bank = self._breaches[direction]
            mine = bank.matches(policy)
            if not mine.any():
                return ()
            left = mine.copy()
            for other in others:
                if other.direction.covers(direction):
                    before = left.sum()
                    left &= ~bank.matches(other)
                    found += [other.id] if left.sum() < before else []
            if left.sum() > self.limits.novelty * mine.sum():
                return ()
        return tuple(dict.fromkeys(found))

    def _reasons(
        self,
        *,
        catches: bool,
        benign: Sequence[str],
        upper: float,
        budget: float,
        duplicates: Sequence[str],
        cost: float,
    ) -> list[str]:
        limits = self.limits
        reasons = [] if catches else ["it does not catch the breach it was written for"]
        if len(benign) > limits.max_benign_blocked:
            reasons.append(f"it blocks {len(benign)} benign texts, such as: {benign[0][:_SHORTENED]!r}")
        elif upper > budget:
            reasons.append(
                f"its false-positive rate may be as high as {upper:.2%}, over the budget of {budget:.2%}: "
                "more benign texts are needed to show that it is harmless"
            )
        if duplicates:
            reasons.append(f"what it catches is caught already by {', '.join(duplicates)}")
        if cost > limits.max_cost_us:
            reasons.append(f"one evaluation takes {cost:.0f} µs, over the limit of {limits.max_cost_us:.0f} µs")
        return reasons


def probe_bytes(probe: Probe) -> int:
    """How large the probe is when serialised as JSON, examples left out."""
    return len(probe.weights) + len(msgspec.json.encode(dict(probe.ngrams)))


def _directions(policy: Policy) -> tuple[Direction, ...]:
    return tuple(d for d in (Direction.PROMPT, Direction.RESPONSE) if policy.direction.covers(d))


def _selected(bank: TextBank, mask: Mask) -> list[str]:
    return [bank.texts[i] for i in np.flatnonzero(mask)]
