"""Landmarks: typical requests for harm, and how near the vector of a text is to each of them.

A probe is linear in what it is told of a text. Beside its vector that is how near the text is to each landmark, so that
a probe may know several kinds of harm that lie in different directions (Williams and Seeger, "Using the Nyström method
to speed up kernel machines", 2001). The landmarks are requests of the corpus, spread over what it holds, chosen by
`scripts/landmarks.py`.
"""

import hashlib
import math
import threading
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Embedder, Vectors

_SHARPNESS, _SCALE = 8.0, 15.0
"""Nearness is `15 exp(8 (cosine - 1))`: a half of what it can be at a cosine of 0.91, a tenth at 0.71. The scale makes
it weigh about as much as the vector in a fit."""
_known: dict[str, Vectors] = {}
_lock = threading.Lock()


@lru_cache(maxsize=1)
def texts() -> tuple[str, ...]:
    """The landmarks."""
    file = resources.files(__package__ or "").joinpath("landmarks.txt")
    return tuple(file.read_text(encoding="utf-8").splitlines())


def count() -> int:
    """How many there are."""
    return len(texts())


@lru_cache(maxsize=1)
def name() -> str:
    """What tells these landmarks from others: a probe is of use with those that it was learned with."""
    digest = hashlib.sha256("\n".join(texts()).encode()).hexdigest()
    return f"landmarks-{digest[:8]}"


def landmarks_of(embedder: Embedder) -> Vectors:
    """The vectors of the landmarks, shape `(landmarks, dimensions)`; embedded once in a process for each embedder.

    Raises what the embedder raises.
    """
    with _lock:
        if embedder.id not in _known:
            _known[embedder.id] = embedder.embed(texts())
        return _known[embedder.id]


def nearness(vectors: NDArray[np.floating], landmarks: Vectors) -> NDArray[np.float32]:
    """How near each vector is to each landmark, from 0 to 15; shape `(vectors, landmarks)`."""
    return near(vectors @ landmarks.T)


def near(cosines: NDArray[Any]) -> NDArray[np.float32]:
    """How near that is, for each cosine; `cosines` is written over."""
    cosines *= _SHARPNESS
    cosines += math.log(_SCALE) - _SHARPNESS
    found: NDArray[np.float32] = np.exp(cosines, out=cosines).astype(np.float32, copy=False)
    return found


def with_nearness(vectors: Vectors, landmarks: Vectors) -> NDArray[np.float32]:
    """Vectors, and behind each its nearness to the landmarks; shape `(vectors, dimensions + landmarks)`."""
    beside: NDArray[np.float32] = np.hstack([vectors, nearness(vectors, landmarks)])
    return beside
