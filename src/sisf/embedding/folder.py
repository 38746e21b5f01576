"""Any sentence encoder in a local folder: `model.onnx` and `tokenizer.json`, as model hubs publish them.

Pooling is read from `1_Pooling/config.json` (mean, or the first token's vector; mean when the file is missing), the
length limit from `sentence_bert_config.json` or `tokenizer_config.json`. A graph that gives one vector per text is
taken at its word. Vectors are brought to length 1.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sisf.embedding.base import TextWindow, Vectors, unit
from sisf.embedding.runtime import open_session
from sisf.embedding.tokens import ModelTokenizer
from sisf.errors import ConfigurationError, ModelError, reason

_USUAL_LIMIT = 512
_MARKERS = 2


class FolderEmbedder:
    """An ONNX sentence encoder. Texts run one by one, unpadded, so that none changes another's vector."""

    def __init__(self, *, name: str, model: Path, tokenizer: ModelTokenizer, first_token: bool) -> None:
        self._session = open_session(model)
        self._inputs = {node.name for node in self._session.get_inputs()}
        unknown = self._inputs - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown or "input_ids" not in self._inputs:
            raise ConfigurationError(f"{model}: takes {sorted(self._inputs)}, not the inputs of a text encoder")
        self._tokenizer = tokenizer
        self._first_token = first_token
        self.max_tokens = tokenizer.max_tokens
        self.id = f"folder-{name}-{_digest(model)}"
        self.dimensions = len(self._vector("one"))

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(text)
        return vectors

    def count_tokens(self, text: str) -> int:
        """See `Embedder.count_tokens`."""
        return self._tokenizer.count(text)

    def windows(self, text: str, size: int | None = None, overlap: int = 0) -> list[TextWindow]:
        """See `Embedder.windows`."""
        return self._tokenizer.windows(text, size, overlap)

    def _vector(self, text: str) -> NDArray[np.float32]:
        ids = self._tokenizer.ids(text)
        every = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        try:
            output = self._session.run(None, {name: every[name] for name in self._inputs})[0]
        except Exception as error:  # noqa: BLE001 - the runtime's own errors share no base but this
            raise ModelError(f"embedder {self.id}: {str(error).splitlines()[0]}") from None
        vector = output[0]
        if vector.ndim == 2:  # one row per token
            vector = vector[0] if self._first_token else vector.mean(axis=0)
        return unit(vector)


def folder_embedder(folder: Path) -> FolderEmbedder:
    """Open the encoder in `folder`. Raises `ConfigurationError` when files are missing, `ModelError` when unusable."""
    model = next((p for p in (folder / "model.onnx", folder / "onnx" / "model.onnx") if p.is_file()), None)
    tokenizer = folder / "tokenizer.json"
    if model is None or not tokenizer.is_file():
        raise ConfigurationError(
            f"embedder folder {folder}: needs `model.onnx` (or `onnx/model.onnx`) and `tokenizer.json`"
        )
    pooling = _read_json(folder / "1_Pooling" / "config.json")
    first_token = bool(pooling.get("pooling_mode_cls_token", False))
    if pooling and not first_token and not pooling.get("pooling_mode_mean_tokens", False):
        raise ConfigurationError(
            f"{folder / '1_Pooling' / 'config.json'}: only mean and first-token pooling are supported"
        )
    limit = _read_json(folder / "sentence_bert_config.json").get("max_seq_length") or _read_json(
        folder / "tokenizer_config.json"
    ).get("model_max_length", _USUAL_LIMIT)
    # Some files say 10^30 for "no limit".
    max_tokens = min(int(limit), 8192) - _MARKERS
    return FolderEmbedder(
        name=folder.resolve().name,
        model=model,
        tokenizer=ModelTokenizer(tokenizer, max_tokens),
        first_token=first_token,
    )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {reason(error)}") from None
    return content if isinstance(content, dict) else {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
