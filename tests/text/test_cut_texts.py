"""Texts in messages of a few words below lines that come again, cut every so many characters, or with marks that are
said: the words come back; lists and records stay what they are."""

import random
from collections.abc import Callable

import pytest

from sisf import corpus
from sisf.text.layout import rows, unbroken
from sisf.text.noise import unuttered
from sisf.text.views import views
from tests.text.test_evasions import comes_back

LONGER = [sample.text for sample in corpus.sample_attacks() if len(sample.text.split()) >= 10]
TEXTS = random.Random(8).sample(LONGER, 8)
HEADERS = (
    "kim — Today at 9:{i:02d}",
    "Ann Lee  {i}:41 PM",
    "[12/05/24, 9:{i:02d}:02] ~ Kim",
    "ann_1 2024-05-01 12:{i:02d}",
    "Message {i} of 40:",
    "Ann wrote:",
    "Ann:",
    "#{i}",
    "00:00:{i:02d},000 --> 00:00:{n:02d},900",
    "*Kim* ({i} min ago)",
    "@kim · {i}h",
)
SIGNS = ("\n", "|", "...", "/", "~", " | ", "•", "***", "--", ";", " · ", "=")
SAID = ("STOP", "FULL STOP", "COMMA", "PERIOD", "OVER", "BREAK")
LIST = "Milk 2\nBread 3\nEggs 12\nFlour 1\nSugar 1"
RECORDS = "ann|lee|ulm|042\nkim|roe|bonn|17\nbob|day|kiel|23"


def lost(write: Callable[[str], str]) -> list[str]:
    """The texts that no reading gives back."""
    return [text for text in TEXTS if not any(comes_back(text, view.text) for view in views(write(text))[1:])]


@pytest.mark.parametrize("words", [1, 2, 3])
@pytest.mark.parametrize("header", HEADERS)
def test_messages_below_lines_that_come_again_come_back(header: str, words: int) -> None:
    def chat(text: str) -> str:
        said = text.split()
        pieces = [" ".join(said[i : i + words]) for i in range(0, len(said), words)]
        return "\n".join(f"{header.format(i=i, n=i + 1)}\n{piece}" for i, piece in enumerate(pieces))

    assert not lost(chat)


@pytest.mark.parametrize("length", [4, 5, 7, 8])
@pytest.mark.parametrize("sign", SIGNS)
def test_texts_that_are_cut_every_so_many_characters_come_back(sign: str, length: int) -> None:
    assert not lost(lambda text: sign.join(text[i : i + length] for i in range(0, len(text), length)))


@pytest.mark.parametrize("mark", SAID)
def test_marks_that_are_said_are_none_of_the_words(mark: str) -> None:
    def telegram(text: str) -> str:
        said = text.upper().split()
        return "".join(f"{' '.join(said[i : i + 4])} {mark} " for i in range(0, len(said), 4))

    assert not lost(telegram)


@pytest.mark.parametrize("glue", ["''", "' '", '"-"', "', '"])
def test_what_pieces_are_joined_with_is_none_of_them(glue: str) -> None:
    assert not lost(lambda text: f"{glue}.join({text.split()!r})")


@pytest.mark.parametrize("text", [LIST, RECORDS, "Read a/b/c/d and e/f/g/h, one by one.", "1|2|3|4|5|6|7|8"])
def test_lists_and_records_are_not_cut(text: str) -> None:
    assert unbroken(text) is None


def test_single_stops_stay() -> None:
    assert unuttered("You MUST STOP before the line, said the sign.") is None


def test_lines_that_come_again_but_stand_above_nothing_stay() -> None:
    assert rows("Name:\nName:\nName:\nAnn Lee is the only one who signed.") is None
