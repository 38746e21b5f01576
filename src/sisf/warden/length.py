"""What is asked of the windows of a text for its length: each of them is one more chance to be wrong.

The Warden reads a request so, and so does whoever tries a policy on texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log10
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder
from sisf.text.passages import says_little
from sisf.text.views import View
from sisf.text.words import readable, spoken
from sisf.warden.readings import Plain, Reading, Window, fine, plainly, reading

ONE_MORE: Final = 0.5
"""Steps of caution asked of a window of a text of several windows, and of a passage of another reading of it."""
BRIEF, FEW_WORDS = 0.5, 8
"""Asked for each word that a piece of a long text has less than a few: a word or two are as likely to stand in a
heading or a licence."""
_STEP, _FEW_WINDOWS = 0.4, 5
"""Asked for each tenfold of so many windows."""
_UNREAD = 2.0
"""Asked of what another reading than the plain one says, or stands for, where no word of it is known."""
_LIKELY, _MORE_LIKELY = 3.5, 1.25
"""Log-odds that a guess must have for a probe (97 %), and at most how much more than the threshold. A threshold below
stands where honest texts end that read well; what is mended is not always what was meant."""
_CLEARER = 0.2
"""Share of letters that stand in known words by which another reading of a short text must read better than the text
as it stands, so that the text is taken to be written in some trick."""


@dataclass(frozen=True, slots=True)
class Read:
    """One reading of a text, with what its length asks."""

    reading: Reading
    asked: float
    """Steps of caution asked of finer windows, and of passages."""
    long: bool
    """Whether the text takes several windows."""

    @property
    def view(self) -> View:
        """See `Reading`."""
        return self.reading.view

    @property
    def windows(self) -> Sequence[Window]:
        """See `Reading`."""
        return self.reading.windows

    def fine(self, embedder: Embedder) -> list[Window]:
        """Its finer windows."""
        return [replace(window, asked=self.asked) for window in fine(self.reading, embedder)]

    def tells(self, window: Window) -> bool:
        """Whether one of its windows says anything. To an encoder all pages of numbers are alike."""
        return not (self.long and says_little(window.said))


def read(views: Sequence[View], embedder: Embedder, plain: Plain | None = None) -> list[Read]:
    """The readings of a text that say something new to an embedder, with what the length asks of each window.

    `plain`: what `plainly` said of the first one, if it was asked.
    """
    if not views:
        return []
    first, long = plain or plainly(views[0].text, embedder)
    readings = [first, *(reading(view, embedder, long=long) for view in views if view.derived)]
    every = sum(len(reading.windows) for reading in readings)
    found = []
    strange = not long and _reads_better(readings)
    for each in readings:
        asked = asked_of_long(every if long else len(each.windows))
        for window in each.windows:
            window.beside = long and each is not first
            window.guessed = not long and each is not first
            window.strange = window.guessed or strange
            window.asked = asked + ONE_MORE * long + asked_of_words(window.text, window)
        found.append(Read(each, asked, long))
    return found


def asked_of_long(windows: int) -> float:
    """What is asked more of a piece for the number of windows of its text, in steps of caution.

    Every piece is one more chance to be wrong, and the scores of honest pieces fall off about exponentially: ten times
    the pieces call for the same step each time. Up to five windows nothing is: what is asked of fragments and of
    few words is enough (docs/adr/0530).
    """
    return _STEP * log10(max(windows, _FEW_WINDOWS) / _FEW_WINDOWS)


def asked_of_reading(said: str) -> float:
    """What is asked of a piece of another reading of a long text, in steps of caution: for the words that it lacks, and
    for the share of its letters that stand in no known word.

    Readings hold what differs from the text: of code, names and other languages that is a word here and there, of which
    nobody knows what it says.
    """
    return BRIEF * max(0, FEW_WORDS - len(spoken(said.lower()))) + _asked_of_letters(said)


def asked_of_words(said: str, window: Window) -> float:
    """What is asked of what is said in a window, for its words: nothing where a text is read in one way alone."""
    if window.beside:
        return asked_of_reading(said)
    return _asked_of_letters(said) if window.strange else 0.0


def asked_of_guess(thresholds: NDArray[np.float32] | float) -> NDArray[np.float32]:
    """How far above the threshold of a probe a guess must be."""
    found: NDArray[np.float32] = np.clip(_LIKELY - np.asarray(thresholds, np.float32), 0, _MORE_LIKELY)
    return found


def _asked_of_letters(said: str) -> float:
    return _UNREAD * (1.0 - readable(said))


def _reads_better(readings: Sequence[Reading]) -> bool:
    """Whether another reading than the first one reads clearly better."""
    others = [readable(each.view.text) for each in readings[1:]]
    return bool(others) and max(others) > readable(readings[0].view.text) + _CLEARER
