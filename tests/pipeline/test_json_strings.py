"""What JSON says while it is written."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sisf.pipeline.json_strings import JsonStrings

LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    LETTERS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LETTERS, inner, max_size=3),
    max_leaves=6,
)


def said(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in [key, *said(inner)]]
    return [text for inner in value for text in said(inner)] if isinstance(value, list) else []


@given(VALUES, st.booleans(), st.lists(st.integers(1, 5)), st.sampled_from([None, 1]))
def test_the_strings_are_those_that_a_parser_reads_wherever_it_is_cut(
    value: object, ascii_only: bool, cuts: list[int], indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    strings, place, out = JsonStrings(), 0, ""
    for cut in [*cuts, len(text)]:
        out += strings.feed(text[place : place + cut])
        place += cut
    assert not strings.pending
    assert out == "".join(f"{part}\n" for part in said(value))


@given(st.text(st.sampled_from('a"\\u0dD8c{}n'), max_size=30))
def test_what_is_no_json_is_read_without_errors(text: str) -> None:
    whole, pieces = JsonStrings(), JsonStrings()
    assert whole.feed(text) == "".join(pieces.feed(letter) for letter in text)


def test_half_a_pair_is_replaced() -> None:
    assert JsonStrings().feed(r'"a\ud83db\ude00"') == "a\ufffdb\ufffd\n"
