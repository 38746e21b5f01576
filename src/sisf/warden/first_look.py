"""A first look: what the encoder's first layers say, and whether the rest of it can change anything.

Two layers of six guess the vector of a window and of each of its passages. Where no policy in force comes within a
bound of its threshold by that guess, the window is not read further. The bound is calibrated for each revision on
harmful texts that neither encoder nor guess was taught: of those that the policies stop, all but a few in a thousand
lie above it. Some windows that would be discarded are read to the end all the same, and what is found in them is
counted (docs/adr/0355).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Begun
from sisf.embedding.first_look import FirstLook, Known, first_look_of
from sisf.text.ngrams import ngram_features
from sisf.text.views import View
from sisf.warden.late_pooling import Candidates, Piece, means
from sisf.warden.semantic import PROBE_CAUTION, Floats, Lexical, SemanticEngine

LOST = 0.005
"""Share of the caught texts, of those that are calibrated on, that may lie below the bound."""
_ENOUGH = 100
"""Texts that the probes catch together, from which they are calibrated together: they read the same vector, and err
alike. Each policy else has a bound of its own."""
_NEAREST = 100
"""Texts nearest to the threshold of such a policy."""
_LOST_NEAREST = 0.02
"""What `LOST` is for these texts: all but a few of them are below the threshold."""
_MOST_PIECES = 4
"""Passages of a window that are embedded in place of the window; with more of them the window is read to the end."""
_MOST_ROWS = 512
"""With more rows the look would cost what it saves."""
_AUDITED = 1 / 128
"""Share of the discarded windows that are read to the end."""
_FOREIGN = 0.1
"""Share of letters beyond ASCII above which the guess is not trusted: it was learned from English."""
ORDINARY = frozenset(
    "raw folded visible shown comments strings substituted leet escapes unglued joined mended rejoined tightened "
    "unfilled unmarked entities percent".split()
) | {"leet l"}
"""Readings that honest prose, code and markup have too. Any other one is a sign of tricks."""


@dataclass(slots=True)
class Tally:
    """What first looks did, in windows."""

    inspected: int = 0
    """Looked at, and then read to the end, or passages of them."""
    discarded: int = 0
    audited: int = 0
    """Would have been discarded, and were read to the end."""
    missed: int = 0
    """Policies that matched in these and nowhere else before."""

    def count(self, *, looked: bool, discarded: bool, audited: bool) -> None:
        """One window more."""
        self.inspected += looked and not discarded
        self.discarded += discarded and not audited
        self.audited += audited


@dataclass(frozen=True, slots=True)
class Seen:
    """A window as a first look has it."""

    begun: Begun
    features: Mapping[str, float]
    """Its lexical features."""
    candidates: Candidates
    more: float
    """What is asked of each passage besides its own caution, in steps."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What a first look gives: whether the window is to be read to the end, and if not, which passages may matter."""

    whole: bool
    pieces: Sequence[Piece] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a guess is held against: what is added to how far it lies above each row's threshold, in steps of caution.

    Where that is below 0 for every row, nothing is found by reading on.
    """

    look: FirstLook
    alone: Floats
    """For whole windows."""
    inside: Floats
    """For passages."""

    def glance(self, seen: Seen, engine: SemanticEngine, applies: NDArray[np.bool_]) -> Glance:
        """Look at a window and its passages."""
        begun, candidates = seen.begun, seen.candidates
        whole = self.look.guess(begun.states.mean(axis=0)[None])
        if (engine.above(whole, engine.lexical([seen.features]), applies) + self.alone >= 0).any():
            return Glance(whole=True)
        if not candidates.spans:
            return Glance(whole=False)
        guessed = self.look.guess(means(begun.states[1:-1], begun.spans, candidates.spans))
        above = engine.above(guessed, candidates.lexical, applies) + self.inside
        margins = above.max(axis=1) - candidates.asked - np.float32(seen.more)
        found = candidates.best(np.flatnonzero(margins >= 0), margins, _MOST_PIECES + 1)
        if len(found) > _MOST_PIECES:
            return Glance(whole=True)
        return Glance(whole=False, pieces=[candidates.piece(place) for place in found])


class FirstLooks:
    """The first looks of one Warden over all its revisions. Thread-safe: counts may lose a step, decisions may not."""

    def __init__(self, look: FirstLook | None, *, seed: int | None = None) -> None:
        """`seed` makes the choice of what is audited repeatable."""
        self._look = look
        self._chooser = random.Random(seed)
        self.tally = Tally()

    @classmethod
    def of(cls, embedder_id: str) -> "FirstLooks":
        """Those that ship for this embedder; none for others."""
        return cls(first_look_of(embedder_id))

    @classmethod
    def off(cls) -> "FirstLooks":
        """None: every text is read to the end."""
        return cls(None)

    def bounds(self, engine: SemanticEngine, applies: NDArray[np.bool_]) -> Bounds | None:
        """Calibrated on the policies that apply: milliseconds. None where no first look is taken."""
        look = self._look
        if look is None or not 0 < engine.count <= _MOST_ROWS:
            return None
        return Bounds(look, _lifts(look.alone, engine, applies), _lifts(look.inside, engine, applies))

    def audits(self) -> bool:
        """Whether a window that would be discarded is read to the end, by chance."""
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


@lru_cache(maxsize=4)
def _features(texts: Sequence[str]) -> Lexical:
    return [ngram_features(text) for text in texts]


def _lifts(known: Known, engine: SemanticEngine, applies: NDArray[np.bool_]) -> Floats:
    """How far a guess may lie below each row's threshold where the text is caught all the same; 0 and above."""
    lexical = engine.lexical(_features(known.texts))
    exact, guessed = (engine.above(vectors, lexical, applies) for vectors in (known.exact, known.guessed))
    lifts = np.zeros(engine.count, np.float32)
    concerned = applies[engine.table.numbers[: engine.count]]
    probes = concerned & (engine.table.cautions[: engine.count] == PROBE_CAUTION)
    caught = (exact[:, probes] >= 0).any(axis=1)
    if caught.sum() >= _ENOUGH:
        lifts[probes] = -min(0.0, float(np.quantile(guessed[caught][:, probes].max(axis=1), LOST)))
        concerned &= ~probes
    for row in np.flatnonzero(concerned).tolist():
        nearest = np.argsort(exact[:, row])[-_NEAREST:]
        lifts[row] = -min(0.0, float(np.quantile(guessed[nearest, row] - exact[nearest, row], _LOST_NEAREST)))
    return lifts
