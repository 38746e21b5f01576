"""Streams in which nothing may be sent for a while: clients and proxies must not give up."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import pytest

from sisf.verdict import Outcome
from tests.gateway.conftest import Rig, chat, rig

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
COMMENT = b": keep-alive\n\n"


def event(tree: dict[str, Any]) -> bytes:
    return f"event: {tree['type']}\ndata: {json.dumps(tree)}\n\n".encode()


START: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "c",
    "content": [],
    "stop_reason": None,
}
MESSAGE = [
    event({"type": "message_start", "message": {**START, "usage": {"input_tokens": 1, "output_tokens": 1}}}),
    event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Some answer."}}),
    event({"type": "content_block_stop", "index": 0}),
    event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
    event({"type": "message_stop"}),
]
ITEM: dict[str, Any] = {
    "type": "message",
    "id": "msg_2",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Some answer.", "annotations": []}],
}
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": [], "tools": []}
AT = {"output_index": 0, "content_index": 0, "item_id": "msg_2"}
RESPONSES = [
    event({"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}, "sequence_number": 0}),
    event({"type": "response.output_item.added", "output_index": 0, "item": {**ITEM, "content": []}}),
    event({"type": "response.content_part.added", **AT, "part": {**ITEM["content"][0], "text": ""}}),
    event({"type": "response.output_text.delta", **AT, "delta": "Some answer.", "sequence_number": 3}),
    event({"type": "response.output_item.done", "output_index": 0, "item": ITEM}),
    event({"type": "response.completed", "response": {**RESPONSE, "status": "completed", "output": [ITEM]}}),
]


@contextmanager
def slow_judge(monkeypatch: pytest.MonkeyPatch, events: list[bytes]) -> Iterator[Rig]:
    """Inline adjudication that withholds every answer, long after the client got keep-alives."""
    monkeypatch.setattr("sisf.gateway.relay._KEEP_ALIVE_SECONDS", 0.05)
    with rig(adjudication__mode="inline") as gateway:
        gateway.judge.outcome = Outcome.UNDECIDED
        gateway.judge.delay = 0.4
        gateway.upstream.events = events
        yield gateway


def test_a_message_withheld_after_keep_alives_is_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    with slow_judge(monkeypatch, MESSAGE) as gateway:
        body = gateway.post({**chat("x", stream=True), "max_tokens": 9}, path="/v1/messages").body
        assert body.startswith(PING)
        assert b"Some answer." not in body
        with (
            anthropic.Anthropic(base_url=gateway.url, api_key="x", max_retries=0) as client,
            client.messages.stream(model="c", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as stream,
        ):
            assert stream.get_final_message().stop_reason == "refusal"


def test_a_response_withheld_after_keep_alives_is_well_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    with slow_judge(monkeypatch, RESPONSES) as gateway:
        body = gateway.post({"model": "m", "input": "x", "stream": True}, path="/v1/responses").body
        assert body.startswith(COMMENT)
        assert b"Some answer." not in body
        with (
            openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0) as client,
            client.responses.stream(model="m", input="x") as stream,
        ):
            assert stream.get_final_response().status == "incomplete"


@contextmanager
def slow_upstream(first: bytes, last: bytes, seconds: float) -> Iterator[str]:
    """A server that pauses in the middle of a stream."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + first
            )
            time.sleep(seconds)
            connection.sendall(last)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(60)


def test_a_tool_call_that_is_held_back_keeps_the_connection_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisf.gateway.relay._KEEP_ALIVE_SECONDS", 0.05)
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "write", "arguments": '{"a":"x'}}
    first = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    rest = {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '"}'}}]}}]}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    events = [f"data: {json.dumps(tree)}\n\n".encode() for tree in (first, rest, last)]
    with (
        slow_upstream(events[0], b"".join(events[1:]) + b"data: [DONE]\n\n", 0.4) as url,
        rig(upstream_url=url) as made,
    ):
        body = made.post(chat("x", stream=True)).body
        assert COMMENT in body
        assert body.replace(COMMENT, b"") == b"".join([*events, b"data: [DONE]\n\n"])


@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "application/octet-stream"])
def test_a_stream_that_is_called_something_else_is_one(kind: str) -> None:
    events = [b'data: {"choices": [{"index": 0, "delta": {"content": "Yes"}}]}\n\n', b"data: [DONE]\n\n"]
    with rig() as gateway:
        gateway.upstream.headers, gateway.upstream.events = {"content-type": kind}, events
        assert gateway.post(chat("x", stream=True)).body == b"".join(events)
