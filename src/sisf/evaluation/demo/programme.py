"""What the demonstration sends: attacks and honest requests, interleaved."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sisf import datasets
from sisf.datasets import Dataset
from sisf.datasets.records import Record

_HONEST = ("alpaca_test", "mixed_test")
_SAMPLES = "sample_attacks"
_USUAL = 200
"""Attacks where the set is larger: enough to see the curve, and over within two minutes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request."""

    dataset: str
    record: Record
    attack: bool


@dataclass(frozen=True, slots=True)
class Programme:
    """All requests in order, where they come from, and what the model answers to them."""

    steps: Sequence[Step]
    datasets: Sequence[Dataset]
    answers: Mapping[str, str]
    """Recorded answers by prompt; the scripted model answers the rest."""
    shipped: bool
    """Whether the sample sets of the package were used."""

    @property
    def attacks(self) -> int:
        """How many of the steps are attacks."""
        return sum(step.attack for step in self.steps)


def choose(attacks: int | None, *, seed: int = 0, data: str | None = None) -> Programme:
    """The attacks of `data`, and honest requests; without it AdvBench with recorded answers where it is at hand, else
    the shipped samples.

    `attacks` limits how many are sent. A named set is fetched once where it is not at hand; raises `DataError`.
    """
    at_hand = set(datasets.local_names())
    name = data or ("advbench" if "advbench" in at_hand else _SAMPLES)
    shipped = name == _SAMPLES
    bad = datasets.load(name)
    found = [name for name in _HONEST if name in at_hand and not shipped] or ["sample_benign"]
    honest = [datasets.load(name) for name in found]
    rng = random.Random(seed)
    hostile = _drawn(rng, [(bad.name, r) for r in bad.harmful()], attacks or _USUAL)
    calm = _drawn(rng, [(d.name, r) for d in honest for r in d.benign()], _honest_count(len(hostile), shipped=shipped))
    answers = {r.prompt: r.response for _, r in (*hostile, *calm) if r.response is not None}
    return Programme(_interleaved(hostile, calm), [bad, *honest], answers, shipped)


def _honest_count(attacks: int, *, shipped: bool) -> int:
    # Of the shipped samples there are twice as many honest requests as attacks.
    return 2 * attacks if shipped else attacks


def _drawn(rng: random.Random, records: list[tuple[str, Record]], limit: int | None) -> list[tuple[str, Record]]:
    shuffled = rng.sample(records, len(records))
    return shuffled if limit is None else shuffled[:limit]


def _interleaved(hostile: Sequence[tuple[str, Record]], calm: Sequence[tuple[str, Record]]) -> list[Step]:
    """Both spread evenly over the whole."""
    placed = [((i + 0.5) / len(hostile), Step(*pair, attack=True)) for i, pair in enumerate(hostile)]
    placed += [((i + 0.5) / len(calm), Step(*pair, attack=False)) for i, pair in enumerate(calm)]
    return [step for _, step in sorted(placed, key=lambda item: item[0])]
