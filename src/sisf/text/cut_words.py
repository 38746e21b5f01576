"""Words that a line end cuts: what stands on both sides of it, put together.

APIs hold many short strings of one kind (keys of a schema, values of a list, descriptions of tools, a speaker's turns),
which are read together with a line end between two. A word that is cut there is met by no pattern for it.
"""

import re
from itertools import chain

from sisf.text.words import costs

_CUT = re.compile(r"(?<![^\W\d_])([^\W\d_]++)[^\S\n]*+\n\s*+(?=([^\W\d_]++))")
_PIECES = re.compile(r"(?m)^(?:[^\W\d_]{1,5}\n){2,32}[^\W\d_]{1,5}$")
"""Lines of a few letters each, which may be pieces of one word."""


def glued(text: str) -> str:
    """The last word of each line with the first of the next, and lines of a few letters each together; a line for each.

    What is a word by itself on both sides was not cut: `hero` at the end of a line and `in` below it name no drug.
    Linear in the text. Only letters are put together: numbers would make others, of a card or an account.
    """
    if "\n" not in text:
        return ""
    # one by one: no expression holds Python's lock for long
    pairs = ((cut[1], cut[2]) for cut in _CUT.finditer(text))
    pieces = (tuple(found[0].split("\n")) for found in _PIECES.finditer(text))
    known = costs()
    return "\n".join("".join(cut) for cut in chain(pairs, pieces) if not all(piece.lower() in known for piece in cut))
