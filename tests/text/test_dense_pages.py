"""Dense honest pages are read, whatever they show each character in; what unfolds without end is still refused."""

import base64
import html
import itertools
import json
import unicodedata
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sisf.errors import LimitExceeded
from sisf.text.changed import Pairs
from sisf.text.views import LONG, most, views

ROWS = 64
BLOCKS = {
    "Latin": 0x20, "Greek": 0x370, "Cyrillic": 0x400, "Arabic": 0x620, "Thai": 0xE00, "syllabics": 0x1400,
    "punctuation": 0x2000, "arrows": 0x2190, "boxes": 0x2500, "Han": 0x4E00, "Hangul": 0xAC00, "full width": 0xFF00,
    "hieroglyphs": 0x13000, "mathematical": 0x1D400, "emoji": 0x1F300, "tags": 0xE0020,
}  # fmt: skip


def name_of(code: int) -> str:
    return unicodedata.name(chr(code), "<control>")


def chart(first: int, count: int) -> str:
    return "\n".join(f"U+{code:04X}\t{chr(code)}\t{name_of(code)}" for code in range(first, first + count))


def grid(first: int, count: int) -> str:
    return "\n".join(
        f"{row:04X} | " + " | ".join(map(chr, range(row, row + 16))) for row in range(first, first + count, 16)
    )


def table(first: int, count: int) -> str:
    return "\n".join(
        f"<tr><td>U+{c:04X}</td><td>{chr(c)}</td><td>{name_of(c).lower()}</td></tr>"
        for c in range(first, first + count)
    )


def encoded(first: int, count: int) -> str:
    """A table of each character in four encodings."""
    return "\n".join(
        f"<tr><td>U+{c:04X}</td><td>{chr(c)}</td><td>&#{c};</td><td>&#x{c:X};</td><td>\\u{c:04x}</td>"
        f"<td>{urllib.parse.quote(chr(c))}</td><td>{name_of(c).lower()}</td></tr>"
        for c in range(first, first + count)
    )


def entry(number: int) -> dict[str, object]:
    said = f'GET "/api/items/{number}" took {number % 900} ms\nretry at C:\\srv\\log.txt'
    return {"ts": f"2026-11-2{number % 9}T10:00:00Z", "level": "INFO", "msg": said, "id": f"{number * 7919:08x}"}


def nested(first: int, count: int) -> str:
    """Log lines in JSON in JSON in JSON in JSON."""
    lines = []
    for number in range(first, first + count):
        line = json.dumps(entry(number))
        for _ in range(1 + number % 3):
            line = json.dumps({"stream": "stdout", "log": line, "n": number})
        lines.append(line)
    return "\n".join(lines)


def whole(first: int, count: int) -> str:
    """One document, four times nested."""
    text = json.dumps([entry(number) for number in range(first, first + count)])
    for _ in range(3):
        text = json.dumps({"body": text})
    return text


def ascii_table(first: int, count: int) -> str:
    return "\n".join(f"{c:3d} 0x{c:02X} 0{c:03o} &#{c}; %{c:02X} {c:08b} {chr(c)!r}" for c in range(33, 127))


def archive(first: int, count: int) -> str:
    """A recorded session of a browser: addresses in addresses, bodies in base64."""
    return json.dumps(
        [
            {
                "url": "https://a.example/?next="
                + urllib.parse.quote(urllib.parse.quote(f"https://b.example/?q={n} x")),
                "body": base64.b64encode(json.dumps(entry(n)).encode()).decode(),
            }
            for n in range(first, first + count)
        ]
    )


def escaped(first: int, count: int) -> str:
    return html.escape(html.escape("\n".join(f'<p class="x{n}">It\'s item {n} & more</p>' for n in range(count))))


KINDS: dict[str, Callable[[int, int], str]] = {
    made.__name__: made for made in (chart, grid, table, encoded, nested, whole, ascii_table, archive, escaped)
}
PAGES = sorted({*itertools.product(KINDS, BLOCKS)} - {("encoded", "punctuation")})
"""Punctuation undone is read as what it means: beside four encodings of some of it these readings hold more than is
allowed; the whole block is a page of its own, below."""


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(PAGES), st.integers(0, 64), st.integers(16, ROWS))
@example(("encoded", "syllabics"), 48, 40)
@example(("chart", "Greek"), 16, 64)
@example(("table", "punctuation"), 64, 64)
def test_a_dense_page_is_read(kind_and_block: tuple[str, str], offset: int, rows: int) -> None:
    kind, block = kind_and_block
    page = KINDS[kind](BLOCKS[block] + 16 * (offset // 16), rows)
    found = views(page)
    assert found[0].text == page
    assert sum(len(view.text) for view in found if view.derived) <= most(len(page))


def test_the_whole_block_of_punctuation_in_four_encodings_is_read() -> None:
    page = encoded(BLOCKS["punctuation"], 112)
    assert any("double exclamation mark" in view.text for view in views(page))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_a_dense_page_hides_is_read_all_the_same(kind: str) -> None:
    hidden = base64.b64encode(b"please tell me about the orange kettle").decode()
    page = "\n".join((KINDS[kind](0x400, ROWS), f"note {hidden}", KINDS[kind](0x430, ROWS)))
    assert any("the orange kettle" in view.text for view in views(page))


@pytest.mark.parametrize(
    "said",
    ["&#111;range kettle", r"\u006frange kettle", "%6Frange kettle", r"&#111;rang\u0065 k%65ttle", "0r4nge k3ttle"],
)
def test_spellings_in_a_long_page_are_undone(said: str) -> None:
    page = "\n".join((table(0x400, ROWS), f"Then fetch the {said} for me please.", table(0x430, ROWS)))
    assert len(page) > LONG
    assert any("the orange kettle" in view.text for view in views(page))


def test_what_unfolds_into_more_than_is_allowed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    page = table(BLOCKS["punctuation"], ROWS)
    monkeypatch.setattr("sisf.text.views.MAX_VIEWS", 8)
    with pytest.raises(LimitExceeded, match="unfolds"):
        views(page)


@given(st.lists(st.text("ab.\n", max_size=40), max_size=6), st.text("ab.\n", max_size=60))
def test_neighbouring_sentences_are_always_read_together(before: list[str], text: str) -> None:
    read = Pairs(before)
    kept = read.without(text)
    read.add(kept)
    assert read.without(text) == ""
    alone = Pairs()
    alone.add(Pairs().without(text))
    assert alone.without(text) == ""
