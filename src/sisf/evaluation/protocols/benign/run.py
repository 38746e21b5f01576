"""Protocol `benign`: honest sets at one frozen revision, learned from attacks or taken from a store."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from sisf.datasets import Dataset
from sisf.errors import ConfigurationError
from sisf.evaluation.experiment import SYSTEM, Designs, Setup, Split, Unit
from sisf.evaluation.laboratory import Laboratory
from sisf.evaluation.plan import Plan
from sisf.evaluation.protocols.learn.run import harmful
from sisf.evaluation.stored import stored


def plan(lab: Laboratory, sets: Sequence[Sequence[Dataset]], given: Mapping[str, Any]) -> Plan:
    """`sets` are teachers and honest sets; `given` may name a `store` and its `revision` in place of teachers."""
    teachers, benign = sets
    if bool(teachers) == bool(given.get("store")):
        raise ConfigurationError(
            "benign measures what was learned from --learn, or what --store has in force: name one"
        )
    if not benign:
        raise ConfigurationError("benign needs honest sets: name them with --benign")
    designs = dict(lab.designs())
    if given.get("store"):
        designs[SYSTEM] = stored(given["store"], given.get("revision"), lab.settings, lab.embedder)
    return benign_plan(lab.setup(), designs, teachers, benign)


def benign_plan(setup: Setup, designs: Designs, teachers: Sequence[Dataset], benign: Sequence[Dataset]) -> Plan:
    """Learn from all attacks of the teachers, in shuffled order; freeze; send the honest sets."""
    records = harmful(teachers)

    def split(_: Unit, rng: random.Random) -> Split:
        return Split((), rng.sample(records, len(records)), frozen=True)

    return Plan.of("benign", setup, designs, split, benign=benign, datasets=[*teachers, *benign])
