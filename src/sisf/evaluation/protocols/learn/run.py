"""Protocols `learn` and `held-out`: the paper's dynamic learning evaluation, and what it generalises to."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import DataError
from sisf.evaluation.experiment import Designs, Run, Setup, Split, Unit
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.plan import Plan
from sisf.evaluation.progress import Progress
from sisf.evaluation.runs.runner import conduct

HELD_OUT_SHARE = 0.2


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:
    """`learn`: `sets` are attacks and honest sets; `given` may have a `delay`."""
    attacks, benign = sets
    return learn_plan(lab.setup(), lab.designs(), attacks, benign, delay=given.get("delay", 0))


def held_out_plan_of(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:  # noqa: ARG001
    """`held-out`: `sets` are teachers (may be empty), attacks and honest sets."""
    teachers, attacks, benign = sets
    return held_out_plan(lab.setup(), lab.designs(), attacks, benign, learn_on=teachers)


def learn_plan(
    setup: Setup, designs: Designs, attacks: Sequence[Dataset], benign: Sequence[Dataset], *, delay: int = 0
) -> Plan:
    """Each attack in turn, shuffled per trial, the loop finishing before the next (or `delay` attacks later); then
    freeze, and honest prompts."""
    records = harmful(attacks)

    def split(_: Unit, rng: random.Random) -> Split:
        return Split(rng.sample(records, len(records)))

    return Plan.of("learn", setup, designs, split, benign=benign, datasets=[*attacks, *benign], delay=delay)


def learn(
    setup: Setup, designs: Designs, attacks: Sequence[Dataset], benign: Sequence[Dataset], progress: Progress
) -> Run:
    """`learn_plan`, conducted in memory."""
    return conduct(learn_plan(setup, designs, attacks, benign), progress)


def held_out_plan(
    setup: Setup,
    designs: Designs,
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    *,
    learn_on: Sequence[Dataset] = (),
) -> Plan:
    """Learn on 80 % of the attacks (or on all of `learn_on`), freeze, and send the rest (or all `attacks`)."""
    records = harmful(attacks)
    teachers = harmful(learn_on)
    cut = len(records) - max(1, round(HELD_OUT_SHARE * len(records)))
    if not teachers and cut < 1:
        raise DataError(f"held-out needs at least two attacks to split, found {len(records)}; name others with --learn")

    def split(_: Unit, rng: random.Random) -> Split:
        shuffled = rng.sample(records, len(records))
        if teachers:
            return Split(shuffled, rng.sample(teachers, len(teachers)), frozen=True)
        return Split(shuffled[cut:], shuffled[:cut], frozen=True)

    return Plan.of("held-out", setup, designs, split, benign=benign, datasets=[*learn_on, *attacks, *benign])


def held_out(
    setup: Setup,
    designs: Designs,
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    progress: Progress,
    *,
    learn_on: Sequence[Dataset] = (),
) -> Run:
    """`held_out_plan`, conducted in memory."""
    return conduct(held_out_plan(setup, designs, attacks, benign, learn_on=learn_on), progress)


def harmful(datasets: Sequence[Dataset]) -> list[tuple[str, Record]]:
    """All attacks, each with the name of its set."""
    return [(dataset.name, record) for dataset in datasets for record in dataset.harmful()]
