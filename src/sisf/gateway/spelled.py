"""What the numbers of a JSON document say where they are those of characters."""

import re
from collections.abc import Sequence
from typing import Any

from sisf.text.between import without_marks

_READABLE, _LETTERS = re.compile(rb"[A-Za-z ]"), re.compile("[A-Za-z ]")
_SPACE, _LAST, _BREAKS = 32, 0x3000, (9, 10, 13)
FEWEST = 4
"""Numbers of characters that say anything."""


def is_text(raw: bytes) -> bool:
    """Whether most bytes are letters or spaces: of random ones a fifth is."""
    return 2 * len(_READABLE.findall(raw)) > len(raw)


def spelled(numbers: Sequence[Any]) -> list[str]:
    """What the numbers of characters among `numbers` say: all of them where a third are letters, as with two signs
    between each, then without these, too; and without others that only stand between. Empty where they are too few, or
    nothing to read."""
    characters = [_character(number) for number in numbers]
    whole = "".join(characters)
    if len(whole) < FEWEST:
        return []
    letters = _LETTERS.findall(whole)
    found = [whole] if 3 * len(letters) >= len(whole) else []
    if found and 3 * len(letters) <= 2 * len(whole):
        found.append("".join(letters))
    return list(dict.fromkeys([*found, *without_marks(characters)]))


def _character(number: Any) -> str:
    if type(number) in (int, float) and (_SPACE <= number < _LAST or number in _BREAKS):
        return chr(int(number))
    return ""


def spellings(value: Any) -> list[str]:
    """What the numbers in `value` say: those of each list, and all of them in their order."""
    stack, numbers, found = [value], [], []
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(reversed(item.values()))
        elif isinstance(item, list):
            stack.extend(reversed(item))
            found += spelled(item)
        elif isinstance(item, int | float):
            numbers.append(item)
    return list(dict.fromkeys([*found, *spelled(numbers)]))
