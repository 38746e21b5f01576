"""Landmarks: what is near to them, and that they are the corpus' own."""

from collections.abc import Sequence

import numpy as np
import pytest

from sisf.embedding import HashEmbedder, Vectors, landmarks
from sisf.synthesis.local import known_requests

pytestmark = pytest.mark.smoke


def test_they_are_harmful_requests_of_the_corpus_one_a_line() -> None:
    harmful = {known.text for known in known_requests() if known.hazard is not None}
    assert len(set(landmarks.texts())) == landmarks.count() == 256
    assert harmful.issuperset(landmarks.texts())


def test_a_text_is_nearest_to_itself_and_far_from_what_has_nothing_in_common() -> None:
    found = np.eye(4, dtype=np.float32)
    vectors = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0], [-1, 0, 0, 0]], np.float32)
    near = landmarks.nearness(vectors, found)
    assert near[0].argmax() == 0
    assert near[0, 0] == pytest.approx(15)
    assert near[1, 1] > near[1, 0] > near[0, 1] > near[2, 0] > 0
    wide = landmarks.with_nearness(vectors, found)
    assert np.array_equal(wide[:, :4], vectors)
    assert np.array_equal(wide[:, 4:], near)


def test_they_are_embedded_once_for_each_embedder() -> None:
    class Counting(HashEmbedder):
        asked = 0

        def embed(self, texts: Sequence[str]) -> Vectors:
            self.asked += 1
            return super().embed(texts)

    first, second = Counting(24), Counting(40)
    for _ in range(3):
        assert landmarks.landmarks_of(first).shape == (256, 24)
        assert landmarks.landmarks_of(second).shape == (256, 40)
    assert (first.asked, second.asked) == (1, 1)
