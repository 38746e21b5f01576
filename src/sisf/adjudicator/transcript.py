"""An exchange as windows that a judge can read: every character is in one of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from sisf.adjudicator.fence import Piece
from sisf.exchange import Exchange

ANSWER = "ANSWER"
_CONTEXT = 1_600


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive pieces of an exchange, and short context for what is not among them."""

    pieces: tuple[Piece, ...]
    context: tuple[Piece, ...]
    number: int
    of: int

    @property
    def has_answer(self) -> bool:
        """Whether a part of the answer that is judged stands in it."""
        return any(piece.speaker == ANSWER for piece in self.pieces)


def windows(exchange: Exchange, size: int, overlap: int) -> tuple[Window, ...]:
    """Windows of at most `size` characters; neighbours share `overlap`, so that nothing hides on a cut."""
    whole = [Piece(message.role.value, message.content) for message in exchange.messages]
    whole.append(Piece(ANSWER, exchange.response or ""))
    groups = _group(_cut(whole, size, overlap), size)
    return tuple(
        Window(tuple(group), _context(exchange, group, whole), number, len(groups))
        for number, group in enumerate(groups, start=1)
    )


def _cut(pieces: list[Piece], size: int, overlap: int) -> Iterator[Piece]:
    for piece in pieces:
        if len(piece.text) <= size:
            yield piece
            continue
        for start in range(0, len(piece.text) - overlap, size - overlap):
            yield Piece(piece.speaker, piece.text[start : start + size])


def _group(pieces: Iterator[Piece], size: int) -> list[list[Piece]]:
    groups: list[list[Piece]] = [[]]
    room = size
    for piece in pieces:
        if groups[-1] and len(piece.text) > room:
            groups.append([])
            room = size
        groups[-1].append(piece)
        room -= len(piece.text)
    return groups


def _context(exchange: Exchange, group: list[Piece], whole: list[Piece]) -> tuple[Piece, ...]:
    """The request and the answer, shortened, where the window lacks them: neither is judged without the other."""
    context = []
    if not any(piece.speaker == "user" and piece.text == exchange.prompt for piece in group) and group != whole:
        context.append(Piece("user (shortened, for context)", _shorten(exchange.prompt)))
    if not any(piece.speaker == ANSWER for piece in group):
        context.append(Piece(f"{ANSWER} (shortened, for context)", _shorten(exchange.response or "")))
    return tuple(context)


def _shorten(text: str) -> str:
    if len(text) <= _CONTEXT:
        return text
    cut = len(text) - _CONTEXT
    return f"{text[: _CONTEXT * 3 // 4]}\n[{cut} characters left out here]\n{text[-(_CONTEXT // 4) :]}"
