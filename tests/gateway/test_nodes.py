"""Limits count values and texts, not only bytes; told before a document is decoded."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import LimitExceeded
from sisf.gateway import nodes
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.messages import Messages
from sisf.gateway.dialects.responses import Responses
from sisf.gateway.texts import embedded
from sisf.gateway.wire import parse_request
from sisf.settings import Limits

LIMITS = Limits()
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('",[{}]:\\ a\n') | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('",[{\\', max_size=3), inner, max_size=4),
    max_leaves=30,
)


def members(value: Any) -> int:
    """Containers, and commas between what is in them."""
    if not isinstance(value, list | dict):
        return 0
    children = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(0, len(children) - 1) + sum(members(child) for child in children)


@given(DOCUMENTS)
def test_nodes_are_counted_without_decoding(document: Any) -> None:
    raw = json.dumps(document).encode()
    assert nodes.nodes(raw) == members(document)
    assert nodes.at_most(raw) >= nodes.nodes(raw)


@given(st.text('\\\\",:ud03Aa').map(str.encode), st.integers(1, 9))
def test_a_large_document_is_looked_through_by_stretches_as_if_at_once(raw: bytes, size: int) -> None:
    pairs = ((b"\\\\", b"  "), (b'\\"', b"__"))
    at_once = raw.replace(*pairs[0]).replace(*pairs[1])
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(nodes, "SMALL_BYTES", size)
        assert nodes.replaced(raw, *pairs) == at_once
        assert nodes.counted(raw, ord(":")) == raw.count(b":")
        for escape in (b"\\u003A", b"\\ud", b"\\\\"):
            assert nodes.holds(raw, escape, b"\\u") == (escape in raw or b"\\u" in raw)
            assert nodes.holds(raw, escape) == (escape in raw)


SHAPES = ("[]", "{}", "null", "1", '""', '"a"', "[[]]", '{"a":{}}', '{"type":"text","text":"a"}', "[" * 55 + "]" * 55)
PLACES = (
    '{"model":"m","messages":[{"role":"user","content":[%s]}]}',
    '{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[%s]}',
    '{"model":"m","messages":[{"role":"user","content":"a"}],"metadata":[%s]}',
    '{"model":"m","messages":[{"role":"user","content":"\\u0041"}],"stop":[%s]}',
    '{"model":"m","messages":[{"role":"assistant","tool_calls":[%s]}]}',
    '{"model":"m","input":[%s]}',
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_body_of_the_largest_size_is_refused_for_its_values(place: str, shape: str) -> None:
    body = (place % ",".join([shape] * ((LIMITS.body_bytes - 200) // (len(shape) + 1)))).encode()
    assert not nodes.small(body)
    with pytest.raises(LimitExceeded, match="json_nodes"):
        parse_request(body, LIMITS)


def test_json_within_json_is_counted_too() -> None:
    with pytest.raises(LimitExceeded, match="values"):
        embedded("[" + ",".join(['"\\u0041"'] * 60_000) + "]")


def test_ordinary_large_requests_are_within_the_limits() -> None:
    prose = "One, two, three; [four] {five}. " * 30_000
    talk = [
        {"role": ("user", "assistant")[n % 2], "content": f"message {n}, with [some] {{marks}}"} for n in range(2_000)
    ]
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string", "enum": ["a", "b"]} for n in range(20)}}
    tools = [{"type": "function", "function": {"name": f"f{n}", "parameters": schema}} for n in range(128)]
    for dialect, tree in (
        (Chat(), {"model": "m", "messages": [{"role": "user", "content": prose}]}),
        (Chat(), {"model": "m", "messages": talk, "tools": tools}),
        (Messages(), {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": prose}]}),
        (Responses(), {"model": "m", "input": prose}),
    ):
        body = json.dumps(tree).encode()
        found = dialect.request(parse_request(body, LIMITS), LIMITS)
        assert 0 < len(found.messages) <= LIMITS.texts
