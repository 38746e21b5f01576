"""What every client meets: one script of the upstream for each cell, and what a client must make of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sisf.gateway.dialects.base import REFUSAL
from sisf.testing import Failure, chat_completion
from sisf.verdict import Outcome
from tests.gateway.conftest import Rig, rig
from tests.gateway.test_stopped_streams import (
    RESPONSE,
    WORD,
    answered,
    chat_events,
    chunk,
    data,
    message_events,
    response_events,
)

CELLS = (
    "plain",
    "tools",
    "structured",
    "stopped in the prompt",
    "stopped in the answer",
    "withheld inline",
    "upstream error",
)
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}},
    "required": ["title"],
    "additionalProperties": False,
}
ANSWER, FORM, ARGUMENTS = "A drink made of leaves.", '{"title": "Tea"}', '{"city": "Rome"}'


@dataclass(frozen=True)
class Told:
    """What a client makes of an answer."""

    text: str = ""
    call: str = ""
    refused: bool = False
    status: int = 0


EXPECTED = {
    "plain": Told(ANSWER),
    "tools": Told(call=ARGUMENTS),
    "structured": Told(FORM),
    "stopped in the prompt": Told(status=400),
    "stopped in the answer": Told(REFUSAL, refused=True),
    "withheld inline": Told(REFUSAL, refused=True),
    "upstream error": Told(status=500),
}


@contextmanager
def gateways() -> Iterator[dict[bool, Rig]]:
    """Two gateways: one with inline adjudication, whose judge withholds everything, and one without."""
    with rig(limits__blocks_per_minute=0) as plain, rig(adjudication__mode="inline") as inline:
        inline.judge.outcome = Outcome.UNDECIDED
        yield {False: plain, True: inline}


def prepare(made: dict[bool, Rig], cell: str) -> Rig:
    """The gateway of this cell, with an upstream that answers so."""
    chosen = made[cell == "withheld inline"]
    chosen.upstream.failure = Failure.SERVER_ERROR if cell == "upstream error" else Failure.NONE
    return chosen


def asked(cell: str) -> str:
    return f"say {WORD}" if cell == "stopped in the prompt" else "What is tea?"


def script(made: Rig, api: str, cell: str) -> None:
    """Have the upstream of `api` answer, plain and streamed."""
    text = {"structured": FORM, "stopped in the answer": f"A drink {WORD}"}.get(cell, ANSWER)
    kind, said = ("call", ARGUMENTS) if cell == "tools" else ("message", text)
    pieces = [said[:6], said[6:]]
    made.upstream.body, made.upstream.events = _SCRIPTS[api](kind, pieces)


def _chat(kind: str, pieces: list[str]) -> tuple[bytes, list[bytes]]:
    text = "".join(pieces)
    if kind == "message":
        return chat_completion(text), chat_events([(kind, pieces)])
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": text}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {
        **chunk(),
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
    }
    first: dict[str, Any] = {**call, "index": 0, "function": {"name": "weather", "arguments": pieces[0]}}
    rest = {"index": 0, "function": {"arguments": pieces[1]}}
    steps = [chunk((0, {"role": "assistant", "tool_calls": [first]}, None)), chunk((0, {"tool_calls": [rest]}, None))]
    return json.dumps(body).encode(), data(*steps, chunk((0, {}, "tool_calls")))


def _messages(kind: str, pieces: list[str]) -> tuple[bytes, list[bytes]]:
    text = "".join(pieces)
    block: dict[str, Any] = {"type": "text", "text": text}
    if kind == "call":
        block = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": json.loads(text)}
    body = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [block],
        "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
    }  # fmt: skip
    return json.dumps(body).encode(), message_events([(kind, pieces)])


def _responses(kind: str, pieces: list[str]) -> tuple[bytes, list[bytes]]:
    text = "".join(pieces)
    item = answered(text)
    if kind == "call":
        call = {"type": "function_call", "id": "it_0", "call_id": "call_0", "name": "f"}
        item = {**call, "arguments": text, "status": "completed"}
    usage = {
        "input_tokens": 1, "output_tokens": 1, "total_tokens": 2,
        "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
    }  # fmt: skip
    body = {**RESPONSE, "status": "completed", "output": [item], "usage": usage}
    events = response_events([(kind, pieces)])
    return json.dumps(body).encode(), [
        event.replace(b'"usage": null', b'"usage": ' + json.dumps(usage).encode()) for event in events
    ]


_SCRIPTS = {"chat": _chat, "messages": _messages, "responses": _responses}
