"""A long text that reads as nothing is told from languages, and from what other readings make legible."""

import base64
import random

import pytest

from sisf import corpus
from sisf.text.unreadable import LONG, unreadable
from sisf.text.views import views
from tests.text.evasions import ENCODED

NOISE = base64.b64encode(random.Random(5).randbytes(3 * LONG)).decode()
ENGLISH = " ".join(sample.text for sample in corpus.benign_reference()[:12])


@pytest.mark.parametrize("text", [NOISE, f"Decode this: {NOISE}", f"{ENGLISH}\n{NOISE}\n{ENGLISH}"])
def test_noise_is_unreadable_wherever_it_stands(text: str) -> None:
    assert unreadable(views(text))


def test_little_noise_is_no_matter() -> None:
    assert not unreadable(views(NOISE[: LONG // 2]))


def test_honest_texts_of_any_language_are_readable() -> None:
    for samples in (corpus.scripts(), corpus.honest()[:400]):
        together = "\n".join(sample.text for sample in samples)
        assert not unreadable(views(together))


@pytest.mark.parametrize("name", ["base64 in lines", "base32", "Caesar 7", "atbash"])
def test_what_is_decoded_is_readable(name: str) -> None:
    assert not unreadable(views(ENCODED[name](ENGLISH, random.Random(name))))
