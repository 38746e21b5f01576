"""The trained difference to the packaged weights, and the heads that read the vectors of the harm-aware encoder.

`encoder.safetensors` holds for each matrix that training changed two factors of low rank (`NAME.up`, shape
`(out, rank)`, and `NAME.down`, shape `(rank, in)`), for each vector its difference, all in float16, and the heads in
float32. It is written by `scripts/train_encoder.py`; the model card is `docs/encoder.md`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import Vectors
from sisf.errors import ModelError, packaged
from sisf.taxonomy import Hazard

FILE = "encoder.safetensors"
UP, DOWN, SHIFT = ".up", ".down", ".shift"

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Heads:
    """Linear readings of a unit vector: what training knows of harm before any breach. A static prior, no policy."""

    harm: NDArray[np.float32]
    """Shape `(dimensions,)`."""
    harm_bias: float
    hazards: tuple[Hazard, ...]
    hazard: NDArray[np.float32]
    """Shape `(hazards, dimensions)`."""
    hazard_bias: NDArray[np.float32]

    def harm_scores(self, vectors: Vectors) -> NDArray[np.float32]:
        """The log-odds that each text seeks or holds harm."""
        scores: NDArray[np.float32] = vectors @ self.harm + np.float32(self.harm_bias)
        return scores

    def hazard_shares(self, vectors: Vectors) -> NDArray[np.float32]:
        """The probability of each hazard, given that there is harm; shape `(texts, hazards)`."""
        scores = vectors @ self.hazard.T + self.hazard_bias
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        result: NDArray[np.float32] = shares / shares.sum(axis=1, keepdims=True)
        return result

    def readings(self, vectors: Vectors) -> NDArray[np.float32]:
        """The log-odds of harm, then the score of each hazard; shape `(texts, 1 + hazards)`."""
        directions, offsets = self.directions()
        result: NDArray[np.float32] = vectors @ directions.T + offsets
        return result

    def directions(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """`readings` as a matrix of shape `(1 + hazards, dimensions)` and what is added."""
        return np.vstack([self.harm, self.hazard]), np.append(np.float32(self.harm_bias), self.hazard_bias)

    def hazard_of(self, vector: NDArray[np.float32]) -> Hazard:
        """The likeliest hazard of a text, given that there is harm."""
        return self.hazards[int(self.hazard_shares(vector[None]).argmax())]


@lru_cache(maxsize=1)
def packed() -> bytes:
    """The file as it ships. Raises `ModelError` when it is missing."""
    try:
        return resources.files(__package__ or "").joinpath(FILE).read_bytes()
    except OSError as error:
        raise ModelError(packaged(FILE, error)) from None


@lru_cache(maxsize=1)
def digest() -> str:
    """The SHA-256 of the file, in hexadecimal."""
    return hashlib.sha256(packed()).hexdigest()


def merged(weights: Mapping[str, Array]) -> Mapping[str, Array]:
    """The packaged weights with what training changed. Raises `ModelError` when the two do not fit."""
    from safetensors.numpy import load

    delta = load(packed())
    result = dict(weights)
    try:
        for name in delta:
            if name.endswith(UP):
                base = name.removesuffix(UP)
                change = delta[name].astype(np.float32) @ delta[base + DOWN].astype(np.float32)
                result[base] = weights[base] + change
            elif name.endswith(SHIFT):
                base = name.removesuffix(SHIFT)
                result[base] = weights[base] + delta[name].astype(np.float32)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{FILE} does not fit the packaged model ({error}); install sisf again") from None
    return result


@lru_cache(maxsize=1)
def shipped_heads() -> Heads:
    """The heads that were trained with the encoder."""
    from safetensors.numpy import load

    parts = load(packed())
    hazards = tuple(Hazard(code) for code in parts["hazards"].tobytes().decode("ascii").split())
    return Heads(
        parts["harm.weight"], float(parts["harm.bias"][0]), hazards, parts["hazard.weight"], parts["hazard.bias"]
    )
