"""Regular expressions and grammars are read as what they have a model write."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import HttpFailure, LimitExceeded
from sisf.gateway.dialects.base import Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.completions import Completions
from sisf.gateway.dialects.messages import Messages
from sisf.gateway.dialects.responses import Responses
from sisf.gateway.expressions import readings
from sisf.settings import Limits

MARKER = "zanzibarpayload"
FORMS = [
    "[{}]",
    "({})",
    "(?:{})",
    "(?<a>{})",
    "{}{{1}}",
    "\\x{:02x}",
    "\\u{:04x}",
    "{}q?",
    "q*{}",
    "(?:q|{})",
    "({}|q)",
    "{}(?!q)",
]
CUT = [
    "^zan(zi)bar[p]ay[l]oad$",
    "".join(f"\\x{ord(letter):02x}" for letter in MARKER),
    'root ::= "zanzi" rest\nrest ::= "barpay" "load"',
    "start: 'zanzi' \"barpay\"i 'load'",
    'root ::= [z] [a] "nzibar" [p] "ayload"',
    "zanzi(?#a note)bar(?i)payload",
    "(?:q|w|z)anzibar(?:q|w|p)ayload",
    "[qwz]anzibarp[xya]yload",
    r"z(a)nzib\1rp\1ylo\1d",
    r"z(?P<a>a)(?:n)z(i)b\1rp\1ylo\1d",
    "(?x) zan zi  # a note\n bar  pay lo ad",
    "(?ix: zanzi\n\tbarpay load )",
]
HELLO = [{"role": "user", "content": "hello"}]


@given(st.lists(st.sampled_from(FORMS), min_size=len(MARKER), max_size=len(MARKER)))
def test_a_word_that_is_cut_by_the_signs_of_an_expression_is_read(forms: list[str]) -> None:
    written = [form.format(ord(letter) if "x}" in form else letter) for form, letter in zip(forms, MARKER, strict=True)]
    if "({}|q)" in forms:  # with `(?:q|…)` beside it, no one reading takes the right ones of both
        written = [
            letter if form == "(?:q|{})" else each for form, letter, each in zip(forms, MARKER, written, strict=True)
        ]
    assert any("zanzibarpayload" in text.replace("q", "") for text in readings("".join(written)))


@given(st.text(alphabet='ab[]()|{}*+?\\^$.,12"<>:=!', max_size=60))
def test_whatever_it_is_it_is_read_without_an_error(expression: str) -> None:
    for text in readings(expression):
        assert text != expression


@given(st.from_regex(re.compile(r"\A[a-z ]{4,40}\Z"), fullmatch=True))
def test_what_matches_itself_is_not_read_twice(text: str) -> None:
    assert readings(text) == []


@pytest.mark.parametrize(
    "expression",
    ["^[A-Z]{2}\\d{4}$", "^\\d{4}-\\d{2}-\\d{2}$", "[0-9a-f]{8}", "^\\+?[0-9 ()-]{7,}$", "^(\\d+)\\.(\\d+)$"],
)
def test_expressions_of_numbers_and_codes_say_nothing(expression: str) -> None:
    assert readings(expression) == []


def test_groups_of_groups_say_no_more_than_they_must() -> None:
    doubling = "(ab)" + "".join(rf"({chr(92)}{n}{chr(92)}{n})" for n in range(1, 9)) + r"\8\8" * 1_000
    assert all(len(text) < 50_000 for text in readings(doubling))


def test_an_expression_of_too_many_signs_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        readings("(" * 10_001)


def requests(cut: str) -> list[tuple[Dialect, dict[str, Any]]]:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": cut}}}
    keyed = {"type": "object", "patternProperties": {cut: {"type": "string"}}}
    chat, completion = {"model": "m", "messages": HELLO}, {"model": "m", "prompt": "hello"}
    responses, messages = {"model": "m", "input": "hello"}, {"model": "m", "max_tokens": 9, "messages": HELLO}
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": cut}}
    found: list[tuple[Dialect, dict[str, Any]]] = []
    for given_schema in (schema, keyed):
        function = {"name": "f", "parameters": given_schema}
        found += [
            (Chat(), {**chat, "tools": [{"type": "function", "function": function}]}),
            (Chat(), {**chat, "functions": [function]}),
            (Chat(), {**chat, "response_format": {"type": "json_schema", "json_schema": {"schema": given_schema}}}),
            (Chat(), {**chat, "guided_json": given_schema}),
            (Completions(), {**completion, "format": given_schema}),
            (Responses(), {**responses, "tools": [{"type": "function", **function}]}),
            (
                Responses(),
                {**responses, "text": {"format": {"type": "json_schema", "name": "n", "schema": given_schema}}},
            ),
            (Messages(), {**messages, "tools": [{"name": "f", "input_schema": given_schema}]}),
            (Messages(), {**messages, "output_format": {"type": "json_schema", "schema": given_schema}}),
        ]
    for key in ("guided_regex", "guided_grammar", "grammar"):
        found += [(Chat(), {**chat, key: cut}), (Completions(), {**completion, key: cut})]
    for key in ("regex", "grammar"):
        found.append((Chat(), {**chat, "structured_outputs": {key: cut}}))
    tag = {"type": "structural_tag", "format": {"type": "regex", "pattern": cut}}
    return [
        *found,
        (Chat(), {**chat, "structural_tag": json.dumps(tag)}),
        (Chat(), {**chat, "response_format": tag}),
        (Chat(), {**chat, "tools": [{"type": "custom", "custom": {"name": "f", "format": grammar}}]}),
        (Responses(), {**responses, "tools": [{"type": "custom", "name": "f", "format": grammar["grammar"]}]}),
    ]


@pytest.mark.parametrize("cut", CUT)
def test_expressions_are_read_wherever_a_request_holds_them(cut: str) -> None:
    for dialect, tree in requests(cut):
        try:
            found = dialect.request(tree, Limits())
        except HttpFailure:
            continue
        assert any(MARKER in message.content for message in (*found.messages, *found.aside)), tree


def test_an_honest_schema_gains_nothing() -> None:
    schema = {"type": "object", "properties": {"day": {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$"}}}
    tree = {
        "model": "m",
        "messages": HELLO,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
    }
    texts = [message.content for message in Chat().request(tree, Limits()).messages]
    assert texts == ["f\nday\n^\\d{4}-\\d{2}-\\d{2}$", "hello"]
