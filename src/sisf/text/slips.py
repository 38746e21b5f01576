"""Words with two slips: the known words that are near to one by a weighted edit distance.

Letters dropped, doubled, added, swapped, or wrong; a wrong vowel, a neighbouring key, a letter of about the same sound,
and one letter for `th` are likelier than other wrong letters. Some hundred words that have nearly the same letters are
held against a word, all at once: that takes less than a millisecond.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from sisf.text.known_words import known_words

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
    alike: NDArray[np.intp] = places[np.abs(known.bags[places] - bag).sum(axis=1) <= most]
    return alike


def _distances(word: str, letters: NDArray[np.int8], lengths: NDArray[np.intp]) -> Floats:
    """How far each word is away: the weighted distance of Damerau and Levenshtein, of all at once."""
    numbers, longest = _numbers(word), int(lengths.max())
    missing, wrong = _missing(letters), _wrong()
    th = np.zeros(letters.shape, np.bool_)
    th[:, 1:] = (letters[:, 1:] == ord("h") - ord("a")) & (letters[:, :-1] == ord("t") - ord("a"))
    far = np.full((len(word) + 1, longest + 1, len(letters)), _INFINITE, np.float32)
    far[0, 0] = 0.0
    for i in range(len(word) + 1):
        letter = numbers[i - 1]
        more = _UNDOUBLED if i > 1 and letter == numbers[i - 2] else _MORE
        for j in range(max(0, i - _BAND), min(longest, i + _BAND) + 1):
            least = far[i, j]
            if j:
                np.minimum(least, far[i, j - 1] + missing[:, j - 1], out=least)
            if i:
                np.minimum(least, far[i - 1, j] + more, out=least)
            if i and j:
                np.minimum(least, far[i - 1, j - 1] + wrong[letter, letters[:, j - 1]], out=least)
            if i and j > 1 and word[i - 1] in "dfstvz":
                np.minimum(least, np.where(th[:, j - 1], far[i - 1, j - 2] + _TH, _INFINITE), out=least)
            if i > 1 and j > 1:
                swapped = (letters[:, j - 1] == numbers[i - 2]) & (letters[:, j - 2] == letter)
                np.minimum(least, np.where(swapped, far[i - 2, j - 2] + _SWAPPED, _INFINITE), out=least)
    found: Floats = far[len(word), lengths, np.arange(len(letters))]
    return found


def _missing(letters: NDArray[np.int8]) -> Floats:
    """What it costs that each letter of each word is missing."""
    found = _of_letters()[letters]
    found[:, 1:][letters[:, 1:] == letters[:, :-1]] = _UNDOUBLED
    return found


@cache
def _of_letters() -> Floats:
    """What it costs that a letter is missing, by its number."""
    costs = np.full(27, _MISSING, np.float32)
    costs[_numbers(_VOWELS)] = _MISSING_VOWEL
    return costs


@cache
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
