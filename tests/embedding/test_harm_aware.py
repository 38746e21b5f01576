"""The encoder that tells requests for harm from honest ones that look alike, and the small file it is made of."""

import numpy as np
import pytest
from safetensors.numpy import load, save

from sisf import corpus
from sisf.embedding import Embedder, delta
from sisf.embedding.minilm import heads_of
from sisf.embedding.minilm_conversion import check_scores, load_weights
from sisf.embedding.minilm_package import packaged_folder
from sisf.errors import ModelError
from sisf.taxonomy import Hazard

PAIRS = [(item.text, twin.text) for item, twin in zip(*[iter(corpus.contrastive()[:160])] * 2, strict=True)]


def test_its_id_names_the_trained_file_and_only_it_has_heads(harm_aware: Embedder, minilm: Embedder) -> None:
    assert delta.digest()[:8] in harm_aware.id
    assert heads_of(harm_aware.id) == delta.shipped_heads() or heads_of(harm_aware.id) is not None
    assert heads_of(minilm.id) is None


def test_harmful_requests_read_more_harmful_than_honest_ones_it_never_saw(harm_aware: Embedder) -> None:
    heads = delta.shipped_heads()
    attacks = heads.harm_scores(harm_aware.embed([s.text for s in corpus.sample_attacks()[:60]]))
    honest = heads.harm_scores(harm_aware.embed([s.text for s in corpus.sample_benign()[:120]]))
    assert np.mean(attacks > np.quantile(honest, 0.98)) > 0.6
    assert np.median(attacks) > 0 > np.median(honest)


def test_it_names_the_hazard(harm_aware: Embedder) -> None:
    heads = delta.shipped_heads()
    samples = [s for s in corpus.sample_attacks() if s.category is not None][:80]
    named = [heads.hazard_of(v) for v in harm_aware.embed([s.text for s in samples])]
    assert np.mean([n is s.category for n, s in zip(named, samples, strict=True)]) > 0.6
    assert Hazard.OTHER not in heads.hazards


def test_int8_keeps_the_scores_of_float32(harm_aware: Embedder, harm_aware_fp32: Embedder) -> None:
    heads = delta.shipped_heads()
    texts = [s.text for s in corpus.sample_attacks()[:15]] + [s.text for s in corpus.sample_benign()[:15]]
    exact, rounded = (heads.harm_scores(e.embed(texts)) for e in (harm_aware_fp32, harm_aware))
    assert np.abs(exact - rounded).max() < 0.8


def test_a_conversion_whose_scores_are_off_is_refused() -> None:
    heads = delta.shipped_heads()
    vectors = np.eye(4, 384, dtype=np.float32)
    check_scores(heads, vectors, vectors)
    with pytest.raises(ModelError, match="harm-aware-fp32"):
        check_scores(heads, vectors, vectors + 2 * heads.harm / float(heads.harm @ heads.harm))


def test_readings_are_linear_in_the_vector() -> None:
    heads = delta.shipped_heads()
    vectors = np.random.default_rng(0).normal(size=(5, 384)).astype(np.float32)
    readings = heads.readings(vectors)
    np.testing.assert_allclose(readings[:, 0], heads.harm_scores(vectors), rtol=1e-4, atol=1e-4)
    assert readings.shape == (5, 1 + len(heads.hazards))


def test_a_file_that_does_not_fit_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = load(delta.packed())
    name = next(n for n in parts if n.endswith(delta.UP))
    parts[name] = parts[name][:, :-1].copy()
    monkeypatch.setattr(delta, "packed", lambda: save(parts))
    with pytest.raises(ModelError, match="does not fit"):
        load_weights(packaged_folder(), trained=True)


def test_the_file_is_small() -> None:
    assert len(delta.packed()) < 12_000_000
