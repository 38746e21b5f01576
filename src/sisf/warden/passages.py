"""What is short is not lost in what is long: the passages of a window that look most like what policies look for.

One look at a window of a long text gives the state of every token. Their mean over a passage is near to the vector
that the passage would have alone (late pooling, after Günther et al. 2024, arXiv 2409.04701), so all passages that
begin or end where a sentence does can be ranked at once. The best few are then embedded for what they are: these
vectors alone decide, against the same thresholds as any other text.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import TokenVectors, Vectors
from sisf.text.ngrams import ngram_features
from sisf.warden.semantic import SemanticEngine

LENGTHS = (8, 12, 17, 24, 36)
"""Tokens of the passages tried from each border; whole sentences are tried besides."""
CHOSEN = 3
"""Passages of a window that are embedded."""
_BORDERS = frozenset('.!?:;\n"“”«»()[]{}*•–—>|#')
_OVERLAP = 0.5

Span = tuple[int, int]


def chosen(text: str, tokens: TokenVectors, engine: SemanticEngine, applies: NDArray[np.bool_]) -> list[Span]:
    """The most promising passages as spans of characters in the text that was looked into, best first."""
    candidates = _candidates(text, tokens.spans)
    if not candidates:
        return []
    spans = [(tokens.spans[first][0], tokens.spans[last - 1][1]) for first, last in candidates]
    lexical = [ngram_features(text[start:end]) for start, end in spans]
    margins = engine.margins(_pooled(tokens.states, candidates), lexical, applies)
    best: list[Span] = []
    for index in np.argsort(-margins).tolist():
        if all(_shared(spans[index], other) <= _OVERLAP for other in best):
            best.append(spans[index])
            if len(best) == CHOSEN:
                break
    return best


def _candidates(text: str, tokens: Sequence[Span]) -> list[Span]:
    """Passages, as ranges of tokens, that begin where a sentence or a name begins, or end where a sentence ends."""
    starts, ends = _borders(text, tokens)
    found: dict[Span, None] = {}
    for start in starts:
        for length in LENGTHS:
            found[start, min(start + length, len(tokens))] = None
    for end in ends:
        for length in LENGTHS:
            found[max(end - length, 0), end] = None
        before = [s for s in starts if s < end]
        if before:
            found[before[-1], end] = None
    return list(found)


def _borders(text: str, tokens: Sequence[Span]) -> tuple[list[int], list[int]]:
    """The tokens that begin and those behind which something ends."""
    starts, ends = [], []
    last = len(tokens) - 1
    for index, (start, end) in enumerate(tokens):
        gap = text[tokens[index - 1][1] : start] if index else "\n"
        before = text[tokens[index - 1][1] - 1] if index and tokens[index - 1][1] else "\n"
        if "\n" in gap or before in _BORDERS or (gap and text[start : start + 1].isupper()):
            starts.append(index)
        after = text[end : tokens[index + 1][0]] if index < last else "\n"
        if "\n" in after or text[end - 1 : end] in _BORDERS:
            ends.append(index + 1)
    return starts, ends


def _pooled(states: Vectors, ranges: Sequence[Span]) -> Vectors:
    """The mean of the states of each range, of length 1."""
    sums = np.vstack([np.zeros((1, states.shape[1]), np.float32), np.cumsum(states, axis=0, dtype=np.float32)])
    bounds = np.array(ranges)
    pooled: Vectors = sums[bounds[:, 1]] - sums[bounds[:, 0]]
    pooled /= np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
    return pooled


def _shared(one: Span, other: Span) -> float:
    """The share of the shorter span that lies in the other."""
    common = min(one[1], other[1]) - max(one[0], other[0])
    return common / max(1, min(one[1] - one[0], other[1] - other[0]))
