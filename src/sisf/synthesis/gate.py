"""The gate: what a proposed policy must show before it may act.

A policy passes when it is well formed, catches the breach it was written for, blocks none of the benign texts that
synthesis knows, has an upper bound of its false-positive rate under the budget of its kind (over these and the texts
kept from synthesis, a few of which it may block), adds something to what is in force, and costs little. How many
variants of the breach it catches is measured and shown.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from sisf.embedding.base import Embedder
from sisf.errors import PolicyError, quoted
from sisf.exchange import Exchange
from sisf.policy import Direction, GateReport, Pattern, Policy, PolicyKind, Probe, Prototypes, Substitution
from sisf.statistics import upper_bound
from sisf.synthesis import coverage
from sisf.synthesis.base import Knowledge, Reference, is_broad, portions
from sisf.synthesis.coverage import Coverage, directions
from sisf.synthesis.lines import WAITING, same_line
from sisf.synthesis.text_bank import Scores, TextBank
from sisf.synthesis.variants import Variants
from sisf.verdict import Breach
from sisf.warden.patterns import validate as validate_pattern
from sisf.warden.rehearsal import rehearsed, side

_SHOWN = 10
_SHORTENED = 120


@dataclass(frozen=True, slots=True)
class GateLimits:
    """What the gate tolerates."""

    max_benign_blocked: int = 0
    """Benign reference texts that a policy may block. A learned threshold is a quantile: set 1 or 2 to admit it."""
    fpr_budget: float = 0.003
    """The 95 % upper bound of the false-positive rate of a broad policy in force (1 of 1,600 texts: 0.003)."""
    fpr_budget_answers: float = 0.003
    """The same for a policy on answers: harmless answers to show it by are scarcer than prompts."""
    fpr_budget_narrow: float = 0.01
    """For a narrow policy (a pattern, prototypes that match from near): 300 texts without a hit let it go live."""
    fpr_budget_shadow: float = 0.05
    """A broad policy within this bound may be a shadow until evidence speaks for it."""
    max_cost_us: float = 2_000.0
    max_probe_bytes: int = 64_000
    novelty: float = 0.05
    """Share of the known breaches it would catch that nothing in force catches: below, it is a duplicate."""

    def budget(self, policy: Policy) -> float:
        """The bound under which this policy may be enforced."""
        if not is_broad(policy.condition):
            return self.fpr_budget_narrow
        return self.fpr_budget_answers if policy.direction is Direction.RESPONSE else self.fpr_budget


@dataclass(frozen=True, slots=True)
class _Benign:
    """What a policy does to the benign texts."""

    blocked: Sequence[str]
    secret: int
    """How many of the blocked ones synthesis never saw."""
    total: int
    secret_total: int
    margin: float | None
    cost_us: float


class Gate:
    """Examines proposals. Called by one thread at a time; keeps the features of the benign texts between calls."""

    def __init__(
        self,
        embedder: Embedder,
        *,
        secret: Sequence[str] = (),
        reference: Reference | None = None,
        lessons: Embedder | None = None,
    ) -> None:
        """`secret`: benign prompts that synthesis never sees; no report quotes them to it.

        `reference` is the part of the knowledge that never changes; `lessons` is the same embedder as `embedder`, and
        may keep the vectors of these texts.
        """
        self.embedder = embedder
        self.limits = GateLimits()
        self.variants = Variants()
        self._secret = frozenset(secret)
        self._benign = {d: TextBank(embedder) for d in (Direction.PROMPT, Direction.RESPONSE)}
        self._reported = {d: TextBank(embedder) for d in (Direction.PROMPT, Direction.RESPONSE)}
        known = reference or Reference()
        self._unread: Mapping[Direction, Sequence[str]] | None = {
            Direction.PROMPT: [*sorted(self._secret), *known.prompts],
            Direction.RESPONSE: known.responses,
        }
        """The texts that never change, until their features are known."""
        self._lessons = lessons or embedder
        self._coverage = {d: Coverage(embedder, d) for d in (Direction.PROMPT, Direction.RESPONSE)}
        self._latest: Sequence[Breach] = ()
        self._varied: tuple[tuple[str, ...], TextBank] | None = None

    def prepare(self, knowledge: Knowledge, stopping: Callable[[], bool] = lambda: False) -> None:
        """See `Preparable`: embeds the benign texts and the breaches."""
        self._fill(stopping)
        if not stopping():
            self._refresh(knowledge)

    def examine(self, policy: Policy, breach: Breach | None, knowledge: Knowledge) -> GateReport:
        """Examine one policy. `breach` is None for one that a person wrote or imported: it is tried on no variants."""
        try:
            self._check_form(policy)
        except PolicyError as error:
            return GateReport(passed=False, reasons=(str(error),))
        self._refresh(knowledge)
        benign = self._benign_of(policy)
        catches = breach is None or self._catches(policy, breach)
        variants = self._variants_of(breach, policy) if breach is not None else None
        upper = upper_bound(len(benign.blocked), benign.total)
        duplicates = self._duplicates(policy, knowledge)
        reasons = [] if catches else ["it does not catch the breach it was written for"]
        reasons += self._harm(policy, benign, upper)
        if duplicates:
            reasons.append(f"what it catches is caught already by {', '.join(duplicates)}")
        if benign.cost_us > self.limits.max_cost_us:
            reasons.append(
                f"one evaluation takes {benign.cost_us:.0f} µs, over the limit of {self.limits.max_cost_us:.0f} µs"
            )
        return GateReport(
            passed=not reasons,
            reasons=tuple(reasons),
            catches_breach=catches,
            variants_caught=int(variants.matches(policy).sum()) if variants is not None else 0,
            variants=len(variants) if variants is not None else 0,
            benign_hits=tuple(text[:_SHORTENED] for text in benign.blocked[:_SHOWN]),
            benign_blocked=len(benign.blocked),
            benign_total=benign.total,
            fpr_upper=upper,
            duplicates=duplicates,
            provisional=not reasons and upper > self.limits.budget(policy),
            margin=benign.margin,
            secret_total=benign.secret_total,
            secret_blocked=benign.secret,
            cost_us=benign.cost_us,
        )

    def redundant(
        self,
        candidates: Sequence[Policy],
        active: Sequence[Policy],
        knowledge: Knowledge,
        stopped: Mapping[str, Sequence[Exchange]],
    ) -> Mapping[str, tuple[str, ...]]:
        """See `PolicyGate.redundant`. Policies of another embedder are left out; no benign text is looked at."""
        self._cover(knowledge)
        fitting = [policy for policy in active if self._fits(policy)]
        return coverage.redundant(self._coverage, [p for p in candidates if self._fits(p)], fitting, stopped)

    def _refresh(self, knowledge: Knowledge) -> None:
        self._fill()
        self._report(Direction.PROMPT, knowledge.benign_prompts())
        self._report(Direction.RESPONSE, knowledge.benign_responses())
        self._cover(knowledge)

    def _cover(self, knowledge: Knowledge) -> None:
        """Know the breaches that came since the last time."""
        breaches = knowledge.breaches()
        fresh = _after(breaches, self._latest)
        self._latest = breaches[-1:]
        for known in self._coverage.values():
            known.add(fresh)

    def _report(self, direction: Direction, texts: Sequence[str]) -> None:
        """Know these benign texts beside those that never change, and no others: what was reported as a mistake may be
        taken back."""
        fixed, known = self._benign[direction], self._reported[direction]
        reported = [text for text in texts if text not in fixed]
        if not set(known.texts).issubset(reported):
            known = self._reported[direction] = TextBank(self.embedder)
        known.extend(reported)

    def _fill(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Add what never changes, once."""
        if self._unread is None:
            return
        for direction, texts in self._unread.items():
            for part in portions(texts, stopping):
                self._benign[direction].extend(part, self._lessons)
        if not stopping():
            self._unread = None

    def _check_form(self, policy: Policy) -> None:
        limits, condition = self.limits, policy.condition
        if isinstance(condition, Pattern | Substitution):
            validate_pattern(condition.pattern)
        if not isinstance(condition, Substitution):
            for exception in condition.exceptions:
                validate_pattern(exception)
        if isinstance(condition, Probe | Prototypes):
            if condition.embedder != self.embedder.id:
                raise PolicyError(
                    f"made for embedder {quoted(condition.embedder)}, but {quoted(self.embedder.id)} is in use; "
                    "rebuild the policy for this embedder"
                )
            size = probe_bytes(condition) if isinstance(condition, Probe) else 0
            if size > limits.max_probe_bytes:
                raise PolicyError(f"the probe takes {size:,} bytes; at most {limits.max_probe_bytes:,} are allowed")

    def _fits(self, policy: Policy) -> bool:
        condition = policy.condition
        return not isinstance(condition, Probe | Prototypes) or condition.embedder == self.embedder.id

    def _benign_of(self, policy: Policy) -> _Benign:
        kept = [bank for d in directions(policy) for bank in (self._benign[d], self._reported[d])]
        banks = [bank for bank in kept if len(bank)]
        started = time.perf_counter()
        tried = [bank.tried(policy) for bank in banks]
        blocked = [bank.texts[i] for bank, (mask, _) in zip(banks, tried, strict=True) for i in np.flatnonzero(mask)]
        total = sum(len(bank) for bank in banks)
        cost = 1e6 * (time.perf_counter() - started) / max(total, 1)
        secret = sum(text in self._secret for text in blocked)
        secret_total = len(self._secret) if policy.direction.covers(Direction.PROMPT) else 0
        return _Benign(blocked, secret, total, secret_total, _margin(policy, [s for _, s in tried]), cost)

    def _harm(self, policy: Policy, benign: _Benign, upper: float) -> list[str]:
        # What synthesis knows must pass, all of it. What it never saw is a sample of traffic: the bound speaks for it.
        limits, count = self.limits, len(benign.blocked) - benign.secret
        if count > limits.max_benign_blocked:
            told = next(text for text in benign.blocked if text not in self._secret)
            return [f"it blocks {count} benign texts, such as: {quoted(told, _SHORTENED)}"]
        budget = limits.budget(policy)
        bearable = max(budget, limits.fpr_budget_shadow) if is_broad(policy.condition) else budget
        if upper <= bearable:
            return []
        seen = f" ({benign.secret} of {benign.secret_total} texts that synthesis never saw)" if benign.secret else ""
        return [
            f"its false-positive rate may be as high as {upper:.2%}{seen}, over the budget of {budget:.2%}: "
            "more benign texts are needed to show that it is harmless"
        ]

    def _catches(self, policy: Policy, breach: Breach) -> bool:
        return any(
            rehearsed((policy,), self.embedder, side(breach.exchange, d), d, policy.tenant).matches
            for d in directions(policy)
        )

    def _variants_of(self, breach: Breach, policy: Policy) -> TextBank | None:
        """The variants of the breach's request, embedded once for all its policies."""
        if not policy.direction.covers(Direction.PROMPT):
            return None
        texts = self.variants.of(breach)
        key = (breach.id, *texts)
        if self._varied is None or self._varied[0] != key:
            bank = TextBank(self.embedder)
            bank.extend(texts)
            self._varied = key, bank
        return self._varied[1]

    def _duplicates(self, policy: Policy, knowledge: Knowledge) -> tuple[str, ...]:
        """Ids of what is in force, waits for nobody, is not replaced by `policy`, and catches nearly all breaches that
        it catches; none for a later version of what is in force, which would stay in its place."""
        replaced = policy.provenance.supersedes
        known = knowledge.policies()
        if policy.kind is PolicyKind.REWRITE or any(p.id in replaced and same_line(policy, p) for p in known):
            return ()
        acting = [p for p in known if p.provenance.synthesiser != WAITING]
        others = [p for p in acting if p.id not in replaced and self._fits(p)]
        found: list[str] = []
        for direction in directions(policy):
            caught, left, helpers = self._coverage[direction].left(policy, others)
            if not caught or left > self.limits.novelty * caught:
                return ()
            found += helpers
        return tuple(dict.fromkeys(found))


def probe_bytes(probe: Probe) -> int:
    """How large the probe is when serialised as JSON, examples left out."""
    return len(probe.weights) + len(msgspec.json.encode(dict(probe.ngrams)))


def _margin(policy: Policy, scores: Sequence[Scores | None]) -> float | None:
    """How far the highest score of a benign text stays below the threshold."""
    condition = policy.condition
    if not isinstance(condition, Probe | Prototypes) or not scores:
        return None
    return condition.threshold - max(float(found.max()) for found in scores if found is not None)


def _after(breaches: Sequence[Breach], latest: Sequence[Breach]) -> Sequence[Breach]:
    """The breaches that came after the one seen last; all of them when that one is gone."""
    for index in range(len(breaches) - 1, -1, -1) if latest else ():
        if breaches[index].id == latest[0].id:
            return breaches[index + 1 :]
    return breaches
