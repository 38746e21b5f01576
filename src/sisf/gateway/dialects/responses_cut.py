"""A response that is stopped midway: the events that end what its client saw begin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sisf.gateway.dialects.base import StreamState


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of text that flows in deltas."""

    array: str
    """Where its parts stand in an item."""
    number: str
    """The key of an event that numbers them."""
    key: str
    """Where the text stands in a part."""
    done: str
    """The event that ends a part."""


_TEXTS = {
    "response.output_text": _Kind("content", "content_index", "text", "response.content_part.done"),
    "response.refusal": _Kind("content", "content_index", "refusal", "response.content_part.done"),
    "response.reasoning_text": _Kind("content", "content_index", "text", "response.content_part.done"),
    "response.reasoning_summary_text": _Kind(
        "summary", "summary_index", "text", "response.reasoning_summary_part.done"
    ),
}
_NAMES = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "reasoning_text": "response.reasoning_text",
    "summary_text": "response.reasoning_summary_text",
}
"""The events of a part's text, by its type."""


def cut_off(state: StreamState) -> tuple[list[dict[str, Any]], list[Any]]:
    """The events that end the open items, and the items that the response ends with.

    A call or a form that was cut is not among these: clients parse them, and half of one is none.
    """
    events: list[dict[str, Any]] = []
    kept = {index: tree.get("item") for index, tree in state.done.items()}
    for index, seen in sorted(state.open_blocks.items()):
        begun = seen[0].get("item")
        if not isinstance(begun, dict):
            continue
        cut = {**begun, "status": "incomplete"}
        at = {"item_id": begun.get("id"), "output_index": index}
        for parts in _parts(seen[1:]):
            cut[parts.array] = [part for _, part in sorted(parts.parts.items())]
            events += parts.ends(at, told=not state.asked.structured)
        events.append({"type": "response.output_item.done", "output_index": index, "item": cut})
        if begun.get("type") in ("message", "reasoning") and not state.asked.structured:
            kept[index] = cut
    return events, [item for _, item in sorted(kept.items()) if isinstance(item, dict)]


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of one array of an item, as far as they came."""

    array: str
    parts: dict[int, dict[str, Any]]
    open: dict[int, str]
    """Those that have not ended, with the name of their text's events."""

    def ends(self, at: Mapping[str, Any], *, told: bool) -> list[dict[str, Any]]:
        """The events that end the open ones; `told`: with their text, which clients parse where they want a form."""
        events: list[dict[str, Any]] = []
        for number, name in sorted(self.open.items()):
            part = self.parts[number]
            kind = _TEXTS[name]
            where = {**at, kind.number: number}
            if told:
                logprobs: dict[str, Any] = {"logprobs": []} if name == "response.output_text" else {}
                events.append({"type": f"{name}.done", **where, kind.key: part.get(kind.key), **logprobs})
            events.append({"type": kind.done, **where, "part": part})
        return events


def _parts(seen: Sequence[Mapping[str, Any]]) -> list[_Parts]:
    found: dict[str, _Parts] = {}
    for event in seen:
        name, _, what = str(event.get("type")).rpartition(".")
        part = event.get("part")
        if isinstance(part, dict):
            name = _NAMES.get(str(part.get("type")), "")
        kind = _TEXTS.get(name)
        number = event.get(kind.number, 0) if kind else None
        if kind is None or type(number) is not int:
            continue
        parts = found.setdefault(kind.array, _Parts(kind.array, {}, {}))
        if isinstance(part, dict):
            parts.parts[number] = dict(part)
        elif isinstance(event.get("delta"), str):
            part = parts.parts.setdefault(number, {"type": name.removeprefix("response."), kind.key: ""})
            part[kind.key] = f"{part.get(kind.key) or ''}{event['delta']}"
        if what == "done":
            parts.open.pop(number, None)
        else:
            parts.open[number] = name
    return list(found.values())
