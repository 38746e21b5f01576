"""BERT in plain numpy, to check the graph against: written from the paper's formulas, shares no code with it."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Array = NDArray[np.float64]


def _normalise(x: Array, weights: Mapping[str, Any], name: str) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    result: Array = scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return result


def _dense(x: Array, weights: Mapping[str, Any], name: str) -> Array:
    result: Array = x @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"]
    return result


def _heads(x: Array, heads: int) -> Array:
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def sentence_vector(ids: NDArray[np.int64], weights: Mapping[str, Any], layers: int = 6, heads: int = 12) -> Array:
    """The unit vector of one text from its token ids, shape (n,)."""
    x: Array = weights["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = _normalise(x, weights, "embeddings.LayerNorm")
    for number in range(layers):
        layer = f"encoder.layer.{number}"
        q, k, v = (
            _heads(_dense(x, weights, f"{layer}.attention.self.{part}"), heads) for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / sqrt(q.shape[-1])
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        attended = (shares @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = _normalise(
            x + _dense(attended, weights, f"{layer}.attention.output.dense"),
            weights,
            f"{layer}.attention.output.LayerNorm",
        )
        wide = _dense(x, weights, f"{layer}.intermediate.dense")
        active = 0.5 * wide * (1.0 + erf(wide / sqrt(2.0)))
        x = _normalise(x + _dense(active, weights, f"{layer}.output.dense"), weights, f"{layer}.output.LayerNorm")
    mean = x.mean(0)
    result: Array = mean / np.linalg.norm(mean)
    return result
