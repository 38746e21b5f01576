"""What the first layers of the encoder tell of a text's vector: a guess, and how far such guesses were off.

`first_look.safetensors` holds one linear map from the mean of the tokens' states after the first layers to the vector,
and harmful texts kept from all training, each with its guessed and its exact vector. It is written by
`scripts/distil_first_look.py` (`make first-look`) and holds for the encoder that it names alone.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from sisf.embedding import delta
from sisf.embedding.base import Vectors
from sisf.embedding.halves import LAYERS

FILE = "first_look.safetensors"
SCALE = 127.0
"""Of the vectors that are kept in int8."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """Harmful texts whose vectors were guessed and computed."""

    texts: tuple[str, ...]
    guessed: Vectors
    exact: Vectors


@dataclass(frozen=True, slots=True)
class FirstLook:
    """Guesses vectors from the first layers. `guess` is not of length 1: its length says how sure it is."""

    weights: NDArray[np.float32]
    """Shape `(dimensions, dimensions)`."""
    offset: NDArray[np.float32]
    alone: Known
    """Whole texts."""
    inside: Known
    """Requests inside longer texts: guessed from their tokens there, computed alone."""

    def guess(self, means: Vectors) -> Vectors:
        """The vectors of texts or passages, from the means of their tokens' states."""
        vectors: Vectors = means @ self.weights + self.offset
        return vectors


def first_look_of(embedder_id: str) -> FirstLook | None:
    """What ships for this embedder; None where there is nothing, or where it was made for another encoder."""
    if not embedder_id.startswith("harm-aware-"):
        return None
    return _shipped()


@lru_cache(maxsize=1)
def _shipped() -> FirstLook | None:
    from safetensors.numpy import load

    try:
        parts = load(resources.files(__package__ or "").joinpath(FILE).read_bytes())
    except OSError:
        _log.warning(
            "first_look_missing", file=FILE, effect="every text is read by the whole encoder", fix="make first-look"
        )
        return None
    if _text(parts["encoder"]) != delta.digest() or int(parts["layers"][0]) != LAYERS:
        _log.warning(
            "first_look_of_another_encoder",
            file=FILE,
            effect="every text is read by the whole encoder",
            fix="make first-look",
        )
        return None
    weights, offset = parts["weights"].astype(np.float32), parts["offset"]
    return FirstLook(weights, offset, _known(parts, "alone"), _known(parts, "inside"))


def packed(look: FirstLook) -> bytes:
    """The file for the encoder that ships."""
    from safetensors.numpy import save

    parts: dict[str, NDArray[Any]] = {
        "encoder": _bytes(delta.digest()),
        "layers": np.array([LAYERS], np.int32),
        "weights": look.weights.astype(np.float16),
        "offset": look.offset.astype(np.float32),
    }
    for name, known in (("alone", look.alone), ("inside", look.inside)):
        parts[f"{name}.texts"] = _bytes(json.dumps(known.texts))
        parts[f"{name}.guessed"] = np.clip(np.rint(known.guessed * SCALE), -127, 127).astype(np.int8)
        parts[f"{name}.exact"] = np.clip(np.rint(known.exact * SCALE), -127, 127).astype(np.int8)
    return bytes(save(parts))


def _known(parts: dict[str, NDArray[Any]], name: str) -> Known:
    guessed, exact = (parts[f"{name}.{kind}"].astype(np.float32) / SCALE for kind in ("guessed", "exact"))
    return Known(tuple(json.loads(_text(parts[f"{name}.texts"]))), guessed, exact)


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _text(values: NDArray[Any]) -> str:
    return values.tobytes().decode()
