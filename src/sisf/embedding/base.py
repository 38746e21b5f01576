"""What an embedder is: the contract that the Warden and synthesis rely on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Shape `(n, dimensions)`, each row of Euclidean length 1, so that a dot product is a cosine."""


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors, one or a row each, at Euclidean length 1; what has no length stays without one."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32, copy=False)
    return scaled


@dataclass(frozen=True, slots=True)
class TextWindow:
    """A piece of a text: `text == whole[start:end]`, in characters."""

    start: int
    end: int
    text: str
    tokens: int
    """How many it has: about, where it is shorter than any window; at most, where the tokeniser is unknown."""


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """What each token of a text became inside the model, before the mean that makes the text's vector."""

    states: Vectors
    """Shape `(tokens, dimensions)`, not normalised. The mean over a passage is near to the passage's own vector."""
    spans: Sequence[tuple[int, int]]
    """The place of each token in the text, in characters."""
    vector: NDArray[np.float32]
    """What `Embedder.embed` gives for the text."""


class TokenEmbedder(Protocol):
    """What some embedders can do besides: look into a text once and judge all its passages."""

    def embed_tokens(self, text: str) -> TokenVectors | None:
        """The tokens of a text of at most `max_tokens` (what follows is left out); None where the model is not ours.

        Raises `ModelError` as `Embedder.embed` does.
        """
        ...


class TokenNumbers(Protocol):
    """What some embedders can do besides: say which tokens a text has, without running the model."""

    def tokens(self, text: str) -> tuple[NDArray[np.int64], Sequence[tuple[int, int]]]:
        """The number and the place (in characters) of each token of a text of at most `max_tokens`, markers left out.

        Raises `ModelError` as `Embedder.embed` does.
        """
        ...


class Embedder(Protocol):
    """Turns texts into vectors. Thread-safe. The vector of a text never depends on what is embedded beside it."""

    @property
    def id(self) -> str:
        """Names model, weights and arithmetic. Vectors of different ids are never compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that its vector sees, the model's own markers not counted; what follows has no influence.

        Longer texts are embedded window by window: see `windows`.
        """
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector per text, in order.

        Raises `ModelError` when the model cannot be loaded or its endpoint fails.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of the whole text, markers not counted. At an endpoint whose tokeniser is unknown, an upper bound."""
        ...

    def windows(self, text: str, size: int | None = None, overlap: int = 0) -> list[TextWindow]:
        """Pieces of at most `size` tokens (default `max_tokens`) that together cover every character of the text.

        Neighbours share about `overlap` tokens. A text that fits is one window; the empty text has one, empty.
        """
        ...
