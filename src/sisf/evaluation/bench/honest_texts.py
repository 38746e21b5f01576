"""Honest texts of any length that nothing in the product was made with: what real traffic is measured on."""

import random
from collections.abc import Sequence

from sisf import datasets
from sisf.evaluation.protocols.haystack.hay import gathered

_AT_HAND = ("alpaca_test", "mixed_test", "answers_test")
"""Used besides what ships where they are on this machine."""
_SHORT = 200
"""Up to so many characters a text is a request as people send it; above, a passage of a document or an answer."""
_LEAST, _MOST = 0.75, 1.25


def honest_texts(size: int, count: int, seed: int = 0) -> list[str]:
    """Different texts of about `size` characters, fewer where there are no more: requests, or passages cut where a
    paragraph, a line or a word ends."""
    rng = random.Random(f"{seed}:{size}")
    found = _requests(size) if size <= _SHORT else _passages(size, rng)
    texts = list(dict.fromkeys(found))
    return rng.sample(texts, min(count, len(texts)))


def _sets() -> list[datasets.Dataset]:
    return [datasets.load(name) for name in ("sample_benign", *_AT_HAND) if datasets.is_here(name)]


def _requests(size: int) -> list[str]:
    prompts = (record.prompt for dataset in _sets() for record in dataset.benign())
    return [text for text in prompts if _LEAST * size <= len(text) <= _MOST * size]


def _passages(size: int, rng: random.Random) -> list[str]:
    found: list[str] = []
    for hay in gathered(_sets()):
        if not hay.alone:
            text = "\n\n".join(rng.sample(hay.units, len(hay.units)))
            found += _cut(text, size)
    return found


def _cut(text: str, size: int) -> Sequence[str]:
    pieces, start = [], 0
    while start + size < len(text):
        end = _end(text, start, int(_LEAST * size), size)
        piece = text[start:end].strip()
        if len(piece) >= _LEAST * size / 2:
            pieces.append(piece)
        start = end
    return pieces


def _end(text: str, start: int, least: int, most: int) -> int:
    for mark in ("\n\n", "\n", ". ", " "):
        place = text.rfind(mark, start + least, start + most)
        if place > start:
            return place + len(mark)
    return start + most
