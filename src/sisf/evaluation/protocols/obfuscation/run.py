"""Protocol `obfuscation`: what the Warden catches in clear, spelt so that programs do not know it.

The defence learns, then its revision is frozen. Every attack is sent in clear; those that the Warden stops at the
prompt are sent again under each trick. Recall loss is the share that then passes. Honest prompts are sent as they are,
and those blocked only because of another reading than the plain text are counted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.evaluation.conductor import Extra, Tell
from sisf.evaluation.defences import Defence
from sisf.evaluation.experiment import SYSTEM, Setup, Trial, Unit
from sisf.evaluation.frozen import caught, checked, lessons, taught_first
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.plan import Plan
from sisf.evaluation.under_test import Subject
from sisf.exchange import Message, Role
from sisf.policy import Decision
from sisf.text.tricks import TRICKS, Trick

ONLY_IN_A_VIEW = "only_in_a_view"
"""Note of a trial: honest set → prompts blocked only in another reading than the plain text."""
_PLAIN = ("raw", "folded")


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:  # noqa: ARG001
    """`sets` are teachers, attacks (none: the teachers) and honest sets."""
    teachers, attacks, benign = sets
    return obfuscation_plan(lab.setup(), lab.designs()[SYSTEM], teachers, attacks, benign)


def obfuscation_plan(
    setup: Setup,
    make: Callable[[], Defence],
    learn_on: Sequence[Dataset],
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    *,
    tricks: Mapping[str, Trick] = TRICKS,
) -> Plan:
    """Every trial from zero policies. A trial holds the attacks under each trick as `more`."""
    teachers, sent = lessons(learn_on, attacks)

    def further(subject: Subject, trial: Trial, tell: Tell, _: Unit) -> Extra:
        stopped = caught(sent, trial.attacks)
        more = {}
        for name, trick in tricks.items():
            prompts = ((r.id, f"{dataset}/{name}", tricked(r, trick).messages) for dataset, r in stopped)
            more[name] = checked(subject, prompts, tell, trial=trial.number)
        return Extra(more, {ONLY_IN_A_VIEW: {d.name: _only_in_a_view(subject, d, trial) for d in benign}})

    return Plan.of(
        "obfuscation", setup, {SYSTEM: make}, taught_first(teachers, sent), benign=benign,
        datasets=[*learn_on, *attacks, *benign], further=further, further_size=lambda _: len(sent) * len(tricks),
    )  # fmt: skip


def _only_in_a_view(subject: Subject, dataset: Dataset, trial: Trial) -> int:
    blocked = {s.id for s in trial.benign[dataset.name] if s.side == "prompt"}
    return sum(not _in_plain_text(subject.check(r.messages)) for r in dataset.benign() if r.id in blocked)


def tricked(record: Record, trick: Trick) -> Record:
    """The record with the trick applied to what the user says."""
    messages = tuple(Message(m.role, trick(m.content), m.origin) if m.role is Role.USER else m for m in record.messages)
    return replace(record, messages=messages)


def _in_plain_text(decision: Decision) -> bool:
    """Whether a match in the text as it stands alone gives the same action."""
    return any(
        m.action is decision.action and not m.shadow and m.view.rsplit(">", 1)[-1] in _PLAIN for m in decision.matches
    )
