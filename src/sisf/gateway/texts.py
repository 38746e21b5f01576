"""Finding every text in a JSON document whose form nobody knows, so that nothing hides."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from sisf.errors import LimitExceeded
from sisf.exchange import Message, Role
from sisf.gateway import expressions, nodes
from sisf.gateway.spelled import FEWEST, is_text, spellings
from sisf.gateway.wire import Malformed, parse_loosely

KEY_WORDS = frozenset(
    # Keys of the protocols, of JSON Schema and of usage figures. A key that is none of these is inspected.
    """
    role content type text name id index function tool tools tool_calls tool_call_id arguments parameters strict
    refusal function_call properties required items enum description additionalProperties anyOf oneOf allOf const
    default format title minimum maximum minItems maxItems minLength maxLength pattern $ref $defs $schema definitions
    json_schema schema input input_schema cache_control ttl is_error disable_parallel_tool_use reasoning summary
    call_id output status effort verbosity message code param error url
    usage prompt_tokens completion_tokens total_tokens prompt_tokens_details completion_tokens_details cached_tokens
    audio_tokens reasoning_tokens accepted_prediction_tokens rejected_prediction_tokens text_tokens image_tokens
    input_tokens output_tokens input_tokens_details output_tokens_details cache_creation_input_tokens
    cache_read_input_tokens cache_creation ephemeral_5m_input_tokens ephemeral_1h_input_tokens server_tool_use
    web_search_requests web_fetch_requests service_tier queue_time prompt_time completion_time total_time
    """.split()
)
TYPE_WORDS = frozenset(
    """
    object string number integer boolean array null function custom json_schema json_object text ephemeral auto none
    any tool required user assistant system developer
    """.split()
)
"""Values that say nothing where the key is `type` or `role`."""
_PREFIX = re.compile(
    r"(?:(?:call|fc|toolu|srvtoolu|tool|msg|resp|rs|chatcmpl|cmpl|gen|req|fp|ws|fs|ci|ig|cu|ctc|mcp|run|item|embd)[-_])*"
)
_TOKEN = re.compile(r"[A-Za-z0-9]{1,64}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_HEX = re.compile(r"[0-9a-f-]+")
_RUN = re.compile(r"[a-z]{5}|[A-Z]{5}|[A-Z][a-z]{4}")
_SEAL = re.compile(r"[A-Za-z0-9+/_-]{64,}={0,2}")
_LONG_RUN = re.compile(r"[a-z]{12}|[A-Z]{12}|[A-Z][a-z]{11}")
_ALPHABET = re.compile(r"[A-Za-z0-9+/=_-]*")
_WORD = re.compile(r"[a-z]{8}|[A-Z]{8}|[A-Z][a-z]{7}")
_PADDED = 64
_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,32};base64,[A-Za-z0-9+/=]+")
_DETAILS = ("auto", "low", "high", "original")
_SENTENCE = re.compile(r"\A[A-Za-z]{12,}\Z|[a-z]{20}|[A-Z]{20}")
_DIGITS = re.compile(r"[0-9]+")
_JSON_IN_JSON = 4
_EMBEDDED_NODES = 50_000


def is_opaque_id(value: str) -> bool:
    """Whether an id of a machine holds nothing to read: no five letters in a row, and no text in hexadecimal.

    Asked only at the places where an API keeps its ids; what is not opaque is inspected there, too.
    """
    token = value[_PREFIX.match(value).end() :]  # type: ignore[union-attr]
    if not _TOKEN.fullmatch(token):
        return False
    if not _HEX.fullmatch(token):
        return not _RUN.search(token)
    digits = token.replace("-", "")
    return len(digits) < 10 or not is_text(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def with_words(value: str) -> bool:
    """Whether there are five letters in a row, or any beyond ASCII: numbers, dates and codes have none."""
    return _RUN.search(value) is not None or not value.isascii()


def is_sealed(value: str) -> bool:
    """Whether a value that an upstream sealed for itself holds nothing to read. Asked only at the places of seals."""
    if not _SEAL.fullmatch(value) or _LONG_RUN.search(value):
        return False
    body = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return not is_text(base64.b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:
        return False


def is_padding(value: str) -> bool:
    """Whether random characters hold nothing to read. Asked only where a stream's events are padded with such."""
    return len(value) <= _PADDED and _ALPHABET.fullmatch(value) is not None and not _WORD.search(value)


def is_numbers(value: str) -> bool:
    """Whether base64 holds the bytes of numbers, nothing to read. Asked only of embeddings."""
    try:
        return not is_text(base64.b64decode(value, validate=True)) and not _SENTENCE.search(value)
    except ValueError:
        return False


def data_url(value: Any) -> str:
    """The data URL of an image that stands in a document, in the forms of all APIs; empty for anything else, as one
    that is only named: nobody knows what its address brings next time."""
    if isinstance(value, dict) and value.keys() <= {"url", "detail"} and value.get("detail", "auto") in _DETAILS:
        value = value.get("url")
    elif isinstance(value, dict) and value.keys() == {"type", "media_type", "data"} and value["type"] == "base64":
        value = f"data:{value['media_type']};base64,{value['data']}"
    return value if isinstance(value, str) and _DATA_URL.fullmatch(value) else ""


def strings(value: Any) -> Iterator[str]:
    """All strings in `value`, object keys included, apart from the protocols' own keys and types; what its numbers say,
    and what its regular expressions and grammars have a model write."""
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if item:
                yield item
        elif isinstance(item, dict):
            for key, child in reversed(item.items()):
                if key not in ("type", "role") or not isinstance(child, str) or child not in TYPE_WORDS:
                    stack.append(child)
                if key not in KEY_WORDS:
                    stack.append(key)
                stack.extend(_expressed(key, child))
        elif isinstance(item, list):
            stack.extend(reversed(item))
    yield from spellings(value)


def _expressed(key: str, value: Any) -> Iterator[str]:
    """What the regular expressions and grammars directly under a key have a model write."""
    if key in expressions.KEYS:
        given = [value]
    elif key == expressions.OBJECTS and isinstance(value, dict):
        given = list(value)
    else:
        return
    for expression in given:
        if isinstance(expression, str):
            yield from expressions.readings(expression)


def joined(role: Role, value: Any, origin: str) -> list[Message]:
    """One message of all strings in `value`, or none."""
    text = "\n".join(strings(value))
    return [Message(role, text, origin)] if text else []


def leaves(role: Role, value: Any, origin: str) -> list[Message]:
    """A message for each place in `value` with a string, so that pieces of a stream come together; one of keys, and one
    of what its numbers say."""
    found: dict[str, list[str]] = {}
    stack: list[tuple[str, Any]] = [(origin, value)]
    while stack:
        place, item = stack.pop()
        if isinstance(item, str):
            found.setdefault(place, []).append(item)
        elif isinstance(item, dict):
            found.setdefault(f"{origin} (keys)", []).extend(key for key in item if key not in KEY_WORDS)
            stack += [(f"{place}.{key}", child) for key, child in reversed(item.items())]
        elif isinstance(item, list):
            stack += [(f"{place}[]", child) for child in reversed(item)]
    found[f"{origin} (numbers)"] = spellings(value)
    return [Message(role, "\n".join(texts), place) for place, texts in found.items() if any(texts)]


def embedded(text: str, depth: int = 0) -> list[str]:
    """The strings of a JSON document inside a string, where escapes hide what they say."""
    if "\\" not in text or depth >= _JSON_IN_JSON:
        return _spelled_in(text)
    try:
        raw = b'{"":' + text.encode() + b"}"
        if nodes.at_most(raw) > _EMBEDDED_NODES and nodes.nodes(raw) > _EMBEDDED_NODES:
            raise LimitExceeded(f"A text is JSON of more than {_EMBEDDED_NODES:,} values.", code="too_many_values")
        read = parse_loosely(raw)
    except (Malformed, UnicodeEncodeError):
        return []
    found = list(strings([read.tree, *read.dropped]))
    return [*found, *(inner for string in found for inner in embedded(string, depth + 1))]


def _spelled_in(text: str) -> list[str]:
    """What the numbers of a JSON document inside a string say."""
    if text.lstrip()[:1] not in ("{", "[") or len(_DIGITS.split(text, FEWEST)) <= FEWEST:
        return []
    try:
        return spellings(parse_loosely(b'{"":' + text.encode() + b"}").tree)
    except (Malformed, UnicodeEncodeError):
        return []


def with_embedded(role: Role, text: str, origin: str) -> list[Message]:
    """`text` itself and, where it is JSON with escapes, what it says once decoded."""
    inner = embedded(text)
    messages = [Message(role, text, origin)] if text else []
    return [*messages, Message(role, "\n".join(inner), f"{origin} (decoded)")] if inner else messages


def without_numbers(value: Any) -> Any:
    """`value` without its lists of whole numbers, as those of tokens are: they say what texts said before these were
    changed."""
    if isinstance(value, dict):
        return {key: without_numbers(child) for key, child in value.items() if not _whole_numbers(child)}
    if isinstance(value, list):
        return [without_numbers(child) for child in value if not _whole_numbers(child)]
    return value


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


def dumps(tree: Any) -> bytes:
    """JSON as APIs send it: compact, UTF-8."""
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
