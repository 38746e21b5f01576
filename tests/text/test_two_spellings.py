"""Two spellings upon one another: the words come back from any two of those that a person reads at a glance."""

import base64
import re
from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.text.spelling import unleeted
from sisf.text.tricks import Trick
from sisf.text.views import views
from tests.text.test_evasions import TEXTS, comes_back

LOOKALIKES = str.maketrans("aeopcyxi", "аеорсухі")
PLAIN = [re.sub(r"[^A-Za-z ]", "", text) for text in TEXTS[:8]]

SPELLINGS: dict[str, Trick] = {
    "digits": lambda t: t.translate(str.maketrans("eao", "340")),
    "signs": lambda t: t.translate(str.maketrans("asi", "@$!")),
    "hyphens": lambda t: t.replace(" ", "-"),
    "slashes": lambda t: t.replace(" ", "/"),
    "apart": lambda t: "  ".join(" ".join(word) for word in t.split()),
    "dots": lambda t: " ".join(".".join(word) for word in t.split()),
    "look-alikes": lambda t: t.translate(LOOKALIKES),
    "emoji": lambda t: " ".join(f"{word}😀" for word in t.split()),
    "invisible": "\u200b".join,
    "numbered": lambda t: " ".join(f"{number}.{word}" for number, word in enumerate(t.split(), 1)),
    "stretched": lambda t: re.sub("([aeiou])", r"\1\1\1", t),
}
APART = {"apart", "dots"}


def returns(text: str, shown: str) -> bool:
    """Whether a reading of what is shown holds the words of the text."""
    return any(comes_back(text, view.text) for view in views(shown))


@pytest.mark.parametrize(("first", "second"), list(permutations(SPELLINGS, 2)))
def test_any_two_spellings_are_undone(first: str, second: str) -> None:
    if {first, second} == APART:
        pytest.skip("no word is left to be seen")
    if second == "stretched" and first in APART:
        pytest.skip("no letters that stand apart are stretched")
    shown = {text: SPELLINGS[second](SPELLINGS[first](text)) for text in PLAIN}
    lost = [each for text, each in shown.items() if not returns(text, each)]
    assert len(lost) <= 1, lost


@pytest.mark.parametrize("encode", [lambda raw: base64.b64encode(raw).decode(), bytes.hex], ids=["base64", "hex"])
@pytest.mark.parametrize("invisible", ["\u200b", "\u2060", "\u00ad", "\ufeff"])
def test_what_cannot_be_seen_does_not_hide_what_is_encoded(encode: Callable[[bytes], str], invisible: str) -> None:
    for text in PLAIN:
        assert returns(text, encode(invisible.join(text).encode()))


DRAWN = dict(
    zip(
        "abcdeghiklmnorstuvw",
        r"/-\ |3 ( |) 3 9 |-| ! |< 1 /\/\ |\| 0 |2 5 7 |_| \/ \/\/".split(),
        strict=True,
    )
)


@pytest.mark.parametrize("kept", ["", "aeiou", "cdt", "mnw"])
def test_letters_that_several_signs_draw_are_read(kept: str) -> None:
    lost = []
    for text in PLAIN:
        drawn = "".join(char if char in kept else DRAWN.get(char, char) for char in text.lower())
        lost += [] if returns(text, drawn) else [drawn]
    assert len(lost) <= 1, lost


@given(st.characters(categories=["Co"]) | st.sampled_from("\ufffc\ufffd\ufffe\ufdd0\u2060\u00ad\u200d\x07\x1b"))
def test_what_stands_for_no_letter_parts_none(sign: str) -> None:
    text = PLAIN[0]
    assert returns(text, sign.join(text))


@pytest.mark.parametrize(
    "told", ["\x1b[31m", "\x1b[0m", "\x1b[1;38;5;9m", "\x9b2K", "\x1b]8;;http://a.b\x07", "\x1b(B"]
)
def test_what_a_terminal_is_told_parts_no_letters(told: str) -> None:
    for text in PLAIN[:3]:
        assert returns(text, told.join(text))


@given(st.from_regex(r"[a-z]{2,9}([-_./][a-z]{2,9}){3,6}\.(py|md|html)", fullmatch=True))
def test_a_path_without_digits_is_no_spelling(path: str) -> None:
    changed = unleeted(path.replace("/", "-"))
    assert changed is None


@pytest.mark.parametrize(
    "honest",
    [
        "urllib.request.pathname2url-and-url2pathname",
        "/usr/lib/python3.11/site-packages/oauthlib/oauth1/rfc5849/endpoints",
        "550e8400-e29b-41d4-a716-446655440000",
        "6ea687766eacfb9cf05e915ffceb6244aa517723",
        "quarterly-report-2024-10-31-final-version-2.docx",
        "hkjsdf7832hjksdf7823hjksdf78hjksdf23",
    ],
)
def test_machine_text_is_not_read_as_words(honest: str) -> None:
    found = unleeted(honest)
    assert found is None or found.text == honest
