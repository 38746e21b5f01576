"""The packaged models, converted once from safetensors weights to ONNX in the user's cache.

`minilm` is all-MiniLM-L6-v2 as published; `harm-aware` is the same network with what `make encoder` trained.
"""

from pathlib import Path
from typing import Any

from sisf.embedding import delta
from sisf.embedding.conversion import Progress, cached_session, show_on_terminal
from sisf.embedding.local import LocalEmbedder
from sisf.embedding.minilm_package import DIMENSIONS, MAX_TOKENS, WEIGHTS_SHA256, packaged_folder, packaged_tokenizer

_CONVERTER = 1
"""Raise when conversion changes: vectors made before and after are not comparable."""
_GRAPH = 2
"""Raise when the graph is written in another way: what it computes differs in rounding alone, so that vectors made
before and after may be compared."""
_HARM_AWARE = "harm-aware"


def minilm_embedder(cache: Path, *, quantised: bool = True, progress: Progress = show_on_terminal) -> LocalEmbedder:
    """The packaged model in int8, or in float32 as the reference. Converts on first use when `cache` lacks it.

    Raises `ModelError` when the package is missing; converting raises it when the weights are not the expected ones
    or int8 is too far from float32.
    """
    return _embedder(f"minilm-l6-v2-{WEIGHTS_SHA256[:8]}", cache, False, quantised, progress)


def harm_aware_embedder(cache: Path, *, quantised: bool = True) -> LocalEmbedder:
    """The encoder that tells requests for harm from honest ones that look alike; otherwise as `minilm_embedder`.

    Raises `ModelError` besides when the trained file is missing or does not fit the packaged weights.
    """
    return _embedder(f"{_HARM_AWARE}-{delta.digest()[:8]}", cache, True, quantised, show_on_terminal)


def heads_of(embedder_id: str) -> delta.Heads | None:
    """The heads trained with this embedder; None for one that has none."""
    return delta.shipped_heads() if embedder_id.startswith(f"{_HARM_AWARE}-{delta.digest()[:8]}") else None


def file_of(embedder_id: str) -> str:
    """The name of the graph of one of these embedders in the cache."""
    return f"{embedder_id}-states-{_GRAPH}.onnx"


def _embedder(model: str, cache: Path, trained: bool, quantised: bool, progress: Progress) -> LocalEmbedder:
    folder = packaged_folder()
    name = f"{model}-{'int8' if quantised else 'fp32'}-{_CONVERTER}"

    def convert(report: Progress) -> bytes:
        from sisf.embedding.minilm_conversion import convert_float32, convert_int8

        return (convert_int8 if quantised else convert_float32)(folder, report, trained=trained)

    def session() -> Any:
        return cached_session(cache / "models" / file_of(name), convert, progress)

    return LocalEmbedder(
        embedder_id=name,
        dimensions=DIMENSIONS,
        tokenizer=packaged_tokenizer(folder),
        max_tokens=MAX_TOKENS,
        session=session,
    )
