"""Honest long texts to hide attacks in: requests, answers and conversations of data sets, a manual, source code.

Requests joined are the hardest: every one of them is a chance to be wrong. Long texts that somebody wrote as one are
the more usual case; two kinds of them stand on every machine that runs Python: its language reference, and its library.
"""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sisf.datasets import Dataset
from sisf.embedding import Embedder

POSITIONS = ("start", "middle", "inside", "end")
"""Before the text, at the line break nearest to its middle, between two words there, behind it."""
_CHARS_PER_TOKEN = 6
"""More than text has, so that enough is drawn."""


@dataclass(frozen=True, slots=True)
class Hay:
    """Honest text of one kind."""

    kind: str
    units: tuple[str, ...]
    """Drawn in random order and joined by blank lines."""
    alone: bool = False
    """Whether each unit is a request that could be sent alone."""

    def stacks(self, embedder: Embedder, tokens: int, count: int, rng: random.Random) -> list["Stack"]:
        """`count` texts of about `tokens` tokens (fewer where there is not enough; one at least), none overlapping."""
        text = "\n\n".join(self._drawn(tokens * count * _CHARS_PER_TOKEN, rng))
        windows = embedder.windows(text)
        size = max(1, round(tokens / embedder.max_tokens))
        cuts = range(0, max(1, min(count, len(windows) // size)) * size, size)
        return [
            Stack(self, tokens, text[windows[c].start : windows[min(c + size, len(windows)) - 1].end]) for c in cuts
        ]

    def _drawn(self, chars: int, rng: random.Random) -> list[str]:
        drawn: list[str] = []
        length = 0
        for unit in rng.sample(self.units, len(self.units)):
            drawn.append(unit)
            length += len(unit)
            if length >= chars:
                break
        return drawn


@dataclass(frozen=True, slots=True)
class Stack:
    """One honest text."""

    hay: Hay
    tokens: int
    """About so many."""
    text: str

    @property
    def name(self) -> str:
        """Its kind and length, as in `answers 4k`."""
        return f"{self.hay.kind} {self.tokens // 1000}k"

    def requests(self) -> list[str]:
        """The whole requests in it that could be sent alone."""
        return [unit for unit in self.hay.units if unit in self.text] if self.hay.alone else []

    def hiding(self, needle: str, position: str) -> str:
        """The text with `needle` at one of the `POSITIONS`."""
        text, middle = self.text, len(self.text) // 2
        match position:
            case "start":
                return f"{needle}\n\n{text}"
            case "end":
                return f"{text}\n\n{needle}"
            case "middle":
                place = _nearest(text, "\n", middle)
                return f"{text[:place]}\n{needle}\n{text[place:]}"
            case _:
                place = _nearest(text, " ", middle)
                return f"{text[:place]} {needle} {text[place:]}"


def _nearest(text: str, char: str, place: int) -> int:
    before, after = text.rfind(char, 0, place), text.find(char, place)
    return min((i for i in (before, after) if i >= 0), key=lambda i: abs(i - place), default=place)


def gathered(benign: Sequence[Dataset]) -> list[Hay]:
    """Every kind that the data sets allow, and those that are always there."""
    records = [record for dataset in benign for record in dataset.benign()]
    answered = [(record.prompt, record.response) for record in records if record.response]
    found = [
        Hay("requests", tuple(dict.fromkeys(record.prompt for record in records)), alone=True),
        Hay("answers", tuple(answer for _, answer in answered)),
        Hay("chat", tuple(f"User: {prompt}\nAssistant: {answer}" for prompt, answer in answered)),
        Hay("manual", _manual()),
        Hay("code", _code()),
    ]
    return [hay for hay in found if hay.units]


def _manual() -> tuple[str, ...]:
    """The chapters of Python's language reference, as `help()` shows them."""
    from pydoc_data.topics import topics

    return tuple(topics.values())


def _code() -> tuple[str, ...]:
    """Modules of Python's library."""
    files = sorted(Path(os.__file__).parent.glob("*.py"))
    return tuple(file.read_text(encoding="utf-8", errors="replace") for file in files)
