"""A guess of how harmful the encoder reads a text, from its tokens alone, at a hundredth of the cost.

`first_look.safetensors` holds a table of token vectors, a convolution over three tokens and a head on its mean, taught
the encoder's log-odds of harm, and harmful texts kept from all training, each with its exact vector and its guess. It
is written by `scripts/distil_first_look.py` (`make first-look`) and holds for the encoder that it names alone.
"""

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from sisf.embedding import delta
from sisf.embedding.base import Vectors

FILE = "first_look.safetensors"
SCALE = 127.0
"""Of the vectors that are kept in int8."""

Floats = NDArray[np.float32]
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """Harmful texts of which the guess and the exact vector are known."""

    texts: tuple[str, ...]
    exact: Vectors
    guessed: Floats
    lengths: NDArray[np.int32]
    """In tokens."""


@dataclass(frozen=True, slots=True)
class FirstLook:
    """Guesses the encoder's log-odds of harm, less some constant."""

    table: NDArray[np.int8]
    """A vector for each token, of shape `(tokens, width)`."""
    filters: Floats
    """Shape `(3 * width, filters)`: what each filter makes of three neighbours."""
    offsets: Floats
    linear: Floats
    """Of the mean of the filters' values, straight to the score."""
    hidden: Floats
    hidden_offsets: Floats
    out: Floats
    out_offset: float
    known: Known

    def sums(self, ids: NDArray[np.integer[Any]]) -> Floats:
        """The sums of the filters' values over the first 0, 1, 2, … tokens."""
        count, width = len(ids), self.table.shape[1]
        vectors = np.zeros((count + 2, width), np.float32)
        vectors[1:-1] = self.table[ids]
        values = np.hstack([vectors[:-2], vectors[1:-1], vectors[2:]]) @ self.filters
        values += self.offsets
        np.maximum(values, 0.0, out=values)
        result = np.zeros((count + 1, values.shape[1]), np.float32)
        np.cumsum(values, axis=0, out=result[1:])
        return result

    def scores(self, means: Floats) -> Floats:
        """The guess for each span, from the means."""
        found: Floats = np.maximum(means @ self.hidden + self.hidden_offsets, 0.0) @ self.out
        found += means @ self.linear
        found += np.float32(self.out_offset)
        return found

    def means(self, sums: Floats, first: NDArray[np.intp], last: NDArray[np.intp]) -> Floats:
        """The means of the filters' values over each span; zero for an empty one."""
        found: Floats = (sums[last] - sums[first]) / np.maximum(last - first, 1)[:, None].astype(np.float32)
        return found

    def score(self, ids: NDArray[np.integer[Any]]) -> float:
        """The guess for a whole text, by its tokens without the model's markers."""
        return float(self.scores(self.means(self.sums(ids), np.array([0]), np.array([len(ids)])))[0])

    def knowing(self, known: Known) -> "FirstLook":
        """The same with other known texts."""
        return replace(self, known=known)


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
        _log.warning("first_look_missing", file=FILE, effect="every text is read by the encoder", fix="make first-look")
        return None
    if _text(parts["encoder"]) != delta.digest() or "table" not in parts:
        _log.warning(
            "first_look_of_another_encoder",
            file=FILE,
            effect="every text is read by the encoder",
            fix="make first-look",
        )
        return None
    known = Known(
        tuple(json.loads(_text(parts["known.texts"]))),
        parts["known.exact"].astype(np.float32) / SCALE,
        parts["known.guessed"],
        parts["known.lengths"],
    )
    matrices = {name: parts[name].astype(np.float32) for name in _MATRICES}
    return FirstLook(table=parts["table"], out_offset=float(parts["out_offset"][0]), known=known, **matrices)


_MATRICES = ("filters", "offsets", "linear", "hidden", "hidden_offsets", "out")


def packed(look: FirstLook) -> bytes:
    """The file for the encoder that ships."""
    from safetensors.numpy import save

    parts: dict[str, NDArray[Any]] = {name: getattr(look, name).astype(np.float16) for name in _MATRICES}
    parts |= {
        "encoder": _bytes(delta.digest()),
        "table": look.table,
        "out_offset": np.array([look.out_offset], np.float32),
        "known.texts": _bytes(json.dumps(look.known.texts)),
        "known.exact": np.clip(np.rint(look.known.exact * SCALE), -127, 127).astype(np.int8),
        "known.guessed": look.known.guessed,
        "known.lengths": look.known.lengths,
    }
    return bytes(save({name: np.ascontiguousarray(part) for name, part in parts.items()}))


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _text(values: NDArray[Any]) -> str:
    return values.tobytes().decode()
