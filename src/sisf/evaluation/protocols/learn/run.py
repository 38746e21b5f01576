"""Protocols `learn` and `held-out`: the paper's dynamic learning evaluation, and what it generalises to."""

import random
from collections.abc import Sequence

from sisf.datasets import Dataset
from sisf.datasets.records import Record
from sisf.errors import DataError
from sisf.evaluation.experiment import Designs, Run, Setup, Split, conduct
from sisf.evaluation.progress import Progress

HELD_OUT_SHARE = 0.2


def learn(
    setup: Setup, designs: Designs, attacks: Sequence[Dataset], benign: Sequence[Dataset], progress: Progress
) -> Run:
    """Each attack in turn, shuffled per trial, the loop finishing before the next; then freeze, and honest prompts."""
    records = _harmful(attacks)

    def split(rng: random.Random) -> Split:
        return Split(rng.sample(records, len(records)))

    run = Run("learn", setup, [*attacks, *benign])
    return conduct(run, designs, split, benign, progress)


def held_out(
    setup: Setup,
    designs: Designs,
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
    progress: Progress,
    *,
    learn_on: Sequence[Dataset] = (),
) -> Run:
    """Learn on 80 % of the attacks (or on all of `learn_on`), freeze, and send the rest (or all `attacks`)."""
    records = _harmful(attacks)
    teachers = _harmful(learn_on)
    cut = len(records) - max(1, round(HELD_OUT_SHARE * len(records)))
    if not teachers and cut < 1:
        raise DataError(f"held-out needs at least two attacks to split, found {len(records)}; name others with --learn")

    def split(rng: random.Random) -> Split:
        shuffled = rng.sample(records, len(records))
        if teachers:
            return Split(shuffled, rng.sample(teachers, len(teachers)), frozen=True)
        return Split(shuffled[cut:], shuffled[:cut], frozen=True)

    run = Run("held-out", setup, [*learn_on, *attacks, *benign])
    return conduct(run, designs, split, benign, progress)


def _harmful(datasets: Sequence[Dataset]) -> list[tuple[str, Record]]:
    return [(dataset.name, record) for dataset in datasets for record in dataset.harmful()]
