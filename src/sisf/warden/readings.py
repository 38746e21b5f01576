"""How a text is read: its views, the windows of them that an embedder sees, and the turns that texts are parts of.

The Warden reads a request so, and so does whoever tries a policy on texts: what is tried is what is enforced.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder, TextWindow
from sisf.embedding.windows import coarse_windows, fine_windows
from sisf.exchange import Message, Role
from sisf.text.cut_words import glued
from sisf.text.edges import REACH
from sisf.text.ngrams import ORDER, ngram_features
from sisf.text.passages import FEWEST_LETTERS
from sisf.text.views import View
from sisf.text.wordless import Shortened, shortened

_MESSAGE = re.compile(r"(?:messages|input|choices|output|tools|functions)\[\d+\]|(?:system|instructions|content)(?=\[)")
"""The message in which a text stands, by its place."""
_CONVERSATIONS = ("messages", "input")
"""Where the turns of a conversation stand."""
TURN = "turn"
"""The view of several texts of one turn taken together."""
CONVERSATION = "conversation"
"""The view of several turns of one speaker taken together: those of the user without what others say between them."""
CLOSED_UP = "closed up"
"""The view of the parts of one content without a gap between them, as some templates of chats put them together: what a
pattern names may be cut in its middle."""
ACROSS = "across"
"""The last word of one speaker and the first of the next without a gap between them, as they may stand in what a chat
template makes of both."""
ONLY_PATTERNS = (CLOSED_UP, ACROSS)
"""Views in which patterns alone are searched."""
_JOINED = (TURN, CONVERSATION, CLOSED_UP, ACROSS)
_PART = re.compile(r"((?:.*\.)?(?:content|system|instructions))\[\d+\]\.\w+")
"""The place of a part, and that of the content of which it is one."""
_WORD = 64
"""Characters at the end of a text, and at the beginning of the next, in which a word may be cut."""
TOGETHER = 1_000
"""Characters of several turns that are read together, about as many as one window of an embedder holds."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Several texts read as one."""

    text: str
    places: tuple[int, ...]
    """The texts, in their order."""
    view: str
    """`TURN`, `CONVERSATION`, `CLOSED_UP` or `ACROSS`."""


@dataclass(slots=True)
class Window:
    """A piece of a view to be scored."""

    text: str
    view: str
    span: tuple[int, int]
    """Its place in the view as it is read, in characters."""
    vector: NDArray[np.float32] | None = None
    """Its embedding, where it is known already."""
    asked: float = 0.0
    """How far its score must be above a threshold, in steps of the policy's caution."""
    order: bool = True
    """Whether a beginning that sounds like an order is one."""
    audited: bool = False
    """Whether a first look would have discarded it."""
    beside: bool = False
    """Whether it stands in another reading of a text of more than one window."""
    guessed: bool = False
    """Whether it stands in another reading of a text of one window: what it says must be likely
    (`length.asked_of_guess`)."""
    strange: bool = False
    """Whether more is asked of it for words that are not known: it is guessed, or a guess reads better than it does."""
    tokens: int = 0
    """How many it has, of a window that covers a view."""
    whole: Shortened | None = None
    """What its view was shortened to, in which `span` is its place; None for a view that is read as it is."""

    @property
    def place(self) -> tuple[int, int]:
        """Its place in the whole view."""
        return self.span if self.whole is None else self.whole.place(self.span)

    def features(self) -> dict[str, float]:
        """Its lexical features."""
        found = ngram_features(self.text)
        if not self.order:
            found.pop(ORDER, None)
        return found

    @property
    def said(self) -> str:
        """Windows that say the same are the same to an embedder that knows no letter case, and to lexical features."""
        return " ".join(self.text.lower().split())


@dataclass(frozen=True, slots=True)
class Reading:
    """A view that says something new to an embedder, as it is read."""

    view: View
    """Of a text of several windows without its long stretches that hold no word."""
    windows: Sequence[Window]
    """The fewest that cover it."""
    whole: Shortened | None = None
    """What was left out of it."""

    @property
    def tokens(self) -> int:
        """How many its windows have."""
        return sum(window.tokens for window in self.windows)


Plain = tuple[Reading, bool]
"""A text as it stands, and whether it is long: takes several windows, if nothing is left out."""


def plainly(text: str, embedder: Embedder) -> Plain:
    """How a text is read as it stands."""
    view = View("raw", text, derived=False)
    cut = coarse_windows(embedder, text)
    long = len(cut) > 1
    return reading(view, embedder, long=long, cut=cut), long


def reading(view: View, embedder: Embedder, *, long: bool, cut: Sequence[TextWindow] | None = None) -> Reading:
    """How a view is read. Of a long text that is without its long stretches that hold no word, and not at all where no
    words are left. `cut`: the windows of the whole view, where they are known."""
    if not long:
        return Reading(view, _windows(view, coarse_windows(embedder, view.text) if cut is None else cut))
    whole = shortened(view.text)
    if whole.said < FEWEST_LETTERS:
        cut = []
    elif cut is None or whole.text != view.text:
        cut = coarse_windows(embedder, whole.text)
    view = replace(view, text=whole.text)
    return Reading(view, _windows(view, cut, whole), whole)


def surroundings(view: View, window: Window) -> tuple[str, str]:
    """What stands just before a window of a view, and just behind it."""
    start, end = window.span
    return view.text[max(0, start - REACH) : start], view.text[end : end + REACH]


def fine(reading: Reading, embedder: Embedder) -> list[Window]:
    """The finer windows of a view that takes several coarse ones."""
    return _windows(reading.view, fine_windows(embedder, reading.view.text), reading.whole)


def joined(messages: Sequence[Message]) -> Iterator[Joined]:
    """What is split over several texts, read as one: the texts of each turn, what the user, or the system, says in
    turns that others part, and what the model, or tools, say in messages that stand side by side; and words that may
    be cut between two speakers."""
    turns = list(_turns(messages))
    for turn in turns:
        if len(turn) > 1:
            yield Joined(_text(messages, turn), tuple(turn), TURN)
            yield from _closed_up(messages, turn)
    for said in _spoken(messages, turns):
        yield from _conversation(messages, said)
    yield from _across(messages)


def _closed_up(messages: Sequence[Message], turn: range) -> Iterator[Joined]:
    for content, parts in groupby(turn, lambda place: _content_of(messages[place])):
        places = tuple(parts)
        if content is not None and len(places) > 1:
            yield Joined("".join(_ends(messages[place].content) for place in places), places, CLOSED_UP)


def _across(messages: Sequence[Message]) -> Iterator[Joined]:
    for place, (one, other) in enumerate(pairwise(messages)):
        if one.role is not other.role:
            last = one.content[-_WORD:].rstrip().rpartition("\n")[2]
            first = other.content[:_WORD].lstrip().partition("\n")[0]
            if word := glued(f"{last}\n{first}"):
                yield Joined(word, (place, place + 1), ACROSS)


def _ends(text: str) -> str:
    """A text, or the beginning and the end of a long one: what is cut at its borders lies there."""
    half = TOGETHER // 2
    return text if len(text) <= TOGETHER else f"{text[:half]}\n{text[-half:]}"


def _content_of(message: Message) -> str | None:
    found = _PART.fullmatch(message.origin)
    return None if found is None else found[1]


def _spoken(messages: Sequence[Message], turns: Sequence[range]) -> Iterator[list[range]]:
    """The turns of one speaker that are read together: all of the user, all messages of the system that stand among
    them, and neighbouring ones of the model or tools, which APIs and templates of chats put together."""
    yield [turn for turn in turns if messages[turn.start].role is Role.USER]
    system = [turn for turn in turns if messages[turn.start].role is Role.SYSTEM]
    yield [turn for turn in system if _part_of(messages[turn.start]) in _CONVERSATIONS]
    for role, side_by_side in groupby(turns, lambda turn: messages[turn.start].role):
        if role in (Role.ASSISTANT, Role.TOOL):
            yield list(side_by_side)


def _turns(messages: Sequence[Message]) -> Iterator[range]:
    """Neighbouring texts of the user, of the system's messages and of tools, and those of one message of others."""
    first = 0
    for index in range(1, len(messages) + 1):
        if index == len(messages) or not _together(messages[first], messages[index]):
            yield range(first, index)
            first = index


def _conversation(messages: Sequence[Message], turns: Sequence[range]) -> Iterator[Joined]:
    """Groups of one speaker's turns, so that neighbouring turns of half of `TOGETHER` stand in one of them.

    Made from the first turn on, so that what is said next changes the last group alone. Together they are at most three
    times what was said; of a turn that is too long its end stands with what follows, its beginning with what was
    before.
    """
    texts = [_text(messages, turn) for turn in turns]
    half = TOGETHER // 2
    first = last = 0
    while last < len(turns) - 1:
        last, size = first + 1, min(len(texts[first]), half) + len(texts[first + 1])
        while last < len(turns) - 1 and size + len(texts[last + 1]) <= TOGETHER:
            last += 1
            size += len(texts[last])
        pieces = [texts[first][-half:], *texts[first + 1 : last], texts[last][:half]]
        places = tuple(place for turn in turns[first : last + 1] for place in turn)
        yield Joined("\n".join(pieces), places, CONVERSATION)
        before, first, size = first, last, len(texts[last])
        while first - 1 > before and size + len(texts[first - 1]) <= half:
            first -= 1
            size += len(texts[first])


def _together(one: Message, other: Message) -> bool:
    if one.role is not other.role:
        return False
    if one.role is Role.USER:
        return True
    first = _part_of(one)
    return first is not None and first == _part_of(other)


def _part_of(message: Message) -> str | None:
    """What a text is a part of: its message, or all system messages, or all tools, that stand side by side."""
    found = _MESSAGE.match(message.origin)
    if found is None:
        return None
    return found[0].partition("[")[0] if message.role is Role.SYSTEM else found[0]


def is_joined(view: str) -> bool:
    """Whether a view (a match's) is a reading of several texts together."""
    return view.partition(">")[0] in _JOINED


def places_in_view(messages: Sequence[Message], segment: int, view: str) -> tuple[int, ...]:
    """The texts of which `view` (a match's) is a reading, the last of them `segment`."""
    found = _joined_in_view(messages, segment, view)
    return (segment,) if found is None else found.places


def text_in_view(messages: Sequence[Message], segment: int, view: str) -> str:
    """The text of which `view` (a match's) is a reading."""
    found = _joined_in_view(messages, segment, view)
    return messages[segment].content if found is None else found.text


def _joined_in_view(messages: Sequence[Message], segment: int, view: str) -> Joined | None:
    kind = view.partition(">")[0]
    if kind not in _JOINED:
        return None
    return next((each for each in joined(messages) if each.view == kind and each.places[-1] == segment), None)


def _text(messages: Sequence[Message], turn: range) -> str:
    return "\n".join(messages[place].content for place in turn)


def _windows(view: View, cut: Sequence[TextWindow], whole: Shortened | None = None) -> list[Window]:
    return [Window(w.text, view.name, (w.start, w.end), tokens=w.tokens, whole=whole) for w in cut]
