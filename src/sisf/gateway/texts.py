"""Finding every text in a JSON document: known places by name, and whatever else there is, so that nothing hides."""

import json
import re
from collections.abc import Iterator
from typing import Any

from sisf.errors import LimitExceeded
from sisf.exchange import Message, Role
from sisf.gateway import nodes
from sisf.gateway.wire import Malformed, Uninspectable, parse

PROTOCOL_WORDS = frozenset(
    # Words of the protocols themselves: alone they say nothing. Everything else is inspected, keys included.
    """
    role content type text name id index function tool tools tool_calls tool_call_id arguments parameters strict
    user assistant system developer input_text output_text refusal function_call function_call_output custom
    object string number integer boolean array null properties required items enum description
    additionalProperties anyOf oneOf allOf const default format title minimum maximum minItems maxItems minLength
    maxLength pattern $ref $defs $schema definitions json_schema json_object schema auto none any low medium high
    minimal xhigh concise detailed model stream include_usage include_obfuscation flex priority standard_only
    message tool_use tool_result thinking input input_schema cache_control ephemeral ttl is_error
    disable_parallel_tool_use reasoning summary call_id output status completed in_progress in-memory 24h
    assistant_tool effort verbosity json float base64
    """.split()
)
"""Never inspected on their own."""
_MACHINE_ID = re.compile(
    r"(?:call|fc|toolu|msg|resp|rs|chatcmpl|cmpl)[-_](?=[A-Za-z]*[0-9])[A-Za-z0-9]{16,64}|[0-9a-f]{16,64}"
)
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_NO_TEXT_TYPES = frozenset(
    "image_url input_image image input_audio audio file input_file document video video_url computer_screenshot".split()
)
_NO_TEXT_KEYS = frozenset("image_url input_audio audio file file_id file_url file_data video_url".split())
_JSON_IN_JSON = 4
_EMBEDDED_NODES = 50_000


def is_model_name(value: object) -> bool:
    """Whether `value` looks like the name of a model and nothing else."""
    return isinstance(value, str) and _MODEL_NAME.fullmatch(value) is not None


def strings(value: Any) -> Iterator[str]:
    """All strings in `value`, object keys included, apart from words of the protocol and machine-made ids."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if item and item not in PROTOCOL_WORDS and not _MACHINE_ID.fullmatch(item):
                yield item
        elif isinstance(item, dict):
            for key, child in reversed(item.items()):
                stack += (child, key)
        elif isinstance(item, list):
            stack.extend(reversed(item))


def joined(role: Role, value: Any, origin: str) -> list[Message]:
    """One message of all strings in `value`, or none."""
    found = list(strings(value))
    text = "\n".join(found)
    return [Message(role, text, origin)] if found else []


def embedded(text: str, depth: int = 0) -> list[str]:
    """The strings of a JSON document inside a string, where escapes hide what they say."""
    if "\\" not in text or depth >= _JSON_IN_JSON:
        return []
    try:
        raw = b'{"":' + text.encode() + b"}"
        if nodes.at_most(raw) > _EMBEDDED_NODES and nodes.nodes(raw) > _EMBEDDED_NODES:
            raise LimitExceeded(f"A text is JSON of more than {_EMBEDDED_NODES:,} values.", code="too_many_values")
        tree = parse(raw)
    except (Malformed, UnicodeEncodeError):
        return []
    found = list(strings(tree))
    return [*found, *(inner for string in found for inner in embedded(string, depth + 1))]


def with_embedded(role: Role, text: str, origin: str) -> list[Message]:
    """`text` itself and, where it is JSON with escapes, what it says once decoded."""
    inner = embedded(text)
    messages = [Message(role, text, origin)] if text else []
    return [*messages, Message(role, "\n".join(inner), f"{origin} (decoded)")] if inner else messages


def parts(role: Role, content: Any, origin: str, opaque: list[str] | None = None) -> list[Message]:
    """The texts of a `content`: a string, or an array of typed parts.

    Raises `Uninspectable` for a part that holds anything but text; given `opaque`, its place is noted there instead.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return with_embedded(role, content, origin) if role is Role.TOOL else [Message(role, content, origin)]
    if not isinstance(content, list):
        return joined(role, content, origin)
    messages: list[Message] = []
    for index, part in enumerate(content):
        place = f"{origin}[{index}]"
        if isinstance(part, dict):
            messages += _part(role, part, place, opaque)
        else:
            messages += parts(role, part, place) if isinstance(part, str) else joined(role, part, place)
    return messages


def _part(role: Role, part: dict[str, Any], place: str, opaque: list[str] | None) -> list[Message]:
    kind = part.get("type")
    hidden = _NO_TEXT_KEYS & part.keys() or kind in _NO_TEXT_TYPES or isinstance(part.get("source"), dict)
    if hidden:
        if opaque is None:
            raise Uninspectable(f"{place} ({kind if kind in _NO_TEXT_TYPES else 'a part'}) holds no text to inspect")
        opaque.append(place)
        return []
    messages: list[Message] = []
    for key, value in part.items():
        if key not in PROTOCOL_WORDS:
            messages.append(Message(role, key, f"{place} (key)"))
        if key == "content":
            messages += parts(role, value, f"{place}.{key}", opaque)
        elif isinstance(value, str):
            if value not in PROTOCOL_WORDS and not _MACHINE_ID.fullmatch(value):
                messages += with_embedded(role, value, f"{place}.{key}")
        else:
            messages += joined(role, value, f"{place}.{key}")
    return messages


def dumps(tree: Any) -> bytes:
    """JSON as APIs send it: compact, UTF-8."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
