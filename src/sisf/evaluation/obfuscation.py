"""Protocol `obfuscation`: what the Warden catches in clear, spelt so that programs do not know it.

The defence learns, then its revision is frozen. Every attack is sent in clear; those that the Warden stops at the
prompt are sent again under each trick. Recall loss is the share that then passes. Honest prompts are sent as they are,
and those blocked only because of another reading than the plain text are counted.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import DataError
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import SYSTEM, Run, Setup, Trial
from sisf.evaluation.outcomes import Fate, Sample
from sisf.evaluation.pipeline import Pipeline
from sisf.evaluation.progress import Progress
from sisf.exchange import Message, Role
from sisf.policy import Decision, Direction
from sisf.text.tricks import TRICKS, Trick

_PLAIN = ("raw", "folded")


@dataclass(slots=True)
class ObfuscationRun:
    """Everything that was sent. `run` holds the attacks in clear and the honest prompts, as in other protocols."""

    run: Run
    tricked: list[Mapping[str, tuple[Sample, ...]]] = field(default_factory=list)
    """For each trial: trick → the attacks caught in clear, under that trick."""
    by_view: list[Mapping[str, int]] = field(default_factory=list)
    """For each trial: benign set → prompts blocked only in another reading than the plain text."""


def obfuscation(
    setup: Setup,
    make: Callable[[], Defence],
    learn_on: Sequence[Dataset],
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    *,
    progress: Progress,
    tricks: Mapping[str, Trick] = TRICKS,
) -> ObfuscationRun:
    """Every trial from zero policies. Without `attacks`, those of `learn_on` are sent."""
    started = time.monotonic()
    teachers = [(d.name, r) for d in learn_on for r in d.harmful()]
    sent = [(d.name, r) for d in attacks or learn_on for r in d.harmful()]
    if not teachers or not sent:
        raise DataError("obfuscation needs harmful records to learn from; name a data set of attacks with --learn")
    done = ObfuscationRun(Run("obfuscation", setup, [*learn_on, *attacks, *benign]))
    for number in range(setup.trials):
        defence = make()
        try:
            rng = random.Random(f"{setup.seed}:{number}")
            play = _Play(setup.pipeline(defence), number, progress, f"{number + 1}/{setup.trials}")
            play.trial(done, rng.sample(teachers, len(teachers)), sent, benign, tricks)
        finally:
            defence.close()
    progress.end()
    done.run.seconds = time.monotonic() - started
    return done


@dataclass(frozen=True, slots=True)
class _Play:
    pipeline: Pipeline
    number: int
    progress: Progress
    title: str

    def trial(
        self,
        done: ObfuscationRun,
        teachers: Sequence[tuple[str, Record]],
        attacks: Sequence[tuple[str, Record]],
        benign: Sequence[Dataset],
        tricks: Mapping[str, Trick],
    ) -> None:
        started = time.monotonic()
        learned = self._attacks("learning", teachers, learn=True)
        clear = self._attacks("in clear", attacks, learn=False)
        caught = [a for a, s in zip(attacks, clear, strict=True) if s.side == "prompt"]
        done.tricked.append({name: self._under(name, trick, caught) for name, trick in tricks.items()})
        honest, by_view = self._honest(benign)
        done.by_view.append(by_view)
        defence = self.pipeline.defence
        seconds = time.monotonic() - started
        policies = tuple(defence.policies())
        trial = Trial(self.number, clear, honest, policies, defence.tally(), learned, seconds)
        done.run.results.setdefault(SYSTEM, []).append(trial)

    def _attacks(self, what: str, records: Sequence[tuple[str, Record]], *, learn: bool) -> tuple[Sample, ...]:
        self.progress.begin(f"{self.title} · {what}", len(records))
        samples = []
        for dataset, record in records:
            samples.append(self.pipeline.attack(record, dataset=dataset, trial=self.number, learn=learn))
            self.progress.advance({"policies": str(samples[-1].policies)} if learn else None)
        return tuple(samples)

    def _under(self, name: str, trick: Trick, caught: Sequence[tuple[str, Record]]) -> tuple[Sample, ...]:
        self.progress.begin(f"{self.title} · {name}", len(caught))
        samples = []
        for dataset, record in caught:
            decision = self.pipeline.defence.inspect(tricked(record, trick).messages, Direction.PROMPT)
            samples.append(self._sample(record.id, f"{dataset}/{name}", decision))
            self.progress.advance()
        return tuple(samples)

    def _honest(self, benign: Sequence[Dataset]) -> tuple[dict[str, tuple[Sample, ...]], dict[str, int]]:
        honest: dict[str, tuple[Sample, ...]] = {}
        by_view: dict[str, int] = {}
        for dataset in benign:
            records = dataset.benign()
            self.progress.begin(f"{self.title} · {dataset.name}", len(records))
            samples = []
            by_view[dataset.name] = 0
            for record in records:
                decision = self.pipeline.defence.inspect(record.messages, Direction.PROMPT)
                by_view[dataset.name] += decision.blocked and not _in_plain_text(decision)
                samples.append(self._sample(record.id, dataset.name, decision, honest=True))
                self.progress.advance()
            honest[dataset.name] = tuple(samples)
        return honest, by_view

    def _sample(self, identifier: str, dataset: str, decision: Decision, *, honest: bool = False) -> Sample:
        blocked = decision.blocked
        return Sample(
            id=identifier,
            dataset=dataset,
            trial=self.number,
            phase="frozen",
            outcome=Fate.INTERCEPTED if blocked else Fate.PASSED if honest else Fate.BREACHED,
            side="prompt" if blocked else None,
            action=decision.action.value,
            policy_id=decision.policy_id,
            score=next((m.score for m in decision.matches if m.action is decision.action and not m.shadow), None),
            verdict=None,
            revision=decision.revision,
        )


def tricked(record: Record, trick: Trick) -> Record:
    """The record with the trick applied to what the user says."""
    messages = tuple(Message(m.role, trick(m.content), m.origin) if m.role is Role.USER else m for m in record.messages)
    return replace(record, messages=messages)


def _in_plain_text(decision: Decision) -> bool:
    """Whether a match in the text as it stands alone gives the same action."""
    return any(
        m.action is decision.action and not m.shadow and m.view.rsplit(">", 1)[-1] in _PLAIN for m in decision.matches
    )
