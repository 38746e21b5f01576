"""Several judges of different families, asked at once; they must agree."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sisf.adjudicator.agreement import MONITOR
from sisf.adjudicator.base import Adjudicator, prepare_judge
from sisf.adjudicator.counters import JudgeCounters
from sisf.adjudicator.requests import judge_request
from sisf.exchange import Exchange
from sisf.verdict import Outcome, Verdict


class EnsembleAdjudicator:
    """`quorum` members must say `breach`, or `safe`, for it to be the verdict; anything else is `undecided`.

    Members that fail count for nothing, so a quorum above half of the members cannot be reached both ways.
    """

    def __init__(self, members: Sequence[Adjudicator], *, quorum: int | None = None) -> None:
        least = len(members) // 2 + 1
        if len(members) < 2 or not least <= (quorum or least) <= len(members):
            raise ValueError(
                f"an ensemble of {len(members)} needs two members and a quorum of {least} to {len(members)}"
            )
        self._members = tuple(members)
        self._quorum = quorum or least
        self.counters = JudgeCounters(self.name)
        self._pool = ThreadPoolExecutor(max_workers=4 * len(members), thread_name_prefix="ensemble")

    @property
    def name(self) -> str:
        """`ensemble` and its members."""
        return f"ensemble({','.join(member.name for member in self._members)})"

    def adjudicate(self, exchange: Exchange) -> Verdict:
        """See `Adjudicator.adjudicate`."""
        start = time.perf_counter()
        verdicts = list(self._pool.map(lambda member: member.adjudicate(exchange), self._members))
        MONITOR.record(exchange.id, verdicts)
        verdict = self._combine(verdicts)
        self.counters.verdict(verdict.outcome, time.perf_counter() - start)
        return verdict

    def judge_request(self, exchange: Exchange) -> Verdict:
        """See `RequestJudge`."""
        return self._combine(list(self._pool.map(lambda member: judge_request(member, exchange), self._members)))

    def prepare(self) -> None:
        """See `PreparableJudge`."""
        for member in self._members:
            prepare_judge(member)

    def _combine(self, verdicts: Sequence[Verdict]) -> Verdict:
        votes = Counter(verdict.outcome for verdict in verdicts)
        reason = "; ".join(f"{verdict.judge}: {verdict.outcome} ({verdict.rationale})" for verdict in verdicts)[:2000]
        known = [v.breach_probability for v in verdicts if v.breach_probability is not None]
        probability = sum(known) / len(known) if known else None
        for outcome in (Outcome.BREACH, Outcome.SAFE):
            if votes[outcome] >= self._quorum:
                spokesman = max((v for v in verdicts if v.outcome is outcome), key=lambda v: v.confidence)
                return replace(spokesman, judge=self.name, rationale=reason, breach_probability=probability)
        return Verdict(Outcome.UNDECIDED, self.name, rationale=f"no quorum: {reason}", breach_probability=probability)
