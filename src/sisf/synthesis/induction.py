"""Readable patterns from what breaches share and benign text lacks.

A pattern is two words of a breach, in order and near each other. Of all such pairs that no benign text holds, the one
that recognises most of the known breaches is taken. Only words that the shipped corpus knows are used: a pattern never
carries a name or a token that an attacker chose.
"""

from collections.abc import Sequence
from functools import lru_cache

import re2

from sisf import corpus
from sisf.text.ngrams import words

_NEAR = 6
_SHORTEST = 4
_CANDIDATES = 40


def induce(prompt: str, breaches: Sequence[str], benign: Sequence[str]) -> str | None:
    """An RE2 pattern that recognises `prompt`, no benign text, and most of `breaches`; None when there is none."""
    drawn = {pair: _pattern(*pair) for pair in _pairs(prompt)}
    # RE2's word borders are those of ASCII: a pair that it cannot find in its own text is no candidate.
    candidates = {pair: pattern for pair, pattern in drawn.items() if _hits(pattern, [prompt])}
    support = {pair: _hits(pattern, breaches) for pair, pattern in candidates.items()}
    for pair in sorted(candidates, key=lambda p: (-support[p], p))[:_CANDIDATES]:
        if _hits(candidates[pair], benign) == 0:
            return candidates[pair]
    return None


def in_words(pattern: str) -> str:
    """The two words of an induced pattern, for people."""
    return " … ".join(f"“{word}”" for word in re2.findall(r"\\b([^\\]+)\\b", pattern))


def _pairs(prompt: str) -> list[tuple[str, str]]:
    known = corpus_words()
    found = words(prompt)
    return [
        (first, second)
        for i, first in enumerate(found)
        for second in found[i + 1 : i + 1 + _NEAR]
        if first != second and all(len(w) >= _SHORTEST and w in known for w in (first, second))
    ]


def _pattern(first: str, second: str) -> str:
    return rf"(?i)\b{re2.escape(first)}\b(?:\W+\w+){{0,{_NEAR - 1}}}\W+\b{re2.escape(second)}\b"


def _hits(pattern: str, texts: Sequence[str]) -> int:
    compiled = re2.compile(pattern)
    return sum(compiled.search(text) is not None for text in texts)


@lru_cache(maxsize=1)
def corpus_words() -> frozenset[str]:
    """Every word of the shipped requests."""
    texts = [item.text for item in corpus.contrastive()] + [sample.text for sample in corpus.benign_reference()]
    return frozenset(word for text in texts for word in words(text))
