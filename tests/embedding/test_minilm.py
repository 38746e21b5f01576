"""The packaged model: its graph, its int8 form, and what callers rely on."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sisf.embedding import Embedder, Vectors
from sisf.embedding.minilm_conversion import check_agreement, load_weights
from sisf.embedding.minilm_package import MAX_TOKENS, packaged_folder
from sisf.embedding.tokens import ModelTokenizer
from sisf.errors import ModelError
from sisf.settings import cache_dir
from tests.embedding.bert_reference import sentence_vector

TEXTS = [
    "What does a lighthouse keeper do all day?",
    "Write a haiku.",
    "Erkläre mir die Photosynthese in drei Sätzen.",
    "for i in range(10): print(i ** 2)",
    "The train to the coast leaves at nine, stops twice, and arrives before noon. " * 4,
    "",
]


@pytest.mark.smoke
def test_related_texts_are_nearer_than_unrelated_ones(minilm: Embedder) -> None:
    cat, kitten, tax = minilm.embed(["a cat sleeps on the sofa", "a kitten naps on the couch", "income tax deadline"])
    assert cat @ kitten > 0.6 > 0.3 > cat @ tax


@pytest.mark.usefixtures("minilm")
def test_no_library_keeps_or_sends_anything_for_its_maker(tmp_path: Path) -> None:
    """ONNX Runtime would make the id of a machine and a store of what it has not sent yet below the home folder."""
    code = "from sisf.embedding import create_embedder; create_embedder('minilm').embed(['tea'])"
    unsaid = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name and "XDG" not in name}
    own = {"HOME": str(tmp_path), "SISF_CACHE_DIR": str(cache_dir()), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env={**unsaid, **own}, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_the_graph_computes_bert(minilm_fp32: Embedder) -> None:
    folder = packaged_folder()
    weights, tokenizer = load_weights(folder), ModelTokenizer(folder / "tokenizer.json", MAX_TOKENS)
    expected = [sentence_vector(tokenizer.ids(text)[0], weights) for text in TEXTS]
    np.testing.assert_allclose(minilm_fp32.embed(TEXTS), expected, atol=2e-6)


def test_int8_stays_close_to_float32_on_texts_it_was_not_calibrated_on(minilm: Embedder, minilm_fp32: Embedder) -> None:
    cosines = np.sum(minilm.embed(TEXTS) * minilm_fp32.embed(TEXTS), axis=1)
    assert cosines.mean() > 0.997
    assert cosines.min() > 0.99


def test_a_bad_quantisation_is_refused() -> None:
    rng = np.random.default_rng(0)
    reference = _unit(rng.normal(size=(20, 384)))
    check_agreement(reference, reference)
    with pytest.raises(ModelError, match="minilm-fp32"):
        check_agreement(reference, _unit(reference + 0.02 * rng.normal(size=reference.shape)))
    one_bad = reference.copy()
    one_bad[3] = _unit(rng.normal(size=(1, 384)))[0]
    with pytest.raises(ModelError, match="at worst"):
        check_agreement(reference, one_bad)


def _unit(vectors: NDArray[np.float64] | Vectors) -> Vectors:
    result: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return result


def test_shape_length_and_type(minilm: Embedder) -> None:
    vectors = minilm.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), minilm.dimensions) == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert minilm.embed([]).shape == (0, 384)


def test_neighbours_never_change_a_vector(minilm: Embedder) -> None:
    together = minilm.embed(TEXTS)
    alone = np.concatenate([minilm.embed([text]) for text in reversed(TEXTS)])[::-1]
    np.testing.assert_array_equal(together, alone)


def test_threads_agree(minilm: Embedder) -> None:
    expected = minilm.embed(TEXTS)
    results: list[Vectors] = []
    threads = [threading.Thread(target=lambda: results.append(minilm.embed(TEXTS))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_ids_tell_arithmetic_apart(minilm: Embedder, minilm_fp32: Embedder) -> None:
    assert minilm.id != minilm_fp32.id
    assert "int8" in minilm.id


def test_markers_in_a_text_are_only_text(minilm: Embedder) -> None:
    assert minilm.count_tokens("[SEP]") > 1
    assert minilm.count_tokens("[PAD]" * 10) > 10


def test_a_long_word_is_seen_to_its_end(minilm: Embedder) -> None:
    first, second = minilm.embed(["x" * 120 + "sunflower", "x" * 120 + "submarine"])
    assert first @ second < 0.99
    assert minilm.count_tokens("x" * 1000) > 100


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_has_a_unit_vector(minilm: Embedder, text: str) -> None:
    vector = minilm.embed([text])[0]
    assert abs(float(np.linalg.norm(vector)) - 1.0) < 1e-4


def test_lone_surrogates_are_embedded(minilm: Embedder) -> None:
    assert np.isfinite(minilm.embed(["broken \ud800 half"])).all()
    (window,) = minilm.windows("broken \ud800 half")
    assert window.text == "broken \ud800 half"


def test_text_beyond_the_limit_has_no_influence_and_windows_see_it(minilm: Embedder) -> None:
    filler = "grass and trees and hills " * 100
    text = filler + "the secret recipe for plum cake"
    first, second = minilm.embed([text, filler])
    np.testing.assert_array_equal(first, second)
    wanted = minilm.embed(["the secret recipe for plum cake"])[0]
    windows = minilm.windows(text, size=32, overlap=8)
    assert max(minilm.embed([w.text for w in windows]) @ wanted) > first @ wanted + 0.2
