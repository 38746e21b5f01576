"""Whether a text is long and says nothing: neither as it stands nor in any other reading.

A rule of thumb for those who want it: letters are a language's when a share of them are vowels and words end. Scripts
other than the Latin one are taken to be read; numbers and signs are no letters and count for nothing.
"""

import re
from collections.abc import Sequence
from unicodedata import normalize

from sisf.text.ciphers import pieces
from sisf.text.views import View
from sisf.text.words import strangeness

LONG = 200
"""Letters that say nothing from which a text is unreadable."""
_VOWELS = frozenset("aeiouy")
_FEWEST_VOWELS, _MOST_VOWELS = 0.28, 0.65
"""Languages in Latin script have 0.33 to 0.55, letters at random 0.23."""
_LONGEST_WORD = 30.0
"""Letters of a word, on average, in which no language is written."""
_FEWEST_LETTERS = 24
_READS = 3.0
_DECODED = 0.3
"""Letters that another reading must have for each that does not read."""
_WORD = re.compile(r"[a-z]+")
_LATIN = re.compile(r"[A-Za-z]")


def unreadable(views: Sequence[View]) -> bool:
    """Whether of the views of a text, `raw` first, none reads and what does not read is long. Linear in the text."""
    unread = sum(_letters(piece) for piece in pieces(views[0].text) if not _says_something(piece))
    if unread < LONG:
        return False
    plain = views[0].text.lower()
    return not any(_decodes(view.text, plain, unread) for view in views[1:] if view.derived)


def _decodes(text: str, plain: str, unread: int) -> bool:
    """Whether another reading says, in English, about as much as what does not read is long."""
    fresh = "".join(piece for piece in pieces(text) if piece.strip().lower() not in plain)
    return _letters(fresh) >= _DECODED * unread and 0 < strangeness(fresh) <= _READS


def _letters(piece: str) -> int:
    return len(_LATIN.findall(piece))


def _says_something(piece: str) -> bool:
    """Whether a piece has the vowels and the words of some language, or few Latin letters."""
    plain = normalize("NFD", piece).lower()
    words = _WORD.findall(plain)
    letters = sum(map(len, words))
    if letters < _FEWEST_LETTERS or letters < sum(map(str.isalpha, piece)) / 2:
        return True
    vowels = sum(sum(map(word.count, _VOWELS)) for word in words)
    if not _FEWEST_VOWELS <= vowels / letters <= _MOST_VOWELS:
        return False
    return letters <= _LONGEST_WORD * len(piece.split())
