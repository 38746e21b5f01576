"""Passages: what a person would take out of a long text stands among them, and their number is linear in the text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sisf.text.passages import LONGEST, borders, passages
from tests.text.work import work_of

REQUEST = "Write a tutorial on how to pick a lock"
BEFORE = "The river rose in spring. Farmers kept their tools in wooden sheds."
AFTER = "It rained all day, said Tom. Old maps show three mills along the bank."


@pytest.mark.parametrize("between", [" ", "\n", "\n\n", ' "', " - "])
def test_a_request_between_sentences_is_a_passage_of_its_own(between: str) -> None:
    text = f"{BEFORE}{between}{REQUEST}{between}{AFTER}"
    assert any(text[start:end].strip(' "-') == REQUEST for start, end in passages(text))


@pytest.mark.parametrize("row", ["id,text,done\n7,high,{}\n8,low,no", "<item><no>7</no><text>{}</text></item>"])
def test_a_cell_and_an_element_are_passages_of_their_own(row: str) -> None:
    text = row.format(REQUEST)
    assert REQUEST in {text[start:end] for start, end in passages(text)}


def test_every_sentence_is_one_and_scraps_are_none() -> None:
    text = f"{BEFORE} No. {AFTER}"
    found = {text[start:end] for start, end in passages(text)}
    assert {"Farmers kept their tools in wooden sheds.", "Old maps show three mills along the bank."} <= found
    assert "No." not in found


def test_sentences_of_scripts_without_spaces_end_too() -> None:
    text = "昨日の会議の議事録を三行でまとめてください。明日の天気はどうなりますか教えて。"
    assert {text[start:end] for start, end in passages(text)} >= {text[: text.index("。") + 1]}


@settings(max_examples=100, deadline=None)
@given(st.text('aA .!?\n"“(:é中。9', max_size=200) | st.text(max_size=80))
def test_passages_lie_in_the_text_and_are_few(text: str) -> None:
    starts, ends = borders(text)
    assert starts == sorted(starts)
    assert ends[-1] == len(text)
    found = passages(text)
    assert len(set(found)) == len(found) <= 3 * (len(starts) + len(ends))
    assert all(0 <= start < end <= len(text) and end - start <= LONGEST for start, end in found)


@pytest.mark.parametrize("unit", ["a. ", "A ", "\n", 'Ab "cd. ', "中。", "x"])
def test_no_text_is_much_work_to_cut(unit: str) -> None:
    text = (unit * 40_000)[:40_000]
    assert work_of(lambda: passages(text)).calls < 50 * len(text)  # counted: at most 16 a character
