"""Where a passage of a long text ends in the middle of a sentence, though something there looks like a border.

Lines are broken anywhere, and a capitalised word may be a name. What stands between two such places is a fragment, as
one that is cut by its length: `other dealings in this` is nothing that anybody said.
"""

import re

REACH = 80
"""Characters in which what goes on before or after a place is looked for."""
_GOING_ON = ",-/"
"""Signs with which no sentence ends or begins."""
_HANGING = re.compile(r"\b(?:the|an?|of|and|or)$", re.IGNORECASE)
"""Words with which no sentence ends, at a line that is broken before a capital."""
_FRAME, _MARKS = " \t*|#", "\n>"
_LONGEST = 5
"""Characters of such a word, and of what parts it from the one before."""
_WRAPPED = 40
"""Characters of a line that may be broken because it is full."""
_BROKEN = re.compile(rf"[{_FRAME}]*\n[ \t]*(?:\*|#+|//+|--|;+|%+|\||>+|[.']?\\\")[ \t]*")
"""A line that goes on behind the mark of a comment, or of what is cited; the end of a frame may stand before it."""
_OPENING = re.compile(r"(?:\*|#+|//+|--|;+|%+|\||>+|[.']?\\\")[ \t]+")
"""Such a mark, with which a passage begins."""
_RESUMED = re.compile(rf"(?<=[^\n]{{{_WRAPPED}}}){_BROKEN.pattern}")


def goes_on_before(text: str, start: int) -> bool:
    """Whether the sentence in which `start` stands began before it: no border but a line break before a word in lower
    case, or the gap before a capitalised word. Constant time.

    False at the beginning of the text, and for letters without case, which say nothing.
    """
    opening = _OPENING.match(text, start, start + REACH)
    if opening is not None:
        start = opening.end()
    if not _cased(text[start : start + 1]):
        return False
    before = _RESUMED.sub("\n", text[max(0, start - REACH) : start])
    said = before.rstrip()
    if not said or not _open(said[-1]):
        return False
    breaks = before.count("\n", len(said))
    return breaks == 0 or (breaks == 1 and (text[start].islower() or _hangs(said)))


def goes_on_after(text: str, end: int) -> bool:
    """Whether the sentence goes on at `end`, the place behind the last character of a passage: as `goes_on_before`."""
    end -= len(framed := text[max(0, end - REACH) : end]) - len(framed.rstrip(_FRAME + _MARKS))
    if not _open(text[max(0, end - 1) : end]):
        return False
    resumed = _RESUMED.match(text, end, end + REACH)
    after = text[end : end + REACH] if resumed is None else "\n" + text[resumed.end() : end + REACH]
    following = after.lstrip()
    breaks = after.count("\n", 0, len(after) - len(following))
    first = following[:1]
    if breaks:
        return breaks == 1 and (first.islower() or (first.isupper() and _hangs(text[max(0, end - REACH) : end])))
    return _cased(first) or (first != "" and first in _GOING_ON)


def _hangs(said: str) -> bool:
    return _HANGING.search(said, max(0, len(said) - _LONGEST)) is not None


def _open(char: str) -> bool:
    return char.isalnum() or (char != "" and char in _GOING_ON)


def _cased(char: str) -> bool:
    return char.islower() or char.isupper()
