"""Streams of every dialect as upstreams may send them: mixed, padded, commented, cut anywhere."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

WORD = "FORBIDDEN"
DIALECTS = ("chat", "completions", "messages", "responses")
_WORDS = "tea with milk and honey is a fine thing on a cold day \u00e9t\u00e9 \U0001f600 of rain".split()
_KINDS = {"chat": ("text", "thought", "call"), "completions": ("text",)}
_NOISE = (
    b": harmless comment\n\n",
    b": keep-alive\n\n",
    b"data:\n\n",
    b"data: {}\n\n",
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b"retry: 100\n\n",
    b"id: 7\n\n",
)
_UNKNOWN: tuple[dict[str, Any], ...] = (
    {"x_note": "a harmless note"},
    {"x_filter": {"hate": {"filtered": False, "severity": "safe"}}},
    {"x_list": [1, "two", {"three": None}]},
    {"x_flag": True},
)


@dataclass(frozen=True)
class Text:
    """One text of an answer."""

    index: int
    """Of its choice, block or item."""
    kind: str
    """`text`, `thought` or `call`."""
    said: str
    """As it stands in the deltas."""

    @property
    def place(self) -> tuple[int, str]:
        return self.index, self.kind


@dataclass(frozen=True)
class Stream:
    dialect: str
    texts: tuple[Text, ...]
    raw: bytes
    chunks: tuple[bytes, ...]
    asked: int
    """How many answers are asked for."""


def stream(number: int) -> Stream:
    """The stream of this number. A third of them hold `WORD` in one of their texts."""
    chance = random.Random(number)
    dialect = chance.choice(DIALECTS)
    texts = list(_texts(chance, dialect))
    if chance.random() < 1 / 3:
        place = chance.randrange(len(texts))
        texts[place] = Text(texts[place].index, texts[place].kind, _with_word(chance, texts[place].said))
    asked = 1 + max(text.index for text in texts) if dialect in ("chat", "completions") else 1
    events = list(_OPENING[dialect](texts))
    for event in _mixed(chance, dialect, texts):
        if chance.random() < 0.15:
            events.append(chance.choice(_NOISE))
        events.append(_framed(dialect, {**event, **(chance.choice(_UNKNOWN) if chance.random() < 0.1 else {})}))
    events += _ENDING[dialect](texts)
    raw = b"".join(events)
    if chance.random() < 0.2:
        raw = raw.replace(b"\n", b"\r\n")
    return Stream(dialect, tuple(texts), raw, tuple(_cut(chance, raw)), asked)


def shown(dialect: str, body: bytes) -> dict[tuple[int, str], str]:
    """What a client reads of each text."""
    found: dict[tuple[int, str], str] = {}
    for line in body.decode(errors="replace").splitlines():
        if line.startswith("data: {"):
            for place, piece in _pieces(dialect, json.loads(line.removeprefix("data: "))):
                found[place] = found.get(place, "") + piece
    return found


def _texts(chance: random.Random, dialect: str) -> Iterator[Text]:
    for index in range(chance.choice((1, 1, 2, 3))):
        if dialect in ("messages", "responses"):
            kinds = [chance.choice(("text", "thought", "call"))]
        else:
            kinds = chance.sample(_KINDS[dialect], chance.randint(1, len(_KINDS[dialect])))
        for kind in kinds:
            said = " ".join(chance.choice(_WORDS) for _ in range(chance.choice((1, 5, 40, 120))))
            yield Text(
                index, kind, json.dumps({"a": said}, ensure_ascii=chance.random() < 0.5) if kind == "call" else said
            )


def _with_word(chance: random.Random, said: str) -> str:
    spaces = [place for place, letter in enumerate(said) if letter == " " and said[place - 1] != ":"]
    place = chance.choice(spaces) if spaces else said.index('"', 3) + 1 if said.startswith("{") else 0
    return f"{said[:place]} {WORD} {said[place:]}"


def _mixed(chance: random.Random, dialect: str, texts: list[Text]) -> Iterator[dict[str, Any]]:
    """The pieces of all texts, in turns (or blocks one after the other)."""
    pieces = {text.place: list(_cut_text(chance, text.said)) for text in texts}
    together = dialect != "messages" and chance.random() < 0.7
    waiting = list(texts)
    open_now: set[int] = set()
    while waiting:
        text = chance.choice(waiting) if together else waiting[0]
        if text.index not in open_now:
            open_now.add(text.index)
            yield from _begins(dialect, text)
        if pieces[text.place]:
            yield _delta(dialect, text, pieces[text.place].pop(0))
        if not pieces[text.place]:
            waiting.remove(text)
            if all(other.index != text.index for other in waiting):
                yield from _ends(dialect, text)


def _cut_text(chance: random.Random, said: str) -> Iterator[str]:
    longest = chance.choice((3, 12, 200))
    while said:
        size = chance.randint(1, longest)
        yield said[:size]
        said = said[size:]


def _cut(chance: random.Random, raw: bytes) -> Iterator[bytes]:
    longest = chance.choice((1, 7, 100, 4_000)) if len(raw) < 3_000 else chance.choice((20, 300, 4_000))
    place = 0
    while place < len(raw):
        size = chance.randint(1, longest)
        yield raw[place : place + size]
        place += size


def _framed(dialect: str, tree: dict[str, Any]) -> bytes:
    name = b"event: " + tree["type"].encode() + b"\n" if dialect in ("messages", "responses") else b""
    return name + b"data: " + json.dumps(tree).encode() + b"\n\n"


def _delta(dialect: str, text: Text, piece: str) -> dict[str, Any]:
    if dialect == "chat":
        call = {"index": 0, "function": {"arguments": piece}}
        deltas = {"text": {"content": piece}, "thought": {"reasoning_content": piece}, "call": {"tool_calls": [call]}}
        return {**_HEAD, "choices": [{"index": text.index, "delta": deltas[text.kind], "finish_reason": None}]}
    if dialect == "completions":
        choice = {"index": text.index, "text": piece, "logprobs": None, "finish_reason": None}
        return {**_HEAD, "object": "text_completion", "choices": [choice]}
    if dialect == "messages":
        keys = {"text": ("text_delta", "text"), "thought": ("thinking_delta", "thinking")}
        kind, key = keys.get(text.kind, ("input_json_delta", "partial_json"))
        return {"type": "content_block_delta", "index": text.index, "delta": {"type": kind, key: piece}}
    return {
        "type": _RESPONSE_KINDS[text.kind],
        "output_index": text.index,
        "item_id": f"i_{text.index}",
        "delta": piece,
    }


def _pieces(dialect: str, tree: dict[str, Any]) -> Iterator[tuple[tuple[int, str], str]]:
    if dialect == "messages" and tree.get("type") == "content_block_delta":
        delta = tree["delta"]
        kinds = {"text_delta": ("text", "text"), "thinking_delta": ("thought", "thinking")}
        kind, key = kinds.get(delta["type"], ("call", "partial_json"))
        yield (tree["index"], kind), delta[key]
    for kind, name in _RESPONSE_KINDS.items() if dialect == "responses" else ():
        if tree.get("type") == name:
            yield (tree["output_index"], kind), tree["delta"]
    for choice in tree.get("choices") or ():
        delta = choice.get("delta") or {}
        place = choice["index"]
        yield (place, "text"), choice.get("text") or delta.get("content") or ""
        yield (place, "thought"), delta.get("reasoning_content") or ""
        for call in delta.get("tool_calls") or ():
            yield (place, "call"), call["function"]["arguments"]


_HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
_RESPONSE_KINDS = {
    "text": "response.output_text.delta",
    "thought": "response.reasoning_text.delta",
    "call": "response.function_call_arguments.delta",
}
_BLOCKS: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": ""},
    "thought": {"type": "thinking", "thinking": "", "signature": ""},
    "call": {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
}
_RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress", "output": []}


def _item(text: Text, said: str) -> dict[str, Any]:
    if text.kind == "call":
        return {"type": "function_call", "id": f"i_{text.index}", "call_id": "call_1", "name": "f", "arguments": said}
    part = {"type": "output_text" if text.kind == "text" else "reasoning_text", "text": said}
    content = [part] if said else []
    if text.kind == "text":
        return {"type": "message", "id": f"i_{text.index}", "role": "assistant", "content": content}
    return {"type": "reasoning", "id": f"i_{text.index}", "summary": [], "content": content}


def _begins(dialect: str, text: Text) -> Iterator[dict[str, Any]]:
    if dialect == "messages":
        yield {"type": "content_block_start", "index": text.index, "content_block": _BLOCKS[text.kind]}
    if dialect == "responses":
        yield {"type": "response.output_item.added", "output_index": text.index, "item": _item(text, "")}


def _ends(dialect: str, text: Text) -> Iterator[dict[str, Any]]:
    if dialect == "chat":
        yield {**_HEAD, "choices": [{"index": text.index, "delta": {}, "finish_reason": "stop"}]}
    if dialect == "completions":
        yield {**_HEAD, "choices": [{"index": text.index, "text": "", "finish_reason": "stop"}]}
    if dialect == "messages":
        yield {"type": "content_block_stop", "index": text.index}
    if dialect == "responses":
        yield {"type": "response.output_item.done", "output_index": text.index, "item": _item(text, text.said)}


def _message_starts(_: list[Text]) -> list[bytes]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    return [_framed("messages", {"type": "message_start", "message": message})]


def _message_ends(_: list[Text]) -> list[bytes]:
    ending = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
    return [_framed("messages", ending), _framed("messages", {"type": "message_stop"})]


def _response_starts(_: list[Text]) -> list[bytes]:
    return [_framed("responses", {"type": "response.created", "response": _RESPONSE})]


def _response_ends(texts: list[Text]) -> list[bytes]:
    ending = {**_RESPONSE, "status": "completed", "output": [_item(text, text.said) for text in texts]}
    return [_framed("responses", {"type": "response.completed", "response": ending})]


_OPENING = {
    "chat": lambda _: [],
    "completions": lambda _: [],
    "messages": _message_starts,
    "responses": _response_starts,
}
_ENDING = {
    "chat": lambda _: [b"data: [DONE]\n\n"],
    "completions": lambda _: [b"data: [DONE]\n\n"],
    "messages": _message_ends,
    "responses": _response_ends,
}
