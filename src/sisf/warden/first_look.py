"""A first look: what a text's tokens alone tell, and whether the encoder can find anything in it.

A small network, taught by the encoder, guesses how harmful a text reads. Where the guess for the whole lies below a
bound, only passages above it are read, if there are any. The bound is calibrated for each revision on harmful texts
that neither encoder nor guess was taught: of those that the policies stop, all but a few in a thousand lie above it.
Some texts that would be discarded are read all the same, and what is found in them is counted. Where a prototype is in
force no first look is taken (docs/adr/0385).
"""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder
from sisf.embedding.first_look import FirstLook, Known, first_look_of
from sisf.text.ngrams import ngram_features
from sisf.text.views import View
from sisf.warden.late_pooling import ALIKE, Piece, alike, of_short
from sisf.warden.semantic import Floats, Lexical, SemanticEngine

LOST = 0.005
"""Share of the caught texts, of those that are calibrated on, that may lie below the bound."""
_ENOUGH = 100
"""Texts that the probes catch together, from which a bound is taken; with fewer, those nearest to their thresholds."""
_NEAREST = 100
_LOST_NEAREST = 0.02
"""What `LOST` is for these texts: all but a few of them are below the threshold."""
_LENGTHS = (24, 64)
"""Tokens up to which texts are short, and middling: the mean of many tokens spreads less."""
_MOST_READ = 0.5
"""Share of the tokens of a text up to which passages are read in its place."""
_AUDITED = 1 / 128
"""Share of the discarded texts that are read."""
_FOREIGN = 0.1
"""Share of letters beyond ASCII above which the guess is not trusted: it was learned from English."""
ORDINARY = frozenset(
    "raw folded visible shown comments strings substituted leet escapes unglued joined mended rejoined tightened "
    "unfilled unmarked entities percent".split()
) | {"leet l"}
"""Readings that honest prose, code and markup have too. Any other one is a sign of tricks."""


@dataclass(slots=True)
class Tally:
    """What first looks did, in texts (windows of one text alone)."""

    inspected: int = 0
    """Looked at, and then read."""
    discarded: int = 0
    audited: int = 0
    """Would have been discarded, and were read."""
    missed: int = 0
    """Policies that matched in these and nowhere else before."""

    def count(self, *, discarded: bool, audited: bool) -> None:
        """One text more."""
        self.inspected += not discarded
        self.discarded += discarded and not audited
        self.audited += audited


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a guess is held against, by the length of what is guessed of."""

    look: FirstLook
    least: tuple[float, ...]
    """Of each of the lengths; where the guess is below, no probe is expected to find anything."""

    def worth(self, text: str, embedder: Embedder) -> list[Piece] | None:
        """The pieces of a text of one window that are worth reading; None where the whole text is."""
        ids, places = embedder.tokens(text)  # type: ignore[attr-defined]
        if not len(ids):
            return None
        starts, ends = [start for start, _ in places], [end for _, end in places]
        pieces = of_short(text)
        spans = [(piece.start, piece.end) for piece in pieces]
        first = np.array([0, *(bisect_left(starts, start) for start, _ in spans)])
        last = np.array([len(ids), *(bisect_right(ends, end) for _, end in spans)])
        above = self._above(self.look.means(self.look.sums(ids), first, last), last - first)
        if above[0] >= 0:
            return None
        found: list[int] = []
        for place in (1 + np.argsort(-above[1:], kind="stable")).tolist():
            if above[place] < 0 or last[found].sum() - first[found].sum() > _MOST_READ * len(ids):
                break
            if all(alike(spans[place - 1], spans[other - 1]) <= ALIKE for other in found):
                found.append(place)
        if last[found].sum() - first[found].sum() > _MOST_READ * len(ids):
            return None
        return [pieces[place - 1] for place in found]

    def _above(self, means: Floats, lengths: NDArray[np.intp]) -> NDArray[np.float64]:
        """How far each guess is above the bound that it is held against; at least 0 where it is to be read."""
        least = np.array(self.least)[np.searchsorted(_LENGTHS, lengths)]
        above: NDArray[np.float64] = self.look.scores(means) - least
        return above


class FirstLooks:
    """The first looks of one Warden over all its revisions. Thread-safe: counts may lose a step, decisions may not."""

    def __init__(self, look: FirstLook | None, *, seed: int | None = None) -> None:
        """`seed` makes the choice of what is audited repeatable."""
        self._look = look
        self._chooser = random.Random(seed)
        self.tally = Tally()

    @classmethod
    def of(cls, embedder: Embedder) -> "FirstLooks":
        """Those that ship for this embedder; none for others."""
        return cls(first_look_of(embedder.id) if hasattr(embedder, "tokens") else None)

    @classmethod
    def off(cls) -> "FirstLooks":
        """None: every text is read."""
        return cls(None)

    def bounds(self, engine: SemanticEngine, applies: NDArray[np.bool_]) -> Bounds | None:
        """Calibrated on the policies that apply: some 40 ms. None where no first look is taken: a guess of harm says
        nothing of what a prototype looks for."""
        look = self._look
        concerned = applies[engine.table.numbers[: engine.count]]
        if look is None or not concerned.any() or (concerned & ~engine.probes).any():
            return None
        return Bounds(look, _least(look.known, engine, concerned))

    def audits(self) -> bool:
        """Whether a text that would be discarded is read, by chance."""
        return self._chooser.random() < _AUDITED


def ordinary(views: Sequence[View]) -> bool:
    """Whether nothing in a text's readings is a sign of tricks."""
    return all(set(view.name.split(">")) <= ORDINARY for view in views)


def in_reach(text: str) -> bool:
    """Whether a text is written in what the guess was learned from."""
    if text.isascii():
        return True
    letters = [char for char in text if char.isalpha()]
    return sum(not char.isascii() for char in letters) <= _FOREIGN * len(letters)


@lru_cache(maxsize=2)
def _features(texts: Sequence[str]) -> Lexical:
    return [ngram_features(text) for text in texts]


def _least(known: Known, engine: SemanticEngine, probes: NDArray[np.bool_]) -> tuple[float, ...]:
    """Below what guess a text of each length is caught by none of the probes."""
    applies = np.ones(int(engine.table.numbers[: engine.count].max()) + 1, np.bool_)
    above = engine.above(known.exact, engine.lexical(_features(known.texts)), applies)[:, probes].max(axis=1)
    caught = above >= 0
    if caught.sum() < _ENOUGH:
        nearest = np.argsort(above)[-_NEAREST:]
        return (float(np.quantile(known.guessed[nearest], _LOST_NEAREST)),) * (len(_LENGTHS) + 1)
    lengths = np.searchsorted(_LENGTHS, known.lengths)
    those = [caught & (lengths == length) for length in range(len(_LENGTHS) + 1)]
    return tuple(float(np.quantile(known.guessed[t if t.sum() >= _ENOUGH else caught], LOST)) for t in those)
