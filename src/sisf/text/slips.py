"""Words with two slips: the known words that are near to one by a weighted edit distance.

Letters dropped, doubled, added, swapped, or wrong; a wrong vowel, a neighbouring key, a letter of about the same sound,
and one letter for `th` are likelier than other wrong letters. Some hundred words that have nearly the same letters are
held against a word, all at once: that takes less than a millisecond.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sisf.text.known_words import known_words
from sisf.text.once import once

SHORTEST, LONGEST = 5, 18
"""Letters of a word that is looked for."""
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
BESIDE = {key: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _ROWS for at, key in enumerate(row)}
"""The keys on either side of each."""
_ALIKE = "ck sz cs dt bp fv gj kq iy mn lr uw vw rw lw bv".split()
"""Letters that sound alike, or that tongues exchange."""
_VOWELS = "aeiou"
_WRONG, _WRONG_VOWEL, _NEAR = 3.0, 1.5, 2.0
_MISSING, _MISSING_VOWEL, _UNDOUBLED, _MORE, _SWAPPED, _TH = 1.5, 1.25, 1.0, 2.5, 1.0, 1.0
_FARTHEST = 6.5
_SHORTER, _DIFFERING = 2, 4
"""By how many letters the length may differ; how many letters only one of two words may have, half of one at most."""
_BAND = 4
_INFINITE = np.float32(99.0)

Floats = NDArray[np.float32]


def near(word: str) -> list[tuple[str, float]]:
    """The known words near to a word of lower-case letters, each with its distance."""
    if not SHORTEST <= len(word) <= LONGEST:
        return []
    at = _with_its_letters(word)
    known = known_words()
    distances = _distances(word, known.letters[at], known.lengths[at]) if len(at) else np.zeros(0, np.float32)
    return [
        (known.words[place], far)
        for place, far in zip(at.tolist(), distances.tolist(), strict=True)
        if far <= _FARTHEST
    ]


def _numbers(word: str) -> list[int]:
    return [ord(letter) - ord("a") for letter in word]


def _with_its_letters(word: str) -> NDArray[np.intp]:
    """The places of the words that differ from it by few letters, in whatever order."""
    known, numbers, most = known_words(), _numbers(word), min(_DIFFERING, len(word) // 2)
    bag = np.bincount(numbers, minlength=26).astype(np.int8)
    mask = np.uint32(sum(1 << number for number in set(numbers)))
    last = len(known.first) - 1
    first, end = known.first[[max(0, len(word) - _SHORTER), min(last, len(word) + _SHORTER + 1)]]
    places: NDArray[np.intp] = first + np.flatnonzero(np.bitwise_count(known.masks[first:end] ^ mask) <= most)
    alike: NDArray[np.intp] = places[np.abs(known.bags[places] - bag).sum(axis=1, dtype=np.int8) <= most]
    return alike


def _distances(word: str, letters: NDArray[np.int8], lengths: NDArray[np.intp]) -> Floats:
    """How far each word is away: the weighted distance of Damerau and Levenshtein, of all at once.

    The cells of a diagonal hang on earlier ones alone, so they are filled together. The table has two rows and columns
    more, which nothing reaches; its rows lie one behind the other, so that a diagonal is every so many cells.
    """
    count, longest = len(word), int(lengths.max())
    letters = letters[:, :longest]
    width = longest + 3
    far = np.full(((count + 3) * width, len(letters)), _INFINITE, np.float32)
    far[2 * width + 2] = 0.0
    missing, more = _missing(letters).T, _more(word)
    changed = [(back, costs.reshape(count * longest, -1)) for back, costs in _changed(word, letters.T, width)]
    for diagonal in range(1, count + longest + 1):
        first = max(0, diagonal - longest, (diagonal - _BAND + 1) // 2)
        last = min(count, diagonal, (diagonal + _BAND) // 2)
        begin, end = (cell * (width - 1) + 2 * width + 2 + diagonal for cell in (first, last + 1))
        cells = far[begin : end : width - 1]
        np.minimum(cells, far[begin - width : end - width : width - 1] + more[first : last + 1], out=cells)
        inner, outer = max(first, 1), min(last, diagonal - 1) + 1
        behind = missing[diagonal - outer : diagonal - first][::-1]
        np.minimum(
            cells[: len(behind)], far[begin - 1 : end - 1 : width - 1][: len(behind)] + behind, out=cells[: len(behind)]
        )
        if inner < outer:
            cells = cells[inner - first : outer - first]
            begin, end = (cell * (width - 1) + 2 * width + 2 + diagonal for cell in (inner, outer))
            at, until = ((cell - 1) * (longest - 1) + diagonal - 2 for cell in (inner, outer))
            for back, costs in changed:
                before = far[begin - back : end - back : width - 1]
                np.minimum(cells, before + costs[at : until : longest - 1], out=cells)
    found: Floats = far.reshape(count + 3, width, -1)[count + 2, lengths + 2, np.arange(len(letters))]
    return found


def _changed(word: str, letters: NDArray[np.int8], width: int) -> Iterator[tuple[int, Floats]]:
    """How many cells a step goes back in a table of this width that takes letters of a word for others, and what it
    costs with each letter of the word and of the known ones: a wrong letter, another for `th`, two swapped."""
    numbers = np.array(_numbers(word))
    yield width + 1, _wrong()[numbers][:, letters]
    th = np.zeros((len(word), *letters.shape), np.bool_)
    behind = (letters[1:] == ord("h") - ord("a")) & (letters[:-1] == ord("t") - ord("a"))
    th[[letter in "dfstvz" for letter in word], 1:] = behind
    if th.any():
        yield width + 2, np.where(th, np.float32(_TH), _INFINITE)
    same = letters == numbers[:, None, None]
    swapped = np.zeros_like(same)
    np.logical_and(same[:-1, 1:], same[1:, :-1], out=swapped[1:, 1:])
    if swapped.any():
        yield 2 * width + 2, np.where(swapped, np.float32(_SWAPPED), _INFINITE)


def _more(word: str) -> Floats:
    """What it costs that each letter is one too many, behind one for the place before the first; a column."""
    doubled = [one == other for one, other in pairwise(word)]
    return np.array([_MORE, _MORE, *(_UNDOUBLED if each else _MORE for each in doubled)], np.float32)[:, None]


def _missing(letters: NDArray[np.int8]) -> Floats:
    """What it costs that each letter of each word is missing."""
    found = _of_letters()[letters]
    found[:, 1:][letters[:, 1:] == letters[:, :-1]] = _UNDOUBLED
    return found


@once
def _of_letters() -> Floats:
    """What it costs that a letter is missing, by its number."""
    costs = np.full(27, _MISSING, np.float32)
    costs[_numbers(_VOWELS)] = _MISSING_VOWEL
    return costs


@once
def _wrong() -> Floats:
    """What it costs to write one letter for another; the last column is for none."""
    table = np.full((26, 27), _WRONG, np.float32)
    pairs = [(key, other) for key, others in BESIDE.items() for other in others] + [
        (pair[0], pair[1]) for pair in _ALIKE
    ]
    for one, other in pairs:
        row, column = _numbers(one + other)
        table[row, column] = table[column, row] = _NEAR
    vowels = _numbers(_VOWELS)
    table[np.ix_(vowels, vowels)] = _WRONG_VOWEL
    np.fill_diagonal(table, 0.0)
    return table
