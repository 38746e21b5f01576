"""Models of fastembed's catalogue, for those who install the extra `fastembed`."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sisf.embedding.base import TextWindow, Vectors, unit
from sisf.embedding.tokens import ModelTokenizer
from sisf.errors import ConfigurationError, ModelError

_MARKERS = 2
_USUAL_LIMIT = 512


class FastembedEmbedder:
    """A model by its fastembed name, e.g. `BAAI/bge-small-en-v1.5`; fetched by fastembed at first use.

    Texts run one by one, so that none changes another's vector.
    """

    def __init__(self, name: str, cache: Path) -> None:
        try:
            from fastembed import TextEmbedding
        except ImportError:
            raise ConfigurationError(
                f"embedder `fastembed:{name}` needs the extra: run `pip install 'sisf[fastembed]'`"
            ) from None
        listed = {model["model"]: model for model in TextEmbedding.list_supported_models()}
        if name not in listed:
            raise ConfigurationError(f"embedder `fastembed:{name}`: fastembed does not list this model")
        try:
            self._model: Any = TextEmbedding(name, cache_dir=str(cache / "fastembed"), threads=1)
        except Exception as error:  # noqa: BLE001 - downloads fail in many ways
            raise ModelError(f"embedder `fastembed:{name}` cannot be loaded: {str(error).splitlines()[0]}") from None
        self.id = f"fastembed-{name}"
        self.dimensions = int(listed[name]["dim"])
        self._tokenizer = _tokenizer_of(self._model)
        self.max_tokens = self._tokenizer.max_tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = unit(next(iter(self._model.embed([text], batch_size=1))))
        return vectors

    def count_tokens(self, text: str) -> int:
        """See `Embedder.count_tokens`."""
        return self._tokenizer.count(text)

    def windows(self, text: str, size: int | None = None, overlap: int = 0) -> list[TextWindow]:
        """See `Embedder.windows`."""
        return self._tokenizer.windows(text, size, overlap)


def _tokenizer_of(model: Any) -> ModelTokenizer:
    """Our own copy of the model's tokeniser, through its serialised form; its truncation says what the model sees."""
    serialised = model.model.tokenizer.to_str()
    limit = (json.loads(serialised).get("truncation") or {}).get("max_length", _USUAL_LIMIT)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        path.write_text(serialised, encoding="utf-8")
        return ModelTokenizer(path, int(limit) - _MARKERS)
