"""Replacing blocked turns of a conversation by a neutral note, so that what stays is still well formed for its API."""

import copy
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sisf.errors import HttpFailure
from sisf.pipeline.conversation import Turns
from sisf.pipeline.turn import Inspected

NOTE = "[This message was withheld by a safety policy.]"
"""What a model reads in place of a turn that was blocked."""
TURNS = {"chat": "messages", "messages": "messages", "count_tokens": "messages", "responses": "input"}
"""Where the turns of a conversation stand, by the dialect's name."""
_KEPT = frozenset("role type id call_id tool_call_id tool_use_id name status is_error".split())
"""What ties a turn to others. It says nothing, or it is inspected again and found to say something."""
_TEXT_TYPES = frozenset(("text", "input_text", "output_text"))


def turns_of(dialect: str, request: Inspected, read: Callable[[dict[str, Any]], Inspected]) -> Turns | None:
    """How a request is cut into turns; None for an API without a conversation. `read` inspects a document anew."""
    key = TURNS.get(dialect)
    if key is None or not isinstance(request.tree.get(key), list):
        return None

    def without(places: Collection[int]) -> Inspected:
        return read(redacted(request.tree, key, places))

    return Turns(key, without)


def redacted(tree: Mapping[str, Any], key: str, places: Collection[int]) -> dict[str, Any]:
    """A copy of a document with the turns at those places of the array `key` replaced by the note.

    Raises `HttpFailure` for a turn that is no object.
    """
    made = dict(tree)
    made[key] = list(tree[key])
    for place in places:
        item = made[key][place]
        if not isinstance(item, dict):
            raise HttpFailure(400, "invalid_request", f"{key}[{place}] must be an object.", f"{key}[{place}]")
        made[key][place] = _without_words(copy.deepcopy(item))
    return made


def _without_words(item: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in item.items() if name in _KEPT}
    for name, value in item.items():
        if name == "content":
            kept[name] = _content(value, calls="tool_calls" in item)
        elif name == "output":  # of a tool, in responses
            kept[name] = NOTE
        elif name == "summary":  # of reasoning, in responses
            kept[name] = []
        elif name == "arguments":
            kept[name] = "{}"
        elif name == "input":
            kept[name] = {} if item.get("type") in ("tool_use", "server_tool_use") else ""
        elif name == "tool_calls" and isinstance(value, list):
            kept[name] = [_call(call) for call in value]
        elif name == "function_call" and isinstance(value, dict):
            kept[name] = {"name": value.get("name"), "arguments": "{}"}
    return kept


def _call(call: Any) -> Any:
    if not isinstance(call, dict):
        return {}
    kept = {name: value for name, value in call.items() if name in ("id", "type", "index")}
    function = call.get("function")
    return (
        {**kept, "function": {"name": function.get("name"), "arguments": "{}"}} if isinstance(function, dict) else kept
    )


def _content(value: Any, *, calls: bool) -> Any:
    """The note in the form of what it replaces; calls and results of tools stay, because others refer to them."""
    if value is None and calls:
        return None
    if not isinstance(value, list):
        return NOTE
    tied = [part for part in value if isinstance(part, dict) and ("tool_use_id" in part or part.get("type") in _CALLS)]
    kept = [_without_words(part) if "content" in part or "input" in part else {**_ties(part)} for part in tied]
    if kept:
        return kept
    kind = next((p["type"] for p in value if isinstance(p, dict) and p.get("type") in _TEXT_TYPES), "text")
    return [{"type": kind, "text": NOTE}]


def _ties(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name in _KEPT}


_CALLS = ("tool_use", "server_tool_use")
