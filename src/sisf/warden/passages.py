"""What is short is not lost in what is long: the passages of a window that look most like what policies look for.

One look at a window of a long text gives the state of every token. Their mean over a passage is near to the vector
that the passage would have alone (late pooling, after Günther et al. 2024, arXiv 2409.04701), so all passages can be
ranked at once. The best few are then embedded for what they are: these vectors alone decide (docs/adr/0141).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import TokenVectors, Vectors
from sisf.text.ngrams import ORDER, located_words
from sisf.text.order import begins_with_order
from sisf.text.passages import borders, passages, worth
from sisf.warden.semantic import Floats, SemanticEngine

LENGTHS = (8, 10, 12, 14, 17, 20, 24, 30, 36)
"""Tokens of the fragments tried from each border."""
INNER = (10, 14, 20, 28)
"""Tokens of the fragments tried from every second token."""
CHOSEN = (3, 2, 2)
"""Pieces of a window that are embedded: of those with no arbitrary end, with one, with two."""
_ALIKE = 0.7
_OPENING = 80
"""Characters of a piece in which its first word is looked for."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a window that deserves a look of its own."""

    start: int
    end: int
    cuts: int
    """How many of its ends are arbitrary: benign sentences cut in two say odd things, so more is asked of it."""


def chosen(text: str, tokens: TokenVectors, engine: SemanticEngine, applies: NDArray[np.bool_]) -> list[Passage]:
    """The most promising passages and fragments, as places in the text that was looked into; whole ones first."""
    cuts = dict.fromkeys(passages(text), 0)
    for number, spans in enumerate((_fragments(text, tokens.spans), _inner(text, tokens.spans)), start=1):
        for span in spans:
            cuts.setdefault(span, number)
    if not cuts:
        return []
    found = list(cuts)
    margins = engine.margins(_pooled(tokens, found), _lexical(text, found, engine), applies)
    best: list[Span] = []
    for number, count in enumerate(CHOSEN):
        places = [index for index, span in enumerate(found) if cuts[span] == number]
        best += _best([found[i] for i in places], margins[places], count, best)
    return [Passage(*span, cuts[span]) for span in best]


def _best(spans: Sequence[Span], margins: Floats, count: int, known: Sequence[Span]) -> list[Span]:
    best: list[Span] = []
    for index in np.argsort(-margins, kind="stable").tolist():
        if all(_alike(spans[index], other) <= _ALIKE for other in (*known, *best)):
            best.append(spans[index])
            if len(best) == count:
                break
    return best


def _fragments(text: str, tokens: Sequence[Span]) -> list[Span]:
    """Pieces of fixed lengths that begin or end at a border."""
    starts, ends = borders(text)
    opening, closing = [start for start, _ in tokens], [end for _, end in tokens]
    count = len(tokens)
    found = []
    for start in starts:
        first = bisect_left(opening, start)
        if first < count:
            found += [(opening[first], closing[min(first + n, count) - 1]) for n in LENGTHS]
    for end in ends:
        last = bisect_right(closing, end)
        if last:
            found += [(opening[max(last - n, 0)], closing[last - 1]) for n in LENGTHS]
    return [span for span in found if worth(text, *span)]


def _inner(text: str, tokens: Sequence[Span]) -> list[Span]:
    """Pieces of fixed lengths that begin and end anywhere."""
    found = [
        (tokens[first][0], tokens[first + length - 1][1])
        for first in range(0, len(tokens), 2)
        for length in INNER
        if first + length <= len(tokens)
    ]
    return [span for span in found if worth(text, *span)]


def _pooled(tokens: TokenVectors, spans: Sequence[Span]) -> Vectors:
    """The mean of the states of the tokens in each span, of length 1; zero where there are none."""
    sums = _sums(tokens.states)
    opening, closing = [start for start, _ in tokens.spans], [end for _, end in tokens.spans]
    first = np.searchsorted(opening, [start for start, _ in spans])
    last = np.searchsorted(closing, [end for _, end in spans], side="right")
    pooled: Vectors = sums[np.maximum(first, last)] - sums[first]
    pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    return pooled


def _lexical(text: str, spans: Sequence[Span], engine: SemanticEngine) -> Floats:
    """What the words of each span weigh for each row, a word that comes twice counted twice; and what it weighs that a
    span begins with an order."""
    words = located_words(text)
    names = [word for word, _, _ in words]
    first = np.searchsorted([start for _, start, _ in words], [start for start, _ in spans])
    last = np.searchsorted([end for _, _, end in words], [end for _, end in spans], side="right")
    last = np.maximum(first, last)
    single = _sums(engine.weights(names))
    paired = _sums(engine.weights([f"{one} {other}" for one, other in pairwise(names)]))
    final = np.maximum(last - 1, first)  # the last word of a span begins no pair in it
    inside = np.minimum(final, len(paired) - 1), np.minimum(first, len(paired) - 1)
    weights: Floats = single[last] - single[first] + paired[inside[0]] - paired[inside[1]]
    weights /= np.sqrt(np.maximum(2 * (last - first) - 1, 1), dtype=np.float32)[:, None]
    order = engine.weights([ORDER])
    if order.any():
        begins = {start: begins_with_order(text[start : start + _OPENING]) for start in {start for start, _ in spans}}
        weights += np.outer([begins[start] for start, _ in spans], order)
    return weights


def _sums(values: Floats) -> Floats:
    """The sums of the first 0, 1, 2, … rows."""
    return np.vstack([np.zeros((1, values.shape[1]), np.float32), np.cumsum(values, axis=0, dtype=np.float32)])


def _alike(one: Span, other: Span) -> float:
    """What two spans share, over what they cover together."""
    common = min(one[1], other[1]) - max(one[0], other[0])
    return common / max(1, max(one[1], other[1]) - min(one[0], other[0]))
