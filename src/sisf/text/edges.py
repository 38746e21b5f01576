"""Where a passage of a long text ends in the middle of a sentence, though something there looks like a border.

Lines are broken anywhere, and a capitalised word may be a name. What stands between two such places is a fragment, as
one that is cut by its length: `other dealings in this` is nothing that anybody said.
"""

_REACH = 80
"""Characters in which what goes on before or after a place is looked for."""
_GOING_ON = ",-/"
"""Signs with which no sentence ends or begins."""


def goes_on_before(text: str, start: int) -> bool:
    """Whether the sentence in which `start` stands began before it: no border but a line break before a word in lower
    case, or the gap before a capitalised word. Constant time.

    False at the beginning of the text, and for letters without case, which say nothing.
    """
    if not _cased(text[start : start + 1]):
        return False
    before = text[max(0, start - _REACH) : start]
    said = before.rstrip()
    if not said or not _open(said[-1]):
        return False
    breaks = before.count("\n", len(said))
    return breaks == 0 or (breaks == 1 and text[start].islower())


def goes_on_after(text: str, end: int) -> bool:
    """Whether the sentence goes on at `end`, the place behind the last character of a passage: as `goes_on_before`."""
    if not _open(text[end - 1 : end]):
        return False
    after = text[end : end + _REACH]
    following = after.lstrip()
    breaks = after.count("\n", 0, len(after) - len(following))
    first = following[:1]
    if breaks:
        return breaks == 1 and first.islower()
    return _cased(first) or (first != "" and first in _GOING_ON)


def _open(char: str) -> bool:
    return char.isalnum() or (char != "" and char in _GOING_ON)


def _cased(char: str) -> bool:
    return char.islower() or char.isupper()
