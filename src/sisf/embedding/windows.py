"""Cutting a text into windows that cover it without a gap."""

from collections.abc import Sequence

from sisf.embedding.base import Embedder, TextWindow
from sisf.text.wordless import shortened

OVERLAP = 32
"""Tokens that neighbouring windows share."""
FINE = 48
"""Tokens of the finer windows through which a text of several windows is seen as well: what is short is not lost in
what is long."""


def inspected_windows(embedder: Embedder, text: str) -> list[TextWindow]:
    """The windows through which a text is seen as it stands, by the Warden and by whoever learns or tests a policy: a
    text of several without its long stretches that hold no word."""
    cut = coarse_windows(embedder, text)
    if len(cut) == 1:
        return cut
    short = shortened(text).text
    cut = cut if short == text else coarse_windows(embedder, short)
    return cut + fine_windows(embedder, short) if len(cut) > 1 else cut


def coarse_windows(embedder: Embedder, text: str) -> list[TextWindow]:
    """As few windows as cover the text."""
    return embedder.windows(text, None, min(OVERLAP, embedder.max_tokens // 4))


def fine_windows(embedder: Embedder, text: str) -> list[TextWindow]:
    """The finer windows of a long text."""
    return embedder.windows(text, FINE, FINE // 2) if embedder.max_tokens > FINE else []


def check_window(size: int, overlap: int, max_tokens: int) -> None:
    """Raises `ValueError` unless `0 <= overlap < size <= max_tokens`: the embedder must see a whole window."""
    if not 0 <= overlap < size <= max_tokens:
        raise ValueError(f"windows need 0 <= overlap < size <= {max_tokens} tokens, not size {size}, overlap {overlap}")


def cut_windows(
    text: str,
    offsets: Sequence[tuple[int, int]],
    word_starts: Sequence[int],
    size: int,
    overlap: int,
    *,
    begin: int = 0,
) -> list[TextWindow]:
    """Windows of at most `size` tokens over `text`, which stands at character `begin` of a whole.

    `offsets` holds each token's (start, end) in characters. `word_starts` holds, rising, the indices of tokens that
    begin a word: cutting there only, a window taken alone has the very tokens that it has inside the text. A word
    longer than a window is cut where the window is full. Characters that belong to no token go with the token before.
    """
    count = len(offsets)
    starts = set(word_starts)
    pieces: list[TextWindow] = []
    first = 0
    while True:
        last = _last_start(starts, first, min(first + size, count), count)
        start = 0 if first == 0 else offsets[first][0]
        end = len(text) if last >= count else offsets[last][0]
        pieces.append(TextWindow(begin + start, begin + end, text[start:end], last - first))
        if last >= count:
            return pieces
        first = _next_first(starts, first, last, overlap)


def _last_start(starts: set[int], first: int, limit: int, count: int) -> int:
    """The highest cut at or below `limit` that advances; `limit` itself when no word begins in between."""
    if limit >= count:
        return count
    return next((i for i in range(limit, first, -1) if i in starts), limit)


def _next_first(starts: set[int], first: int, last: int, overlap: int) -> int:
    """Go back about `overlap` tokens from `last`, to the beginning of a word, but always beyond `first`."""
    wanted = max(last - overlap, first + 1)
    return next((i for i in range(wanted, last) if i in starts), last)


def cut_characters(text: str, size: int, overlap: int) -> list[TextWindow]:
    """Windows of `size` characters, for embedders whose tokeniser is not known here."""
    step = size - overlap
    starts = range(0, max(len(text) - overlap, 1), step)
    return [
        TextWindow(start, min(start + size, len(text)), piece, len(piece.encode(errors="replace")))
        for start, piece in ((start, text[start : start + size]) for start in starts)
    ]
