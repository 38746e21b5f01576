"""Conversion of the packaged MiniLM weights to ONNX graphs: float32 as the reference, int8 checked against it.

Apart from `minilm` because it imports the library `onnx`, which a process that finds a converted model never needs.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sisf.embedding import delta
from sisf.embedding.base import Vectors
from sisf.embedding.bert_graph import Array, BertShape, build_graph
from sisf.embedding.conversion import Progress
from sisf.embedding.minilm_package import DIMENSIONS, MAX_TOKENS, WEIGHTS_SHA256, packaged_tokenizer
from sisf.embedding.quantise import measure_peaks, quantised_graph
from sisf.embedding.runtime import INPUT, open_session
from sisf.embedding.samples import SAMPLES
from sisf.embedding.tokens import ModelTokenizer
from sisf.errors import ModelError

MINIMUM_MEAN_COSINE = 0.995
MINIMUM_COSINE = 0.985
MAXIMUM_SCORE_ERROR = 0.5
"""Log-odds by which the harm score of a sample text may differ from that of float32."""

_SHAPE = BertShape(layers=6, heads=12, hidden=DIMENSIONS, epsilon=1e-12)


def load_weights(folder: Path, *, trained: bool = False) -> Mapping[str, Array]:
    """Every tensor by name; with what training changed if `trained`.

    Raises `ModelError` unless the file is the one this converter was written for.
    """
    from safetensors.numpy import load

    try:
        content = (folder / "model.safetensors").read_bytes()
    except OSError as error:
        raise ModelError(f"{folder / 'model.safetensors'}: cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ModelError(f"{folder / 'model.safetensors'}: is not the expected all-MiniLM-L6-v2; reinstall the package")
    weights: Mapping[str, Array] = load(content)
    return delta.merged(weights) if trained else weights


def convert_float32(folder: Path, report: Progress, *, trained: bool = False) -> bytes:
    """The float32 graph, serialised."""
    report("reading weights", 0.0)
    weights = load_weights(folder, trained=trained)
    report("writing the graph", 0.5)
    return bytes(build_graph(weights, _SHAPE).SerializeToString())


def convert_int8(folder: Path, report: Progress, *, trained: bool = False) -> bytes:
    """The int8 graph, serialised, after it agreed with float32 on sample texts; `ModelError` when it does not."""
    report("reading weights", 0.0)
    weights = load_weights(folder, trained=trained)
    tokenizer = ModelTokenizer(packaged_tokenizer(folder), MAX_TOKENS)
    samples = [tokenizer.ids(text) for text in SAMPLES]
    report("measuring activations", 0.2)
    peaks = measure_peaks(weights, _SHAPE, samples)
    report("quantising", 0.5)
    quantised = bytes(quantised_graph(weights, _SHAPE, peaks).SerializeToString())
    report("checking against float32", 0.7)
    reference = bytes(build_graph(weights, _SHAPE).SerializeToString())
    exact, rounded = _vectors(reference, samples), _vectors(quantised, samples)
    check_agreement(exact, rounded)
    if trained:
        check_scores(delta.shipped_heads(), exact, rounded)
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


def check_scores(heads: delta.Heads, reference: Vectors, candidate: Vectors) -> None:
    """Raises `ModelError` when the harm scores of the candidate's vectors are too far from those of the reference."""
    error = float(np.abs(heads.harm_scores(reference) - heads.harm_scores(candidate)).max())
    if not error <= MAXIMUM_SCORE_ERROR:
        raise ModelError(
            f"int8 conversion is too far from float32 on this machine (harm scores differ by up to {error:.2f}): "
            "set `embedder.name: harm-aware-fp32`"
        )
