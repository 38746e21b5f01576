"""An encoder in two halves gives the very numbers of the whole."""

import numpy as np
import pytest

from sisf.embedding import Embedder, create_embedder
from sisf.embedding.halves import split


@pytest.fixture(scope="module")
def encoder() -> Embedder:
    return create_embedder("harm-aware")


@pytest.mark.parametrize("text", ["", "Where does the river end?", "The mill stood at the bend. " * 80])
def test_what_is_begun_and_finished_is_what_is_embedded(encoder: Embedder, text: str) -> None:
    begun = encoder.begin(text)  # type: ignore[attr-defined]
    finished = begun.finish()
    assert begun.states.shape == (len(begun.spans) + 2, encoder.dimensions)
    assert np.array_equal(finished.vector, encoder.embed([text])[0])
    whole = encoder.embed_tokens(text)  # type: ignore[attr-defined]
    assert np.array_equal(finished.states, whole.states)
    assert not np.array_equal(begun.states[1:-1], whole.states) or not begun.spans


def test_a_model_that_is_not_in_halves_cannot_stop() -> None:
    assert create_embedder("minilm").begin("Where does the river end?") is None  # type: ignore[attr-defined]


def test_only_our_own_graphs_are_split() -> None:
    from onnx import helper

    graph = helper.make_graph([], "nothing", [], [])
    with pytest.raises(ValueError, match="no 2 layers"):
        split(helper.make_model(graph).SerializeToString())
