"""English that is written with the letters of another script by their sound: Cyrillic and Greek ones.

Other languages in these scripts keep their letters: a piece is read so only where English comes out, words misspelt by
ear mended. What reads by the looks of its letters is not read by their sound.
"""

import re
from itertools import islice

from sisf.text.changed import translated
from sisf.text.ciphers import pieces, reads_word_by_word
from sisf.text.mending import mended

_CYRILLIC = dict(
    zip(
        "абвгґдеёєжзиіїйјклмнопрстуўфхцчшщъыьэюя",
        "a b v g g d e yo ye zh z i i yi y y k l m n o p r s t u w f h ts ch sh sh - y - e yu ya".split(),
        strict=True,
    )
)
_GREEK = dict(
    zip("αβγδεζηθικλμνξοπρσςτυφχψω", "a b g d e z i th i k l m n x o p r s s t u f h ps o".split(), strict=True)
)
_TWO = {"μπ": "b", "ντ": "d", "γκ": "g", "ου": "u"}
"""Two Greek letters for one sound."""
_TABLE = {ord(letter): "" if said == "-" else said for letter, said in (_CYRILLIC | _GREEK).items()}
_PAIRS = re.compile("|".join(_TWO))
_LETTERS = re.compile(f"[{''.join(_CYRILLIC | _GREEK)}]")
_SHARE, _MOST = 0.6, 8
"""Share of a piece that such letters must be, and pieces of a text that are looked at."""


def transliterated(text: str) -> str | None:
    """The text with pieces that are English by their sound in Latin letters. None: there are none."""
    lower = text.lower()
    if _LETTERS.search(lower) is None:
        return None
    foreign = [piece for piece in pieces(lower) if len(_LETTERS.findall(piece)) >= _SHARE * len("".join(piece.split()))]
    made = {piece: said for piece in islice(foreign, _MOST) if (said := _english(piece)) is not None}
    if not made:
        return None
    return "".join(made.get(piece, piece) for piece in pieces(lower))


def _english(piece: str) -> str | None:
    """What a piece says in English, if it does."""
    heard = translated(_PAIRS.sub(lambda pair: _TWO[pair[0]], piece), _TABLE)
    for said in (heard, mended(heard, fewest=1)):
        if said is not None and reads_word_by_word(said):
            return said
    return None
