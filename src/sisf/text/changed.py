"""A text made from another one, with the places where it differs: only those need to be looked at again."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Span = tuple[int, int]

_BORDERS = ".!?:;\n"
_BORDER = re.compile(f"[{_BORDERS}]")
_SENTENCE = re.compile(f"[^{_BORDERS}]*[{_BORDERS}]?")
_REACH = 96
"""Characters that a passage may reach beyond a change, up to the border of a sentence."""

_NEAR = 16
"""Characters between two changes that are always shown with both."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A text with the spans (in it) that are new; None: all of it."""

    text: str
    fresh: tuple[Span, ...] | None = None


def translated(text: str, table: Mapping[int, str | None]) -> str:
    """`text.translate(table)`, several times faster where most characters are foreign and not in the table."""
    if text.isascii():
        return text.translate(table)
    return text.translate({ord(c): table.get(ord(c), c) for c in set(text)})


def substitute(pattern: "re.Pattern[str]", replace: Callable[[Any], str | None], text: str) -> Changed | None:
    """`pattern.sub` that keeps the places. `replace` returns None to leave a match as it is. None: nothing changed."""
    pieces: list[str] = []
    fresh: list[Span] = []
    position = length = 0
    for match in pattern.finditer(text):
        new = replace(match)
        if new is None or new == match[0]:
            continue
        before = text[position : match.start()]
        pieces += (before, new)
        length += len(before)
        fresh.append((length, length + len(new)))
        length += len(new)
        position = match.end()
    if not fresh:
        return None
    return Changed("".join((*pieces, text[position:])), tuple(fresh))


def word_by_word(before: str, after: str) -> Changed | None:
    """The changed words of a text of which every word became one word; all of it when that is not so."""
    if before == after:
        return None
    old, new = before.split(" "), after.split(" ")
    if len(old) != len(new):
        return Changed(after)
    fresh: list[Span] = []
    position = 0
    for was, now in zip(old, new, strict=True):
        if was != now:
            fresh.append((position, position + len(now)))
        position += len(now) + 1
    return Changed(after, tuple(fresh))


def backwards(changed: Changed) -> Changed:
    """The text read from its end."""
    fresh, length = changed.fresh, len(changed.text)
    mirrored = None if fresh is None else tuple((length - end, length - start) for start, end in reversed(fresh))
    return Changed(changed.text[::-1], mirrored)


def passages(text: str, fresh: Sequence[Span] | None) -> list[Span]:
    """The passages in which the fresh spans stand, each up to the border of its sentence, merged where they touch."""
    if fresh is None:
        return [(0, len(text))]
    if not fresh:
        return []
    merged: list[Span] = []
    for start, end in _near(fresh):
        left = max(0, start - _REACH)
        left = max(left, *(text.rfind(border, left, start) + 1 for border in _BORDERS))
        stop = _BORDER.search(text, end, end + _REACH)
        right = stop.end() if stop else min(len(text), end + _REACH)
        if merged and left <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right))
        else:
            merged.append((left, right))
    return merged


def _near(fresh: Sequence[Span]) -> Iterator[Span]:
    """The spans in order, those that lie near one another as one."""
    first, last = fresh[0]
    for start, end in fresh:
        if start > last + _NEAR:
            yield first, last
            first = start
        last = max(last, end)
    yield first, last


class Pairs:
    """Sentences that were read, each with the one before it: what is read beside them need not hold them again."""

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self._known: set[tuple[str, str]] = set()
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Know a text that is read."""
        self._known.update(pairwise(["", *_SENTENCE.findall(text)]))

    def without(self, text: str) -> str:
        """What holds all neighbouring sentences of a text that were not read together, each pair once; empty where all
        were."""
        sentences = ["", *_SENTENCE.findall(text)]
        kept = [False] * len(sentences)
        found: set[tuple[str, str]] = set()
        for last, pair in enumerate(pairwise(sentences), 1):
            if pair not in self._known and pair not in found:
                found.add(pair)
                kept[last - 1] = kept[last] = True
        return "".join([s for s, keep in zip(sentences, kept, strict=True) if keep])
