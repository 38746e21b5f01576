"""Protocol `stacked`: SISF behind another guard, learning from what the guard lets through.

Four designs on the same shuffles: the guard with SISF behind it, the guard alone, SISF alone, and neither. The residual
ASR is what the guard alone lets through, released and harmful; the incremental value (the paper's SIV) is the share of
it that is stopped where SISF stands behind.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sisf.datasets import Dataset
from sisf.evaluation.defences import Defence, no_defence
from sisf.evaluation.experiment import SYSTEM, Setup, Split, Unit
from sisf.evaluation.guards import Behind, Guard
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.plan import Plan
from sisf.evaluation.protocols.learn.run import harmful

GUARD, ALONE, NOTHING = "guard", "sisf-alone", "none"


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:
    """`sets` are attacks and honest sets; `given` names the `guard`."""
    attacks, benign = sets
    system = lab.designs()[SYSTEM]
    return stacked_plan(lab.setup(), system, lab.guard(given["guard"]), attacks, benign)


def stacked_plan(
    setup: Setup,
    system: Callable[[], Defence],
    guard: Guard,
    attacks: Sequence[Dataset],
    benign: Sequence[Dataset],
) -> Plan:
    """Each attack in turn, then all again and the honest sets at the final revision."""
    records = harmful(attacks)
    designs: dict[str, Callable[[], Defence]] = {
        SYSTEM: lambda: Behind(guard, system()),
        GUARD: lambda: Behind(guard, no_defence()),
        ALONE: system,
        NOTHING: no_defence,
    }

    def split(_: Unit, rng: random.Random) -> Split:
        return Split(rng.sample(records, len(records)))

    return Plan.of("stacked", setup, designs, split, benign=benign, datasets=[*attacks, *benign])
