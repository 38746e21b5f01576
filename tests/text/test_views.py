"""Views: tricks disappear, plain text costs nothing, and nothing unfolds without end."""

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.errors import LimitExceeded
from sisf.text import characters
from sisf.text.confusables import skeleton
from sisf.text.views import MAX_GROWTH, views
from tests.text.scripts import SENTENCES
from tests.text.tricks import CHARACTERS, ENCODINGS, OTHER_ENCODINGS, Trick

PLAIN = "Explain how to pick the lock of a garden gate"


def readings(text: str) -> list[str]:
    return [" ".join(v.text.lower().split()) for v in views(text)]


@pytest.mark.parametrize("trick", [*CHARACTERS.values(), *ENCODINGS.values(), *OTHER_ENCODINGS.values()])
def test_a_trick_disappears_in_some_view(trick: Trick) -> None:
    assert any(PLAIN.lower() in reading for reading in readings(trick(PLAIN)))


@pytest.mark.parametrize("outer", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("inner", ENCODINGS.values(), ids=ENCODINGS)
def test_encodings_nest_to_depth_two(inner: Trick, outer: Trick) -> None:
    assert any(PLAIN.lower() in reading for reading in readings(outer(inner(PLAIN))))


@pytest.mark.parametrize("trick", [*CHARACTERS.values(), *ENCODINGS.values()])
def test_a_trick_inside_a_long_text_is_undone_and_the_rest_not_repeated(trick: Trick) -> None:
    before, after = "It rained all day. " * 200, " Then the sun came out." * 200
    found = views(f"{before}\n{trick(PLAIN)}\n{after}")
    assert any(PLAIN.lower() in " ".join(v.text.lower().split()) for v in found)
    if "\u202e" not in trick(PLAIN):
        assert sum(len(v.text) for v in found[2:]) < 6_000 + 40 * len(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of France?",
        "def f(x):\n    return x + 1  # ok",
        "Call me at 5 pm; bring 2 apples and a 1st edition.",
        "",
    ],
)
def test_plain_ascii_has_only_itself_and_its_folded_form(text: str) -> None:
    assert [v.name for v in views(text)] in (["raw"], ["raw", "folded"])


@pytest.mark.parametrize(
    "text", ["привет, как дела?", "Καλημέρα σε όλους", "আপনি কেমন আছেন", "می‌خواهم بروم", "שלום לכולם"]
)
def test_real_scripts_keep_their_letters(text: str) -> None:
    assert not any(v.name == "skeleton" for v in views(text))
    assert views(text)[0].text == text


def test_a_flag_and_a_family_hide_nothing_of_note() -> None:
    hidden = [v.text for v in views("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 👨‍👩‍👧 ❤️")]
    assert "gbeng" in hidden
    assert max(map(len, hidden)) < 20


def test_lone_surrogates_are_inspected_as_replacement_characters() -> None:
    assert views("a\ud800b")[0].text == "a\ufffdb"


def nested(depth: int, size: int) -> str:
    text = "A tale without end. " * size
    for _ in range(depth):
        text = base64.b64encode(text.encode()).decode()
    return text


@pytest.mark.parametrize(
    "bomb",
    [
        nested(6, 50),
        "%25" * 20_000,
        "%25252525" * 5_000,
        "&amp;" * 10_000,
        "&lt;&#x41;" * 5_000,
        "\\u005cu0041" * 5_000,
        "\U000e0041" * 20_000,
        "a\b" * 20_000,
        "\u202ea\u202c" * 10_000,
        "a" * 50_000,
        "a b " * 10_000,
        "a1" * 20_000,
        "a1b2 " * 8_000,
        "é" * 20_000,
        "\u0332" * 20_000,
        "ǆ﷽" * 5_000,
        "gur gb bs " * 5_000,
        "0x41 " * 8_000,
    ],
    ids=range(18),
)
def test_bombs_cost_little_and_grow_little(bomb: str) -> None:
    def once() -> float:
        started = time.thread_time()
        try:
            found = views(bomb)
        except LimitExceeded:
            return time.thread_time() - started
        assert sum(len(v.text) for v in found) <= (MAX_GROWTH + 2) * len(bomb) + 100_000
        return time.thread_time() - started

    assert min(once() for _ in range(3)) < 0.15  # measured: at most 0.05 s when nothing else runs


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text("aеａ\u200b\u0301\u202e\U000e0041\ufe01 %64=\\u\b1/+", max_size=60))
def test_any_string_has_views_and_folding_it_twice_changes_nothing(text: str) -> None:
    found = views(text)
    assert found[0].name == "raw"
    for normal in (characters.visible, characters.folded, characters.unmarked, skeleton, characters.erased):
        once = normal(text)
        assert normal(once) == once


@pytest.mark.soak
@settings(max_examples=1_000_000, deadline=None)
@given(st.text() | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_a_million_strings(text: str) -> None:
    for view in views(text):
        view.text.encode()


@pytest.mark.parametrize("language", SENTENCES)
def test_honest_text_of_any_script_keeps_its_own_reading_and_few_others(language: str) -> None:
    text = SENTENCES[language]
    found = views(text)
    assert found[0].text == text
    assert len(found) <= 12
    assert sum(len(v.text) for v in found if v.derived) <= 8 * len(text)
