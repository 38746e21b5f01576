"""Lexical features: which words and pairs of words a text holds, and whether it begins with an order.

Computed from the text alone, no fitted state.
"""

import re
from itertools import pairwise
from math import sqrt

from sisf.text.order import begins_with_order

FEATURES = "words-1-2-order/2"
"""Names this definition in policies; a probe made with another one is refused, never silently misread."""

ORDER = "<order>"
"""The feature of texts that begin with an order. No n-gram: those hold letters, digits and spaces only."""

# A word is a run of letters and digits, apostrophes inside included. The pattern has one quantifier per branch and no
# nesting: it is linear in the text.
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words(text: str) -> list[str]:
    """The words of a text in order, lower-cased."""
    return _WORD.findall(text.lower())


def located_words(text: str) -> list[tuple[str, int, int]]:
    """The words of a text in order, lower-cased, each with its place."""
    return [(match[0].lower(), *match.span()) for match in _WORD.finditer(text)]


def ngrams(text: str) -> set[str]:
    """The distinct words and pairs of neighbouring words (joined by a space)."""
    return set(_ordered(text))


def ngram_features(text: str) -> dict[str, float]:
    """Each n-gram present maps to `1 / sqrt(number of distinct n-grams)`: a vector of Euclidean length 1.

    Presence, not frequency: repeating a word buys an attacker nothing. Where the text begins with an order, `ORDER`
    maps to 1.
    """
    features = _ordered(text)
    if features:
        features = dict.fromkeys(features, 1.0 / sqrt(len(features)))
    if begins_with_order(text):
        features[ORDER] = 1.0
    return features


def _ordered(text: str) -> dict[str, float]:
    """The distinct n-grams in the order of the text: what is summed over them is the same in every process."""
    found = words(text)
    return dict.fromkeys([*found, *(f"{first} {second}" for first, second in pairwise(found))], 0.0)
