"""Protocols that learn first and measure at a frozen revision: what several of them have in common."""

import random
from collections.abc import Iterable, Sequence

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import DataError
from sisf.evaluation.conductor import Tell
from sisf.evaluation.experiment import Split, Splitter, Unit
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.evaluation.under_test import Subject
from sisf.exchange import Message
from sisf.policy import Decision

Attacks = Sequence[tuple[str, Record]]
"""Attacks, each with the name of its data set."""


def lessons(learn_on: Sequence[Dataset], attacks: Sequence[Dataset]) -> tuple[Attacks, Attacks]:
    """What is learned from and what is sent: without `attacks`, those of `learn_on`. Raises `DataError` for none."""
    teachers = [(d.name, r) for d in learn_on for r in d.harmful()]
    sent = [(d.name, r) for d in attacks or learn_on for r in d.harmful()]
    if not teachers or not sent:
        raise DataError("there are no harmful records to learn from; name a data set of attacks with --learn")
    return teachers, sent


def taught_first(teachers: Attacks, sent: Attacks) -> Splitter:
    """Learn from the teachers in shuffled order; then send the attacks as they are, at the frozen revision."""

    def split(_: Unit, rng: random.Random) -> Split:
        return Split(sent, rng.sample(teachers, len(teachers)), frozen=True)

    return split


def caught(attacks: Attacks, samples: Sequence[Sample]) -> Attacks:
    """The attacks whose prompt was stopped."""
    return [attack for attack, sample in zip(attacks, samples, strict=True) if sample.side == "prompt"]


def checked(
    subject: Subject,
    prompts: Iterable[tuple[str, str, tuple[Message, ...]]],
    tell: Tell,
    *,
    trial: int,
    honest: bool = False,
) -> tuple[Sample, ...]:
    """What the Warden alone says of each prompt, given with its id and the name of what it belongs to."""
    samples = []
    for identifier, dataset, messages in prompts:
        samples.append(decided(identifier, dataset, subject.check(messages), trial=trial, honest=honest))
        tell(samples[-1], dataset)
    return tuple(samples)


def decided(identifier: str, dataset: str, decision: Decision, *, trial: int, honest: bool = False) -> Sample:
    """What became of a prompt about which nothing but the Warden was asked."""
    blocked = decision.blocked
    return Sample(
        id=identifier,
        dataset=dataset,
        trial=trial,
        phase="frozen",
        outcome=AttackOutcome.INTERCEPTED if blocked else AttackOutcome.released(None, honest=honest),
        side="prompt" if blocked else None,
        action=decision.action.value,
        policy_id=decision.policy_id,
        score=next((m.score for m in decision.matches if m.action is decision.action and not m.shadow), None),
        verdict=None,
        revision=decision.revision,
    )
