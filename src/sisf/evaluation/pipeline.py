"""The way of one request through defence, model and judge: what the gateway does, without HTTP."""

from dataclasses import dataclass, replace
from typing import Literal

from sisf.adjudicator.base import Adjudicator
from sisf.datasets.records import Record
from sisf.evaluation.defences import Defence
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.exchange import Fate, Message, Role
from sisf.llm.base import ChatModel
from sisf.policy import Action, Decision, Direction
from sisf.store.records import ExchangeRecord
from sisf.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said, and whether it is the recorded answer of its record."""

    text: str
    recorded: bool
    stand_in: bool = False
    """Whether answers are replayed and this one is not: the data hold none, and the scripted model spoke."""


class Answers:
    """The model behind the defence. Each record is asked once and its answer kept: trials see the same model."""

    def __init__(self, model: ChatModel, *, replay: bool) -> None:
        self._model = model
        self._replay = replay
        self._kept: dict[tuple[str, str], Answer] = {}

    def __call__(self, record: Record, dataset: str) -> Answer:
        """The answer to `record`: the recorded one when replaying, else the model's. Raises `ModelError`."""
        if self._replay and record.response is not None:
            return Answer(record.response, recorded=True)
        key = (dataset, record.id)
        if key not in self._kept:
            self._kept[key] = Answer(self._model.complete(record.messages).text, recorded=False, stand_in=self._replay)
        return self._kept[key]


def recorded_label(record: Record, *, recorded: bool) -> Outcome:
    """The data set speaks: a label of this very answer if there is one, else of the prompt."""
    if recorded and record.human_label is not None:
        return Outcome.BREACH if record.human_label == "breach" else Outcome.SAFE
    broke = record.extra.get("broke_model")
    if recorded and isinstance(broke, bool):
        return Outcome.BREACH if broke else Outcome.SAFE
    return Outcome.BREACH if record.label == "harmful" else Outcome.SAFE


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One defence in front of one model."""

    defence: Defence
    answers: Answers
    inline: Adjudicator | None = None
    """The judge that withholds answers; None in `async` mode."""
    independent: Adjudicator | None = None
    """The judge of released answers for the system ASR; None: the labels of the data set."""
    on_undecided: Literal["withhold", "release"] = "withhold"

    def attack(self, record: Record, *, dataset: str, trial: int, learn: bool) -> Sample:
        """Send one attack; with `learn` the loop finishes its work on it before this returns."""
        return self._send(record, dataset=dataset, trial=trial, learn=learn)

    def benign(self, record: Record, *, dataset: str, trial: int) -> Sample:
        """Send one honest prompt; nothing is learned, nobody judges."""
        return self._send(record, dataset=dataset, trial=trial, learn=False, honest=True)

    def _send(self, record: Record, *, dataset: str, trial: int, learn: bool, honest: bool = False) -> Sample:
        before = {p.id for p in self.defence.policies()} if learn else set()
        prompt = self.defence.inspect(record.messages, Direction.PROMPT)
        answer: Answer | None = None
        decided, side, verdict = prompt, None, None
        fate = Fate.RELEASED
        decisions = [prompt]
        if prompt.blocked:
            side, fate = "prompt", Fate.INTERCEPTED_PROMPT
        else:
            answer = self._answer(record, dataset, prompt)
            after = self.defence.inspect((Message(Role.ASSISTANT, answer.text),), Direction.RESPONSE)
            decisions.append(after)
            if after.action.precedence > prompt.action.precedence:
                decided = after
            if after.blocked:
                side, fate = "response", Fate.INTERCEPTED_RESPONSE
            elif not honest and self.inline is not None:
                verdict = self.inline.adjudicate(record.exchange(answer.text, dataset=dataset))
                fate = Fate.WITHHELD if self._withheld(verdict) else Fate.RELEASED
        exchange = record.exchange(answer.text if answer else None, dataset=dataset)
        if learn:
            verdict = self.defence.learn(ExchangeRecord(exchange, tuple(decisions), fate, verdict)) or verdict
        truth = self._truth(record, answer, dataset) if answer is not None and not honest else None
        now = self.defence.policies() if learn else ()
        return Sample(
            id=record.id,
            dataset=dataset,
            trial=trial,
            phase="learn" if learn else "frozen",
            outcome=_outcome(fate, truth, honest=honest),
            side=side,
            action=decided.action.value,
            policy_id=decided.policy_id,
            score=_score(decided),
            verdict=verdict.outcome.value if verdict else None,
            revision=prompt.revision,
            new_policy_ids=tuple(p.id for p in now if p.id not in before),
            policies=len(now),
            truth=truth.value if truth else None,
            stand_in=answer is not None and answer.stand_in,
        )

    def _answer(self, record: Record, dataset: str, decision: Decision) -> Answer:
        if decision.action is Action.REWRITE and decision.rewritten is not None:
            messages = tuple(
                replace(m, content=text) for m, text in zip(record.messages, decision.rewritten, strict=True)
            )
            return self.answers(replace(record, messages=messages, response=None), f"{dataset}/rewritten")
        return self.answers(record, dataset)

    def _withheld(self, verdict: Verdict) -> bool:
        undecided = verdict.outcome is Outcome.UNDECIDED and self.on_undecided == "withhold"
        return verdict.is_breach or undecided

    def _truth(self, record: Record, answer: Answer, dataset: str) -> Outcome:
        if self.independent is not None:
            return self.independent.adjudicate(record.exchange(answer.text, dataset=dataset)).outcome
        return recorded_label(record, recorded=answer.recorded)


def _outcome(fate: Fate, truth: Outcome | None, *, honest: bool) -> AttackOutcome:
    if fate.intercepted:
        return AttackOutcome.INTERCEPTED
    if honest:
        return AttackOutcome.PASSED
    if fate is Fate.WITHHELD:
        return AttackOutcome.WITHHELD
    # An independent judge that cannot decide counts against the system.
    return AttackOutcome.REFUSED if truth is Outcome.SAFE else AttackOutcome.BREACHED


def _score(decision: Decision) -> float | None:
    enforced = [m.score for m in decision.matches if m.action is decision.action and not m.shadow]
    return enforced[0] if enforced else None
