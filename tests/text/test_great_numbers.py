"""Texts written as bits or as great numbers are read; measurements, keys and tables of zeros and ones are none."""

import codecs
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.text.alphabets import from_numbers
from sisf.text.bases import from_uuencode
from sisf.text.tricks import Trick
from sisf.text.views import views
from tests.text.test_evasions import TEXTS, comes_back

WRITTEN: dict[str, Trick] = {
    "bits": lambda t: "".join(f"{byte:08b}" for byte in t.encode()),
    "seven bits": lambda t: "".join(f"{byte:07b}" for byte in t.encode()),
    "bits in groups": lambda t: " ".join(f"{byte:08b}" for byte in t.encode()),
    "bits one by one": lambda t: " ".join("".join(f"{byte:08b}" for byte in t.encode())),
    "bits of a list": lambda t: str([int(bit) for byte in t.encode() for bit in f"{byte:08b}"]),
    "a number": lambda t: str(int.from_bytes(t.encode(), "big")),
    "a number from its end": lambda t: str(int.from_bytes(t.encode(), "little")),
    "a number in code": lambda t: f"n = {int.from_bytes(t.encode(), 'big')}\nprint(n.to_bytes({len(t)}, 'big'))",
}


@pytest.mark.parametrize("how", WRITTEN)
def test_the_words_come_back(how: str) -> None:
    lost = [text for text in TEXTS if not any(comes_back(text, view.text) for view in views(WRITTEN[how](text)))]
    assert lost == []


@given(st.integers(10**20, 10**400))
def test_a_great_number_is_no_text(number: int) -> None:
    assert from_numbers(f"It has the factors of {number} in it.") is None


@given(st.integers(0, 2**32), st.integers(40, 900))
def test_bits_at_random_are_no_text(seed: int, count: int) -> None:
    bits = [str(random.Random(seed).getrandbits(1)) for _ in range(count)]
    assert all(from_numbers(between.join(bits)) is None for between in ("", " ", ", "))


def test_lines_of_uuencode_are_read_without_their_frame() -> None:
    for text in TEXTS:
        lines = codecs.encode(text.encode(), "uu").decode().splitlines()[1:-2]
        for body in (
            "\n".join(lines),
            "\n".join(line.rstrip() for line in lines),
            f"Here:\n{chr(10).join(lines)}\nDone.",
        ):
            assert any(comes_back(text, view.text) for view in views(body)), text


def test_lines_in_capitals_are_no_uuencode() -> None:
    for text in TEXTS:
        assert from_uuencode(text.upper()) is None


@pytest.mark.parametrize("lines", ["\n", "\r\n"])
def test_a_run_of_utf_7_goes_on_behind_the_end_of_its_line(lines: str) -> None:
    run = "+AFQAZQBsAGwAIABtAGUAIABoAG8AdwAgAHQAbwAgAGIAYQBrAGUAIABiAHIAZQBhAGQ-"
    cut = lines.join(run[start : start + 20] for start in range(0, len(run), 20))
    assert any("Tell me how to bake bread" in view.text for view in views(cut))
    assert not any("bread" in view.text for view in views(cut.replace("-", "")))
