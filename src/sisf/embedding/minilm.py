"""The packaged all-MiniLM-L6-v2, converted once from its safetensors weights to ONNX in the user's cache."""

from pathlib import Path

from sisf.embedding.conversion import Progress, cached_session, show_on_terminal
from sisf.embedding.local import LocalEmbedder
from sisf.embedding.minilm_package import DIMENSIONS, MAX_TOKENS, WEIGHTS_SHA256, packaged_folder

_CONVERTER = 1
"""Raise when conversion changes: vectors made before and after are not comparable."""


def minilm_embedder(
    cache: Path, *, quantised: bool = True, progress: Progress = show_on_terminal, threads: int = 1
) -> LocalEmbedder:
    """The packaged model in int8, or in float32 as the reference. Converts on first use when `cache` lacks it.

    Raises `ModelError` when the package is missing; converting raises it when the weights are not the expected ones
    or int8 is too far from float32.
    """
    folder = packaged_folder()
    arithmetic = f"int8-{_CONVERTER}" if quantised else f"fp32-{_CONVERTER}"
    name = f"minilm-l6-v2-{WEIGHTS_SHA256[:8]}-{arithmetic}"

    def convert(report: Progress) -> bytes:
        from sisf.embedding.minilm_conversion import convert_float32, convert_int8

        return (convert_int8 if quantised else convert_float32)(folder, report)

    return LocalEmbedder(
        embedder_id=name,
        dimensions=DIMENSIONS,
        tokenizer=folder / "tokenizer.json",
        max_tokens=MAX_TOKENS,
        session=lambda: cached_session(cache / "models" / f"{name}-states.onnx", convert, progress, threads=threads),
    )
