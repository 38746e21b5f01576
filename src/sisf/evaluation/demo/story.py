"""One breach, told out of what happened: the request, the verdict, the policy, and what the policy did later."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sisf.evaluation.demo.account import Account
from sisf.evaluation.demo.programme import Programme, Step
from sisf.evaluation.demo.stage import Stage
from sisf.evaluation.outcomes import Sample
from sisf.policy import Policy
from sisf.verdict import Verdict

_SAME = 0.98
"""Requests that are more alike than this are the same one."""


@dataclass(frozen=True, slots=True)
class Echo:
    """A request that resembles the one that breached."""

    text: str
    likeness: float
    """Cosine of both under all-MiniLM-L6-v2 as published, which knows nothing of harm."""
    later: int = 0
    """How many requests after the breach it came; negative: before."""


@dataclass(frozen=True, slots=True)
class Story:
    """A breach and what came of it."""

    exchange_id: str
    request: str
    answer: str
    verdict: Verdict
    policy: Policy
    """What was learned from it."""
    paraphrase: Echo | None
    """The attack most like it that came later and was stopped by what was learned from it."""
    twin: Echo | None
    """The honest request most like it; it passed, the first time and at the final revision."""


def tell(stage: Stage, programme: Programme, account: Account) -> Story | None:
    """The breach whose later paraphrase is most like it; None when nothing was learned."""
    return _Teller(stage, programme, account).best()


class _Teller:
    def __init__(self, stage: Stage, programme: Programme, account: Account) -> None:
        self._store = stage.system.store
        self._sisf = account.sisf
        self._steps: Mapping[tuple[str, str], tuple[int, Step]] = {
            (step.dataset, step.record.id): (place, step) for place, step in enumerate(programme.steps)
        }
        self._policies = {p.id: p for p in self._store.policies.list()}
        self._vectors = stage.published.embed([step.record.prompt for step in programme.steps])

    def best(self) -> Story | None:
        again = {(s.dataset, s.id) for s in self._sisf.final if s.intercepted}
        learned = [s for s in self._sisf.attacks if s.verdict == "breach" and s.new_policy_ids]
        # Best is one that is itself stopped in the end: of others the policy waits for a person, or had to give way.
        breaches = [s for s in learned if (s.dataset, s.id) in again] or learned
        told = [(self._paraphrase(breach), breach) for breach in breaches]
        if not told:
            return None
        paraphrase, breach = max(told, key=lambda pair: pair[0].likeness if pair[0] else -1.0)
        record = self._store.exchanges.get(self._id(breach))
        if record.verdict is None:
            return None
        return Story(
            self._id(breach),
            record.exchange.prompt,
            record.exchange.response or "",
            record.verdict,
            self._policies[breach.new_policy_ids[0]],
            paraphrase,
            self._twin(breach),
        )

    def _paraphrase(self, breach: Sample) -> Echo | None:
        stopped = (s for s in self._sisf.attacks if s.side == "prompt" and self._taught(breach, s.policy_id))
        return self._nearest(breach, (s for s in stopped if self._place(s) > self._place(breach)))

    def _twin(self, breach: Sample) -> Echo | None:
        stopped = {(s.dataset, s.id) for s in (*self._sisf.benign, *self._sisf.final_benign) if s.intercepted}
        return self._nearest(breach, (s for s in self._sisf.benign if (s.dataset, s.id) not in stopped))

    def _taught(self, breach: Sample, policy_id: str | None) -> bool:
        policy = self._policies.get(policy_id or "")
        return policy is not None and self._id(breach) in policy.provenance.breach_ids

    def _nearest(self, breach: Sample, others: Iterable[Sample]) -> Echo | None:
        here = self._place(breach)
        alike = [(float(self._vectors[here] @ self._vectors[self._place(s)]), s) for s in others]
        likeness, found = max(
            (pair for pair in alike if pair[0] < _SAME), key=lambda pair: pair[0], default=(0.0, None)
        )
        if found is None:
            return None
        place, step = self._steps[found.dataset, found.id]
        return Echo(step.record.prompt, likeness, place - here)

    def _place(self, sample: Sample) -> int:
        return self._steps[sample.dataset, sample.id][0]

    def _id(self, sample: Sample) -> str:
        return self._sisf.replies[sample.dataset, sample.id].exchange_id
