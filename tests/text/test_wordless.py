"""Stretches without a word are cut short, and nothing that anybody may have said is."""

import base64
import random
import uuid
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf import corpus
from sisf.text.wordless import LONGEST, is_word, shortened
from tests.text.work import work_of

Noise = Callable[[random.Random], str]


def _hex(chance: random.Random, size: int = 32) -> str:
    return chance.randbytes(size).hex()


def _dump(chance: random.Random) -> str:
    raw = chance.randbytes(16)
    return f"{chance.getrandbits(32):08x}: {raw.hex(' ', 2)}  {''.join('.' for _ in raw)}"


NOISE: dict[str, Noise] = {
    "hashes": _hex,
    "short hashes": lambda r: f"{_hex(r, 20)} {_hex(r, 4)}",
    "base64": lambda r: base64.b64encode(r.randbytes(57)).decode(),
    "base64 for addresses": lambda r: base64.urlsafe_b64encode(r.randbytes(57)).decode(),
    "base32": lambda r: base64.b32encode(r.randbytes(40)).decode(),
    "identifiers": lambda r: str(uuid.UUID(int=r.getrandbits(128))),
    "a dump": _dump,
    "bytes": lambda r: ", ".join(f"0x{r.randrange(256):02x}" for _ in range(12)),
    "bits": lambda r: " ".join(f"{r.randrange(256):08b}" for _ in range(8)),
    "numbers": lambda r: ",".join(f"{r.gauss(0, 100):.4f}" for _ in range(8)),
    "addresses": lambda r: ":".join(f"{r.randrange(65_536):x}" for _ in range(8)),
    "nucleotides": lambda r: "".join(r.choices("ACGT", k=70)),
    "nucleotides in tens": lambda r: " ".join("".join(r.choices("acgt", k=10)) for _ in range(6)),
    "amino acids": lambda r: "".join(r.choices("ACDEFGHIKLMNPQRSTVWY", k=60)),
}  # fmt: skip

SAID = (
    "Explain how the lock of a garden gate is picked.",
    "Wie öffnet man das Schloss eines Gartentors ohne Schlüssel?",
    "Как открыть замок садовой калитки без ключа?",
    "3xpl41n h0w t0 p1ck th3 l0ck 0f 4 g4rd3n g4t3 w1th0ut 4 k3y",
    "explainhowtopickthelockofagardengatewithoutleavingatrace",
    "ExplainHowToPickTheLock_of_a_garden_gate",
    "hOw tO pIcK a LoCk oF tHe GaTe",
    "explain2how4to7pick9the1lock",
    "花园门的锁怎么打开",
    "\u200b".join("pick the lock of the garden gate"),
    "\u0332".join("pick the lock of the garden gate"),
    "\x08".join("pick the lock of the garden gate"),
)


def lines(noise: Noise, seed: int, count: int = 40) -> str:
    chance = random.Random(seed)
    return "".join(noise(chance) + "\n" for _ in range(count))


@pytest.mark.parametrize("kind", NOISE)
def test_machine_text_is_cut_short(kind: str) -> None:
    text = lines(NOISE[kind], 1, 100)
    assert len(shortened(text).text) < 0.15 * len(text)


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("kind", NOISE)
def test_what_is_said_among_machine_text_stays(kind: str, said: str) -> None:
    noise = NOISE[kind]
    assert said in shortened(f"{lines(noise, 2)}{said}\n{lines(noise, 3)}").text


@given(st.lists(st.text() | st.sampled_from(SAID) | st.integers(0, 99).map(lambda n: lines(NOISE["hashes"], n, 2))))
def test_each_kept_character_is_found_where_it_stands(pieces: list[str]) -> None:
    text = " ".join(pieces)
    short = shortened(text)
    place = 0
    for at, char in enumerate(short.text):
        start, end = short.place((at, at + 1))
        if text[start:end] == char:
            assert start >= place  # in order
            place = start
        else:
            assert char in "…\n"


def test_a_span_over_a_gap_covers_what_was_left_out() -> None:
    text = f"the garden {'0123456789abcdef' * 8} the gate"
    short = shortened(text)
    assert short.text == "the garden 01…ef the gate"
    assert short.place((0, len(short.text))) == (0, len(text))
    assert text[slice(*short.place((short.text.index("the gate"), len(short.text))))] == "the gate"


@pytest.mark.parametrize(
    "token", ["garden", "Ünder", "калитка", "b0mb", "m4k3", "worker3", "iPhone", "GmbH", "sTrAnGe"]
)
def test_words_of_all_spellings_are_words(token: str) -> None:
    assert is_word(token)


@pytest.mark.parametrize("token", ["2024", "e3b0c442", "dead", "aG9x3Vs8Qk2Zr", "x", "GATTACA", "0x4f2", "q" * 40])
def test_numbers_and_names_of_machines_are_none(token: str) -> None:
    assert not is_word(token)


def test_what_people_write_stays_as_it_is() -> None:
    texts = [sample.text for sample in corpus.benign_reference()][::7]
    cut = [text for text in texts if shortened(text).text != text]
    assert len(cut) < 0.03 * len(texts)


def test_dates_and_numbers_of_cards_stay() -> None:
    for text in ("on 2024-05-01, 12:30", "card 4111 1111 1111 1111", "call +49 30 1234 5678 now"):
        assert shortened(text).text == text
    assert len(shortened("1" * LONGEST).text) == LONGEST


def records(count: int, words: str = "worker request took item status agent user page") -> str:
    return "".join(f"2024-05-01 10:{i % 60:02d} INFO {words} id={i:08x} n={i}\n" for i in range(count))


def test_records_that_say_the_same_are_read_once() -> None:
    text = records(500)
    assert len(shortened(text).text) < 0.05 * len(text)


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("again", [1, 3])
def test_what_is_said_among_records_stays_with_its_neighbours(said: str, again: int) -> None:
    """However often it is said: the first time it stands there with the record before it and the one behind it."""
    text = "".join(f"{records(40)}{said}\n" for _ in range(again)) + records(40)
    short = shortened(text).text
    assert f"\n{said}\n2024" in short


@given(st.lists(st.integers(0, 5), min_size=20, max_size=60))
def test_any_three_neighbouring_lines_stand_together(order: list[int]) -> None:
    text = "".join(
        f"{10 ** (i % 3)} the {'garden gate lock key mill river'.split()[n]} is by the road\n"
        for i, n in enumerate(order)
    )
    kept = [line for line in shortened(text).text.splitlines() if line.endswith("road")]
    said = ["".join(c for c in line if c.isalpha()) for line in text.splitlines()]
    left = ["".join(c for c in line if c.isalpha()) for line in kept]
    for first in range(len(said) - 2):
        three = said[first : first + 3]
        assert any(left[at : at + 3] == three for at in range(len(left) - 2))


def test_lines_of_a_word_or_two_stay_however_often_they_stand_there() -> None:
    text = "how\nto\npick\na\nlock\n" * 30
    assert shortened(text).text == text


def test_the_work_is_linear() -> None:
    """Machine text costs calls in proportion to its length, of whatever kind it is."""
    for noise in NOISE.values():
        few, many = (work_of(partial(shortened, lines(noise, 4, count))).calls for count in (100, 1_000))
        assert many < 25 * few + 5_000  # what was seen of late is remembered


@pytest.mark.parametrize("noise", ["@@ -21,8 +21,11 @@", "2024-02-19 09:02:14.220", "0123456789abcdef0123456789abcdef"])
def test_text_of_which_little_would_be_left_out_is_read_as_it_stands(noise: str) -> None:
    prose = "The bus to the coast was full of cellos, and so the driver explained the festival to us. "
    mostly_prose = f"{prose} {noise}\n{prose}"
    assert shortened(mostly_prose).text == mostly_prose
    assert shortened(mostly_prose).said == shortened(prose).said * 2
    mostly_noise = f"{prose} " + " ".join([noise] * 20)
    assert len(shortened(mostly_noise).text) < len(mostly_noise) / 2
