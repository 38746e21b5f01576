"""Contamination: which measured prompts were learned from, or ship with the package, in the same or nearly the same
words."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sisf import corpus
from sisf.datasets.catalogue import SHIPPED

NEAR = 0.6
"""Share of three-word runs in common, of all that both have, from which two texts are nearly the same."""
_RUN = 3
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Text:
    """One text and where it is from."""

    origin: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Overlap:
    """A measured text and the known one that is most like it."""

    measured: Text
    known: Text
    likeness: float
    """1 for the same words in the same order; else the share of three-word runs in common."""

    @property
    def exact(self) -> bool:
        """Whether the words are the same."""
        return self.likeness == 1.0


class Known:
    """Texts that were learned from or ship, to be looked up by their words."""

    def __init__(self, texts: Iterable[Text], near: float = NEAR) -> None:
        self._near = near
        self._texts: list[Text] = []
        self._runs: list[frozenset[tuple[str, ...]]] = []
        self._whole: dict[tuple[str, ...], int] = {}
        self._by_run: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for text in texts:
            self._add(text)

    def __len__(self) -> int:
        return len(self._texts)

    def like(self, text: Text) -> Overlap | None:
        """The known text that is most like it; None when none is near."""
        words = _words(text.text)
        same = self._whole.get(words)
        if same is not None:
            return Overlap(text, self._texts[same], 1.0)
        runs = _runs(words)
        shared = Counter(place for run in runs for place in self._by_run.get(run, ()))
        best = max(((n / len(runs | self._runs[place]), place) for place, n in shared.items()), default=(0.0, -1))
        if best[0] < self._near:
            return None
        return Overlap(text, self._texts[best[1]], min(best[0], 0.999))

    def _add(self, text: Text) -> None:
        words = _words(text.text)
        if not words or words in self._whole:
            return
        place = self._whole[words] = len(self._texts)
        runs = _runs(words)
        self._texts.append(text)
        self._runs.append(runs)
        for run in runs:
            self._by_run[run].append(place)


def shipped() -> Iterator[Text]:
    """Every text that the package ships and anything is fitted, calibrated or checked with."""
    for item in corpus.contrastive():
        yield Text("contrastive", item.id, item.text)
    for pair in corpus.pairs():
        yield Text("pairs", pair.id, pair.harmful)
        yield Text("pairs", pair.id, pair.twin)
    for answer in corpus.answers():
        yield Text("answers", answer.id, answer.prompt)
    for name, rows in SHIPPED.items():
        for row in rows():
            yield Text(name, row.id, row.text)


def overlaps(measured: Iterable[Text], known: Known) -> list[Overlap]:
    """Every measured text that has a known one like it, in order; a set is not held against itself."""
    found = (known.like(text) for text in measured)
    return [each for each in found if each is not None]


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _runs(words: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    if len(words) < _RUN:
        return frozenset([words])
    return frozenset(words[i : i + _RUN] for i in range(len(words) - _RUN + 1))
