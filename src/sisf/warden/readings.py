"""How a text is read: its views, the windows of them that an embedder sees, and the turns that texts are parts of.

The Warden reads a request so, and so does whoever tries a policy on texts: what is tried is what is enforced.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder, TextWindow
from sisf.embedding.windows import coarse_windows, fine_windows
from sisf.exchange import Message, Role
from sisf.text.ngrams import ORDER, ngram_features
from sisf.text.views import View

_MESSAGE = re.compile(r"(?:messages|input|choices|output)\[\d+\]|(?:system|instructions|content)(?=\[)")
"""The message in which a text stands, by its place."""
TURN = "turn"
"""The view of several texts of one turn taken together."""


@dataclass(slots=True)
class Window:
    """A piece of a view to be scored."""

    text: str
    view: str
    span: tuple[int, int]
    """Its place in the view, in characters."""
    vector: NDArray[np.float32] | None = None
    """Its embedding, where it is known already."""
    asked: float = 0.0
    """How far its score must be above a threshold, in steps of the policy's caution."""
    order: bool = True
    """Whether a beginning that sounds like an order is one."""
    audited: bool = False
    """Whether a first look would have discarded it."""

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


def coarse(views: Sequence[View], embedder: Embedder) -> Iterator[tuple[View, list[Window]]]:
    """Each view that says something new to an embedder, with the fewest windows that cover it."""
    for view in views:
        if view.derived or view.name == "raw":
            yield view, _windows(view, coarse_windows(embedder, view.text))


def fine(view: View, embedder: Embedder) -> list[Window]:
    """The finer windows of a view that takes several coarse ones."""
    return _windows(view, fine_windows(embedder, view.text))


def turns(messages: Sequence[Message]) -> Iterator[tuple[str, int]]:
    """Neighbouring texts of the user, and those of one message of anybody else, joined, each with its last message:
    what is split over several is read as one."""
    first = 0
    for index in range(1, len(messages) + 1):
        if index == len(messages) or not _together(messages[first], messages[index]):
            if index - first > 1:
                yield _joined(messages[first:index]), index - 1
            first = index


def run_of(messages: Sequence[Message], last: int) -> range:
    """The places of the texts that are read as one, of which the last is `last`."""
    first = last
    while first and _together(messages[first - 1], messages[last]):
        first -= 1
    return range(first, last + 1)


def _together(one: Message, other: Message) -> bool:
    if one.role is not other.role:
        return False
    if one.role is Role.USER:
        return True
    first, second = _MESSAGE.match(one.origin), _MESSAGE.match(other.origin)
    return first is not None and second is not None and first[0] == second[0]


def text_in_view(messages: Sequence[Message], segment: int, view: str) -> str:
    """The text of which `view` (a match's) is a reading: that of the message `segment`, or of the turn that it ends."""
    if not view.startswith(TURN):
        return messages[segment].content
    run = run_of(messages, segment)
    return _joined(messages[run.start : run.stop])


def _joined(messages: Sequence[Message]) -> str:
    return "\n".join(message.content for message in messages)


def _windows(view: View, cut: Sequence[TextWindow]) -> list[Window]:
    return [Window(piece.text, view.name, (piece.start, piece.end)) for piece in cut]
