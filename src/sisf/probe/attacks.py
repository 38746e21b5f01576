"""Attacks as data: what is asked for, and in which technique it is dressed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sisf.corpus import Sample, TechniqueFrame
from sisf.taxonomy import Hazard, Technique


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack prompt."""

    id: str
    text: str
    technique: Technique
    hazard: Hazard | None


def direct(goals: Sequence[Sample]) -> Iterator[Attack]:
    """The goals as they are."""
    for goal in goals:
        yield Attack(goal.id, goal.text, Technique.DIRECT, goal.category)


def framed(goals: Sequence[Sample], frames: Sequence[TechniqueFrame], *, each: int, seed: int = 0) -> Iterator[Attack]:
    """Every attack frame around `each` goals, drawn by seed."""
    rng = random.Random(seed)
    for frame in frames:
        if frame.kind != "attack":
            continue
        for goal in rng.sample(list(goals), min(each, len(goals))):
            yield Attack(f"{frame.id}+{goal.id}", frame.fill(goal.text), frame.technique, goal.category)
