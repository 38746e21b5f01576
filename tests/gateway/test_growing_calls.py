"""Arguments of tool calls reach the client while they are written, and what policies stop in them does not."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.conftest import Rig, chat, rig

WORD = "FORBIDDEN"
WINDOW = 64


@pytest.fixture(scope="module")
def gateway() -> Iterator[Rig]:
    with rig(limits__blocks_per_minute=0) as made:
        yield made


def chunk(delta: dict[str, Any], ends: str | None = None) -> bytes:
    tree = {"id": "c", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": ends}]}
    return f"data: {json.dumps(tree)}\n\n".encode()


def call(index: int, arguments: str) -> bytes:
    return chunk({"tool_calls": [{"index": index, "function": {"name": None, "arguments": arguments}}]})


def named(index: int, arguments: str) -> bytes:
    whole = {"index": index, "id": f"c{index}", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return chunk({"tool_calls": [whole]})


def streamed(made: Rig, events: Sequence[bytes]) -> bytes:
    made.upstream.events = [*events, chunk({}, "tool_calls"), b"data: [DONE]\n\n"]
    return made.post(chat("x", stream=True)).body


def arguments_in(body: bytes) -> str:
    trees = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]
    deltas = [tree["choices"][0]["delta"] for tree in trees]
    return "".join(call["function"]["arguments"] for delta in deltas for call in delta.get("tool_calls", ()))


def test_arguments_are_released_as_they_grow(gateway: Rig) -> None:
    pieces = ['{"text": "', *["some words "] * 100]
    body = streamed(gateway, [*(call(0, piece) for piece in pieces), call(0, f'{WORD}"}}')])
    shown = arguments_in(body)
    assert len(shown) > 900
    assert "".join(pieces).startswith(shown)
    assert WORD.encode() not in body


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("escapes", [call(0, '{"a": "' + "x" * 300), call(0, escaped(WORD) + "y" * 300 + '"}')]),
        ("cut within an escape", [call(0, '{"a": "' + "x" * 300 + escaped(WORD)[:10]), call(0, escaped(WORD)[10:])]),
        (
            "escapes of JSON in JSON",
            [call(0, json.dumps({"lead": "x" * 300, "a": f'{{"b": "{escaped(WORD)}"}}', "more": "y" * 300}))],
        ),
        ("over two calls", [call(0, '{"a": "' + "x" * 300 + WORD[:4]), call(1, WORD[4:] + "y" * 300 + '"}')]),
        ("over two calls with names", [named(0, '{"a": "' + WORD[:4]), named(1, WORD[4:] + "y" * 300 + '"}')]),
        (
            "in two calls that take turns",
            [call(0, '{"a": "' + "x" * 300 + WORD[:4]), call(1, "z" * 30), call(0, WORD[4:] + "y" * 300 + '"}')],
        ),
    ],
)
def test_what_is_stopped_is_stopped_however_it_is_written(gateway: Rig, name: str, events: list[bytes]) -> None:
    body = streamed(gateway, events)
    assert b"content_filter" in body
    shown = arguments_in(body)
    assert WORD not in shown
    assert escaped(WORD)[:12] not in shown
    assert WORD[4:] not in shown
    assert "yy" not in shown


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.sampled_from('ab "\\\n\u00e9\U0001f600'), max_size=400),
    st.lists(st.integers(1, 40), max_size=30),
    st.booleans(),
)
def test_harmless_arguments_pass_byte_for_byte(gateway: Rig, text: str, cuts: list[int], ascii_only: bool) -> None:
    arguments = json.dumps({"text": text, "more": [text]}, ensure_ascii=ascii_only)
    pieces, place = [], 0
    for cut in [*cuts, len(arguments)]:
        pieces.append(arguments[place : place + cut])
        place += cut
    body = streamed(gateway, [call(0, piece) for piece in pieces if piece])
    assert body == b"".join(gateway.upstream.events or ())
