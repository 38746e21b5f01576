"""Letters of other scripts are read by their looks or by their sound, and not by sound where their looks read."""

import random
from itertools import pairwise

import pytest

from sisf import corpus
from sisf.text.views import views
from tests.text.spoken_evasions import EVASIONS
from tests.text.test_evasions import comes_back

LONGER = [sample.text for sample in corpus.sample_attacks() if len(sample.text.split()) >= 8]
TEXTS = random.Random(12).sample(LONGER, 8)
LOOKS, SOUNDS = EVASIONS["Greek looks"], EVASIONS["Cyrillic sounds"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_reads_by_its_looks_is_not_read_by_its_sound(text: str) -> None:
    readings = views(LOOKS(text, random.Random(0)))
    assert any(comes_back(text, view.text) for view in readings[1:])
    assert not [view.name for view in readings if "transliteration" in view.name]


def readings(written: str) -> list[str]:
    """What is said in other readings, a line each."""
    return [line for view in views(written)[1:] for line in view.text.split("\n")]


def test_sounds_beside_looks_come_back() -> None:
    for looking, sounding in pairwise(TEXTS):
        looks, sounds = LOOKS(looking, random.Random(0)), SOUNDS(sounding, random.Random(0))
        both = readings(f"{looks}\n{sounds}")
        assert any(comes_back(looking, line) for line in both)
        alone = any(comes_back(sounding, line) for line in readings(sounds))
        assert any(comes_back(sounding, line) for line in both) is alone
