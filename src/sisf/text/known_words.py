"""The known words as tables of letters, to hold many against something at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sisf.text.once import once
from sisf.text.words import costs

LONGEST = 20
"""Letters of the words that are kept."""


class KnownWords(NamedTuple):
    """The known words, the shortest first."""

    words: list[str]
    first: NDArray[np.intp]
    """Of each length up to one beyond `LONGEST` the place of the first word that has it or a greater one."""
    lengths: NDArray[np.intp]
    letters: NDArray[np.int8]
    """Shape `(words, LONGEST)`: the numbers of their letters, `a` 0; -1 behind the end."""
    bags: NDArray[np.int8]
    """Shape `(words, 26)`: how often each has each letter."""
    masks: NDArray[np.uint32]
    """Which letters each has."""
    costs: NDArray[np.float64]


@once
def known_words() -> KnownWords:
    """The tables. Made once, in some hundredths of a second."""
    words = sorted((word for word in costs() if len(word) <= LONGEST), key=len)
    lengths = np.array([len(word) for word in words])
    joined = "".join(word.ljust(LONGEST, "`") for word in words)
    letters = np.frombuffer(joined.encode(), np.int8).reshape(len(words), LONGEST) - np.int8(ord("a"))
    bags = np.stack([(letters == letter).sum(axis=1) for letter in range(26)], axis=1).astype(np.int8)
    masks = ((bags > 0) << np.arange(26)).sum(axis=1).astype(np.uint32)
    first = np.searchsorted(lengths, np.arange(LONGEST + 2))
    return KnownWords(words, first, lengths, letters, bags, masks, np.array([costs()[word] for word in words]))
