"""One judge after the other until one of them decides; after the last, a person."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sisf.adjudicator.base import Adjudicator, prepare_judge
from sisf.adjudicator.counters import JudgeCounters
from sisf.adjudicator.requests import judge_request
from sisf.exchange import Exchange
from sisf.verdict import Outcome, Verdict


class EscalatingAdjudicator:
    """Asks its judges in order and passes on the first decided verdict, which names the judge that gave it.

    When none decides the verdict is `undecided`, with every judge's reason: such exchanges wait for a person.
    """

    def __init__(self, judges: Sequence[Adjudicator]) -> None:
        if not judges:
            raise ValueError("an escalation needs at least one judge")
        self._judges = tuple(judges)
        self.counters = JudgeCounters(self.name)

    @property
    def name(self) -> str:
        """The judges, in order."""
        return ">".join(judge.name for judge in self._judges)

    def adjudicate(self, exchange: Exchange) -> Verdict:
        """See `Adjudicator.adjudicate`."""
        return self._first(lambda judge: judge.adjudicate(exchange))

    def judge_request(self, exchange: Exchange) -> Verdict:
        """See `RequestJudge`."""
        return self._first(lambda judge: judge_request(judge, exchange))

    def prepare(self) -> None:
        """See `PreparableJudge`."""
        for judge in self._judges:
            prepare_judge(judge)

    def _first(self, ask: Callable[[Adjudicator], Verdict]) -> Verdict:
        verdicts: list[Verdict] = []
        for judge in self._judges:
            verdict = ask(judge)
            if verdict.outcome is not Outcome.UNDECIDED:
                return verdict
            verdicts.append(verdict)
            self.counters.escalation()
        reasons = "; ".join(f"{verdict.judge}: {verdict.rationale}" for verdict in verdicts)
        return replace(verdicts[-1], rationale=reasons[:2000])
