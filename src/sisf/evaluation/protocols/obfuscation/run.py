"""Protocol `obfuscation`: what the Warden catches in clear, spelt so that programs do not know it.

The defence learns, then its revision is frozen. Every attack is sent in clear; those that the Warden stops at the
prompt are sent again under each trick. Recall loss is the share that then passes. Honest prompts are sent as they are,
and those blocked only because of another reading than the plain text are counted.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import SYSTEM, Run, Setup
from sisf.evaluation.frozen import Attacks, Play, caught, lessons, plays
from sisf.evaluation.outcomes import Sample
from sisf.evaluation.progress import Progress
from sisf.exchange import Message, Role
from sisf.policy import Decision
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
    teachers, sent = lessons(learn_on, attacks)
    done = ObfuscationRun(Run("obfuscation", setup, [*learn_on, *attacks, *benign]))
    for play in plays(setup, make, progress):
        learned = play.learn(teachers)
        clear = play.in_clear(sent)
        stopped = caught(sent, clear)
        done.tricked.append({name: _under(play, name, trick, stopped) for name, trick in tricks.items()})
        honest, by_view = _honest(play, benign)
        done.by_view.append(by_view)
        done.run.results.setdefault(SYSTEM, []).append(play.result(clear, learned, honest))
    done.run.seconds = time.monotonic() - started
    return done


def _under(play: Play, name: str, trick: Trick, caught: Attacks) -> tuple[Sample, ...]:
    play.progress.begin(f"{play.title} · {name}", len(caught))
    samples = []
    for dataset, record in caught:
        decision = play.subject.check(tricked(record, trick).messages)
        samples.append(play.sample(record.id, f"{dataset}/{name}", decision))
        play.progress.advance()
    return tuple(samples)


def _honest(play: Play, benign: Sequence[Dataset]) -> tuple[dict[str, tuple[Sample, ...]], dict[str, int]]:
    honest: dict[str, tuple[Sample, ...]] = {}
    by_view: dict[str, int] = {}
    for dataset in benign:
        records = dataset.benign()
        play.progress.begin(f"{play.title} · {dataset.name}", len(records))
        samples = []
        by_view[dataset.name] = 0
        for record in records:
            decision = play.subject.check(record.messages)
            by_view[dataset.name] += decision.blocked and not _in_plain_text(decision)
            samples.append(play.sample(record.id, dataset.name, decision, honest=True))
            play.progress.advance()
        honest[dataset.name] = tuple(samples)
    return honest, by_view


def tricked(record: Record, trick: Trick) -> Record:
    """The record with the trick applied to what the user says."""
    messages = tuple(Message(m.role, trick(m.content), m.origin) if m.role is Role.USER else m for m in record.messages)
    return replace(record, messages=messages)


def _in_plain_text(decision: Decision) -> bool:
    """Whether a match in the text as it stands alone gives the same action."""
    return any(
        m.action is decision.action and not m.shadow and m.view.rsplit(">", 1)[-1] in _PLAIN for m in decision.matches
    )
