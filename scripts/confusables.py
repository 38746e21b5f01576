"""Writes src/sisf/text/data/confusables.tsv: which letters of the world are read as which ASCII letter or digit.

Sources: Unicode confusables (UTS #39), as carried by the package `confusable-homoglyphs` (install it to run this), and
the names of characters, for look-alikes that UTS #39 leaves out because no one confuses them with one another:
small capitals, enclosed letters, letters with strokes and hooks.
"""

import json
import re
import sys
import unicodedata
from importlib.resources import files
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src/sisf/text/data/confusables.tsv"
NAMED = re.compile(
    r"(?:LATIN LETTER SMALL CAPITAL|MODIFIER LETTER (?:SMALL|CAPITAL)|LATIN SUBSCRIPT SMALL LETTER|"
    r"(?:NEGATIVE |CROSSED NEGATIVE )?(?:CIRCLED|SQUARED|PARENTHESIZED) LATIN (?:SMALL|CAPITAL) LETTER|"
    r"REGIONAL INDICATOR SYMBOL LETTER|LATIN (?:SMALL|CAPITAL) LETTER) ([A-Z])"
    r"(?: WITH (?:STROKE|HOOK|TAIL|TOPBAR|BAR|CURL|RETROFLEX HOOK|DIAGONAL STROKE|MIDDLE TILDE|PALATAL HOOK|FLOURISH"
    r"|LONG LEG|FISHHOOK|SWASH TAIL|BELT|CROSSED-TAIL|OBLIQUE STROKE|HIGH STROKE|LONG STROKE OVERLAY|NOTCH|LOOP"
    r"|DOUBLE BAR|STROKE AND HOOK|HOOK TAIL|HORIZONTAL BAR|LEFT HOOK|MIDDLE HOOK|RIGHT HOOK|TICK)[A-Z ]*)?"
)
WHOLE = {"rn": "m", "cl": "d", "vv": "w"}
BY_HAND = dict(zip("ωεκτяиєʍ", "wektrnew", strict=True))
"""What writers of look-alike text use though UTS #39 finds it too different."""


def main() -> None:
    """Write the table."""
    table: dict[str, str] = {}
    for code in range(0x80, sys.maxunicode + 1):
        char = chr(code)
        named = NAMED.fullmatch(unicodedata.name(char, ""))
        if named:
            table[char] = named[1].lower()
    found = json.loads(files("confusable_homoglyphs").joinpath("confusables.json").read_text(encoding="utf-8"))
    steps = {c: [x["c"] for x in entries] for c, entries in found.items() if len(c) == 1 and not c.isascii()}
    for char, similar in steps.items():
        ascii_forms = [WHOLE.get(s, s).lower() for s in similar if s.isascii() and WHOLE.get(s, s).isalnum()]
        through = [table[s] for s in similar if s in table]
        if ascii_forms or through:
            table.setdefault(char, (ascii_forms or through)[0])
    for char, ascii_form in BY_HAND.items():
        table.setdefault(char, ascii_form)
    for char, ascii_form in list(table.items()):
        small = char.lower()
        if ascii_form == "l" and table.get(small) == "i":  # UTS #39 folds capital I into l; people read i
            table[char] = "i"
    keep = {c: a for c, a in table.items() if unicodedata.category(c)[0] in "LSN"}
    lines = [f"{ord(c):04X}\t{a}\n" for c, a in sorted(keep.items()) if not _decomposes(c, a)]
    TARGET.write_text("".join(lines), encoding="ascii")
    print(f"{TARGET}: {len(lines)} characters")


def _decomposes(char: str, ascii_form: str) -> bool:
    """Whether NFKC and case folding alone already give the same."""
    return unicodedata.normalize("NFKC", char).casefold() == ascii_form


if __name__ == "__main__":
    main()
