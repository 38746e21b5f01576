"""One defence in front of one model, under test: every exchange takes the way that it takes in the product."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import Literal, Protocol

import numpy as np

from sisf.adjudicator.base import Adjudicator
from sisf.datasets.records import Record, exchange_id
from sisf.errors import Blocked
from sisf.evaluation.answers import Answered, Answers, recorded_label
from sisf.evaluation.defences import Defence, Tally, Unlearned, done, teach
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.exchange import Fate, Message, Role
from sisf.pipeline import Caller, Choice, Inspected, Pipeline, Turn, create_pipeline
from sisf.pipeline.ports import Monitor
from sisf.policy import Decision, Direction, Policy
from sisf.settings import Settings
from sisf.store import ExchangeRecord
from sisf.verdict import Outcome

_PATIENCE_SECONDS = 3_600.0


class Subject(Protocol):
    """What an experiment measures: sends samples, learns, and is closed at the end. Used by one thread."""

    def send(self, record: Record, *, dataset: str, trial: int, learn: bool) -> Sample:
        """Send one attack. With `learn` the loop may learn from it, when `settle` says so."""
        ...

    def settle(self, sample: Sample) -> Sample:
        """Let the loop do its work on an attack that was sent, to the end; returns the sample with what came of it."""
        ...

    def show(self, record: Record, *, dataset: str, trial: int) -> Sample:
        """Let the loop see an exchange that got through, prompt and answer as recorded, and do its work on it."""
        ...

    def benign(self, record: Record, *, dataset: str, trial: int) -> Sample:
        """Send one honest prompt; nothing is learned, nobody judges."""
        ...

    def check(self, messages: tuple[Message, ...]) -> Decision:
        """The decision on a prompt about which nothing but the Warden is asked."""
        ...

    def policies(self) -> Sequence[Policy]:
        """Those in force."""
        ...

    def tally(self) -> Tally:
        """Policies so far."""
        ...

    def latency(self) -> Mapping[str, float]:
        """Milliseconds that decisions took: `p50`, `p99`, `n`; empty where nobody measures."""
        ...

    def __enter__(self) -> "Subject":
        """Is used in a block."""
        ...

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """Releases everything."""
        ...


def latency_of(milliseconds: Sequence[float]) -> Mapping[str, float]:
    """See `Subject.latency`."""
    if not milliseconds:
        return {}
    p50, p99 = (float(x) for x in np.percentile(milliseconds, [50, 99]))
    return {"n": len(milliseconds), "p50": round(p50, 3), "p99": round(p99, 3)}


class _Held:
    """A loop that, while `holding`, sees what was monitored when it is told to."""

    def __init__(self, loop: Monitor) -> None:
        self._loop = loop
        self.holding = False
        self._records: dict[str, ExchangeRecord] = {}

    def monitor(self, record: ExchangeRecord, *, learn: bool = True, gather: bool = False) -> "Future[None]":
        """Seen at once, or kept for `show`."""
        if not self.holding:
            return self._loop.monitor(record, learn=learn, gather=gather)
        self._records[record.exchange.id] = record
        return done()

    def show(self, exchange_id: str) -> None:
        """The loop sees the exchange, if there is one."""
        record = self._records.pop(exchange_id, None)
        if record is not None:
            self._loop.monitor(record).result(timeout=_PATIENCE_SECONDS)


Mode = Literal["async", "doubtful", "inline"]
"""When answers wait for a verdict: never, in doubt, always. See `adjudication.mode`."""


class SystemUnderTest:
    """Sends samples through the pipeline around one defence. Used by one thread; closes the defence with itself."""

    def __init__(
        self,
        defence: Defence,
        answers: Answers,
        judge: Adjudicator | None = None,
        independent: Adjudicator | None = None,
        *,
        on_undecided: Literal["withhold", "release"] = "withhold",
        mode: Mode = "async",
    ) -> None:
        """`judge` withholds answers, as `mode` says; None in `async` mode. `independent` judges released answers for
        the system ASR, None: the labels of the data set do."""
        self.defence = defence
        self._answers = answers
        self._independent = independent
        self._truths: dict[tuple[str, str, str], Outcome] = {}
        settings = _patient(defence.settings, mode=mode if judge else "async", on_undecided=on_undecided)
        self.then: Callable[[Sample], None] | None = None
        """What happens in the world when the loop has done its work on an attack."""
        self._held = _Held(defence)
        self._microseconds: list[float] = []
        self._learning = create_pipeline(settings, defence.warden, self._held, judge)
        frozen = create_pipeline(settings, defence.warden, Unlearned(), None, self._learning.metrics)
        self._frozen = replace(frozen, judge=self._learning.judge)
        self._honest = self._frozen if mode == "doubtful" else frozen
        self._runner = asyncio.Runner()

    def attack(self, record: Record, *, dataset: str, trial: int, learn: bool) -> Sample:
        """Send one attack; with `learn` the loop finishes its work on it before this returns."""
        sample = self._attacked(record, dataset=dataset, trial=trial, learn=learn)
        return self.settle(sample) if learn else sample

    def send(self, record: Record, *, dataset: str, trial: int, learn: bool) -> Sample:
        """See `Subject`."""
        self._held.holding = True
        try:
            return self._attacked(record, dataset=dataset, trial=trial, learn=learn)
        finally:
            self._held.holding = False

    def _attacked(self, record: Record, *, dataset: str, trial: int, learn: bool) -> Sample:
        turn, answer = self._sent(self._learning if learn else self._frozen, record, dataset)
        truth = self._truth(record, answer, dataset) if answer is not None else None
        return replace(
            _sample(turn, answer, outcome=_outcome(turn.fate, truth, honest=False), dataset=dataset, trial=trial),
            id=record.id,
            phase="learn" if learn else "frozen",
            truth=truth.value if truth else None,
        )

    def settle(self, sample: Sample) -> Sample:
        """See `Subject`."""
        before = {p.id for p in self.defence.policies()}
        identifier = exchange_id(sample.dataset, sample.id)
        self._held.show(identifier)
        verdict = self.defence.settle(identifier)
        now = self.defence.policies()
        settled = replace(
            sample,
            verdict=verdict.outcome.value if verdict else sample.verdict,
            new_policy_ids=tuple(p.id for p in now if p.id not in before),
            policies=len(now),
        )
        if self.then is not None:
            self.then(settled)
        return settled

    def show(self, record: Record, *, dataset: str, trial: int) -> Sample:
        """See `Subject`."""
        before = {p.id for p in self.defence.policies()}
        verdict = teach(self.defence, ExchangeRecord(record.exchange(record.response, dataset=dataset)))
        now = self.defence.policies()
        truth = recorded_label(record, recorded=True)
        return Sample(
            id=record.id,
            dataset=dataset,
            trial=trial,
            phase="learn",
            outcome=AttackOutcome.released(truth, honest=False),
            side=None,
            action="allow",
            policy_id=None,
            score=None,
            verdict=verdict.outcome.value if verdict else None,
            revision=self.defence.warden.revision,
            new_policy_ids=tuple(p.id for p in now if p.id not in before),
            policies=len(now),
            truth=truth.value,
        )

    def policies(self) -> Sequence[Policy]:
        """See `Subject`."""
        return self.defence.policies()

    def tally(self) -> Tally:
        """See `Subject`."""
        return self.defence.tally()

    def latency(self) -> Mapping[str, float]:
        """See `Subject`."""
        return latency_of([microseconds / 1000 for microseconds in self._microseconds])

    def benign(self, record: Record, *, dataset: str, trial: int) -> Sample:
        """Send one honest prompt; nothing is learned, and nobody judges but where an answer waits in doubt."""
        turn, answer = self._sent(self._honest, record, dataset)
        outcome = _outcome(turn.fate, None, honest=True)
        return replace(_sample(turn, answer, outcome=outcome, dataset=dataset, trial=trial), id=record.id)

    def check(self, messages: tuple[Message, ...]) -> Decision:
        """See `Subject`."""
        turn = self._honest.begin("laboratory", Inspected(messages, "", stream=False, tree={}), Caller())
        return self._runner.run(self._honest.checks.check(turn, messages, Direction.PROMPT))

    def close(self) -> None:
        """Close the defence, too."""
        self._runner.close()
        self._learning.close()
        self.defence.close()

    def __enter__(self) -> "SystemUnderTest":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _sent(self, pipeline: Pipeline, record: Record, dataset: str) -> tuple[Turn, Answered | None]:
        exchange = record.exchange(None, dataset=dataset)
        messages = tuple(replace(m, origin=f"messages[{i}].content") for i, m in enumerate(record.messages))
        tree = {"messages": [{"role": m.role.value, "content": m.content} for m in messages]}
        caller = Caller(exchange.sender)
        turn = pipeline.begin("laboratory", Inspected(messages, exchange.model, stream=False, tree=tree), caller)
        turn.id = exchange.id
        try:
            return turn, self._runner.run(self._exchanged(pipeline, turn, record, dataset))
        finally:
            pipeline.end(turn)
            self._microseconds.append(sum(decision.elapsed_us for decision in turn.decisions))

    async def _exchanged(self, pipeline: Pipeline, turn: Turn, record: Record, dataset: str) -> Answered | None:
        """What the model answered; None where it was not asked."""
        try:
            rewritten = await pipeline.prompt(turn)
        except Blocked:
            return None
        if rewritten is not None:
            texts = [message["content"] for message in rewritten["messages"]]
            messages = tuple(replace(m, content=text) for m, text in zip(record.messages, texts, strict=True))
            record, dataset = replace(record, messages=messages, response=None), f"{dataset}/rewritten"
        answer = self._answers(record, dataset)
        said = Message(Role.ASSISTANT, answer.text, "content")
        await pipeline.release(turn, {"content": answer.text}, [Choice(0, (said,))])
        return answer

    def _truth(self, record: Record, answer: Answered, dataset: str) -> Outcome:
        """The label of one answer; a judge is asked once about it, however often it is released."""
        if self._independent is None:
            return recorded_label(record, recorded=answer.recorded)
        key = (dataset, record.id, answer.text)
        if key not in self._truths:
            exchange = record.exchange(answer.text, dataset=dataset)
            self._truths[key] = self._independent.adjudicate(exchange).outcome
        return self._truths[key]


def _patient(settings: Settings, *, mode: Mode, on_undecided: str) -> Settings:
    """The product's own settings, in a world that waits: a busy machine must not change what is measured."""
    return settings.model_copy(
        update={
            "mode": "enforce",
            "store": settings.store.model_copy(update={"durability": "strict"}),
            "limits": settings.limits.model_copy(update={"requests_per_minute": 0, "blocks_per_minute": 0}),
            "on_failure": settings.on_failure.model_copy(
                update={"warden_timeout": _PATIENCE_SECONDS, "store_timeout": _PATIENCE_SECONDS}
            ),
            "adjudication": settings.adjudication.model_copy(
                update={
                    "mode": mode,
                    "on_undecided": on_undecided,
                    "timeout": _PATIENCE_SECONDS,
                }
            ),
        }
    )


def _sample(turn: Turn, answer: Answered | None, *, outcome: AttackOutcome, dataset: str, trial: int) -> Sample:
    decided = turn.strongest or turn.decisions[0]
    side = {Fate.INTERCEPTED_PROMPT: "prompt", Fate.INTERCEPTED_RESPONSE: "response"}.get(turn.fate)
    return Sample(
        id=turn.id,
        dataset=dataset,
        trial=trial,
        phase="frozen",
        outcome=outcome,
        side=side,
        action=decided.action.value,
        policy_id=decided.policy_id,
        score=_score(decided),
        verdict=turn.verdict.outcome.value if turn.verdict else None,
        revision=turn.decisions[0].revision,
        stand_in=answer is not None and answer.stand_in,
    )


def _outcome(fate: Fate, truth: Outcome | None, *, honest: bool) -> AttackOutcome:
    if fate.intercepted:
        return AttackOutcome.INTERCEPTED
    if fate is Fate.WITHHELD:
        return AttackOutcome.WITHHELD
    return AttackOutcome.released(truth, honest=honest)


def _score(decision: Decision) -> float | None:
    enforced = [m.score for m in decision.matches if m.action is decision.action and not m.shadow]
    return enforced[0] if enforced else None
