"""The published schemas of OpenAI and Anthropic, read from their packages' types: every key, and where it stands."""

import datetime
import importlib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import typing_extensions
from typing_extensions import get_type_hints, is_typeddict

from sisf.gateway.dialects.base import Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.completions import Completions
from sisf.gateway.dialects.embeddings import Embeddings
from sisf.gateway.dialects.messages import Messages
from sisf.gateway.dialects.responses import Responses

Make = Callable[[Any], Any]
_MARKED = (typing.Annotated, typing.Required, typing.NotRequired, typing_extensions.Required)
_LITERALS = (typing.Literal, typing_extensions.Literal)
_SAID = [{"role": "user", "content": "hi"}]
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
_NEEDED: dict[str, dict[str, Any]] = {
    "openai.types.chat.chat_completion:Choice": _CHOICE,
    "openai.types.completion_choice:CompletionChoice": {"index": 0, "text": "ok"},
    "openai.types.embedding:Embedding": {"index": 0, "embedding": [0.5]},
}
"""What objects of these types are never without."""


@dataclass(frozen=True, slots=True)
class Root:
    """What a client or an upstream may send: `kind` is request, answer or event."""

    dialect: Dialect
    kind: str
    types: tuple[str, ...]
    base: Mapping[str, Any]
    """What a document needs besides the key that is looked at."""

    @property
    def name(self) -> str:
        """As the table names it."""
        return f"{self.dialect.name} {self.kind}"


ROOTS = (
    Root(
        Chat(),
        "request",
        ("openai.types.chat.completion_create_params:CompletionCreateParams",),
        {"model": "m", "messages": _SAID},
    ),
    Root(
        Completions(),
        "request",
        ("openai.types.completion_create_params:CompletionCreateParams",),
        {"model": "m", "prompt": "hi"},
    ),
    Root(
        Embeddings(),
        "request",
        ("openai.types.embedding_create_params:EmbeddingCreateParams",),
        {"model": "m", "input": "hi"},
    ),
    Root(
        Responses(),
        "request",
        ("openai.types.responses.response_create_params:ResponseCreateParams",),
        {"model": "m", "input": "hi"},
    ),
    Root(
        Messages(),
        "request",
        (
            "anthropic.types.message_create_params:MessageCreateParams",
            "anthropic.types.beta.message_create_params:MessageCreateParams",
        ),
        {"model": "m", "max_tokens": 1, "messages": _SAID},
    ),
    Root(Chat(), "answer", ("openai.types.chat:ChatCompletion",), {"choices": [_CHOICE]}),
    Root(Completions(), "answer", ("openai.types:Completion",), {"choices": [{"index": 0, "text": "ok"}]}),
    Root(Embeddings(), "answer", ("openai.types:CreateEmbeddingResponse",), {"data": [{"embedding": [0.5]}]}),
    Root(Responses(), "answer", ("openai.types.responses:Response",), {"output": []}),
    Root(Messages(), "answer", ("anthropic.types:Message", "anthropic.types.beta:BetaMessage"), {"content": []}),
    Root(Chat(), "event", ("openai.types.chat:ChatCompletionChunk",), {}),
    Root(Completions(), "event", ("openai.types:Completion",), {}),
    Root(Responses(), "event", ("openai.types.responses:ResponseStreamEvent",), {}),
    Root(
        Messages(),
        "event",
        ("anthropic.types:RawMessageStreamEvent", "anthropic.types.beta:BetaRawMessageStreamEvent"),
        {},
    ),
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a published type, at the first place where the type stands."""

    owner: str
    name: str
    holds: tuple[Any, ...]
    """What may stand there directly: `str`, `int` for any number, a literal's words, `object`; each with its wrap."""
    make: Make
    """The document with a value under the key."""
    beside: Callable[[Mapping[str, Any]], Any]
    """The document with these keys instead, beside what tells the object's type."""


@cache
def keys_of(root: str) -> tuple[Key, ...]:
    """Every key of every type that a document of this root may hold."""
    return tuple(_keys(root))


def root_named(name: str) -> Root:
    """The root of this name."""
    return next(root for root in ROOTS if root.name == name)


def _keys(name: str) -> Iterator[Key]:
    root = root_named(name)
    seen: set[Any] = set()
    waiting: list[tuple[Any, Make]] = []
    for where in root.types:
        module, _, attribute = where.partition(":")
        waiting.append((getattr(importlib.import_module(module), attribute), lambda v: {**root.base, **v}))
    while waiting:
        kind, make = waiting.pop(0)
        for owner, wrapped in _objects(kind, make):
            if owner in seen:
                continue
            seen.add(owner)
            fields = _fields(owner)
            for key, held in fields.items():
                fixed = dict(_NEEDED.get(f"{owner.__module__}:{owner.__name__}", {}))
                fixed.pop(key, None)
                fixed |= {k: w for k, t in fields.items() if k != key and (w := _word(t)) is not None}
                put = _under(wrapped, fixed, key)
                yield Key(owner.__name__, key, tuple(_direct(held)), put, _beside(wrapped, fixed))
                waiting.append((held, put))


def _under(make: Make, fixed: Mapping[str, Any], key: str) -> Make:
    return lambda value: make({**fixed, key: value})


def _beside(make: Make, fixed: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    return lambda more: make({**fixed, **more})


def _fields(owner: Any) -> dict[str, Any]:
    if is_typeddict(owner):
        return get_type_hints(owner, include_extras=True)
    return {field.alias or name: field.annotation for name, field in owner.model_fields.items()}


def _word(kind: Any) -> str | None:
    """The only word that may stand there: what tells one type from another."""
    kind, words = _bare(kind), None
    if typing.get_origin(kind) in _LITERALS:
        words = typing.get_args(kind)
    return words[0] if words is not None and isinstance(words[0], str) else None


def _bare(kind: Any) -> Any:
    while typing.get_origin(kind) in _MARKED or typing.get_origin(kind) in (typing_extensions.NotRequired,):
        kind = typing.get_args(kind)[0]
    return kind


def _objects(kind: Any, make: Make) -> Iterator[tuple[Any, Make]]:
    """The types with keys within, each with how a document holds one."""
    kind = _bare(kind)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if is_typeddict(kind) or hasattr(kind, "model_fields"):
        yield kind, make
    elif origin in (typing.Union, types.UnionType):
        for each in inner:
            yield from _objects(each, make)
    elif origin is not None and origin not in _LITERALS and _is_mapping(origin):
        yield from _objects(inner[1], lambda v: make({"a": v}))
    elif origin is not None and origin not in _LITERALS:
        yield from _objects(inner[0], lambda v: make([v]))


def _direct(kind: Any, wrap: Make = lambda v: v) -> Iterator[tuple[Any, Make]]:
    """What may stand there without keys of its own: (str, int, object or a tuple of words, its wrapping)."""
    kind = _bare(kind)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in _LITERALS:
        yield inner, wrap
    elif origin in (typing.Union, types.UnionType):
        for each in inner:
            yield from _direct(each, wrap)
    elif origin is not None and _is_mapping(origin):
        yield from _direct(inner[1], lambda v: wrap({"a": v}))
    elif origin is not None:
        yield from _direct(inner[0], lambda v: wrap([v]))
    elif kind in (str, datetime.datetime):
        yield str, wrap
    elif kind in (int, float, bool):
        yield int, wrap
    elif kind in (object, typing.Any):
        yield object, wrap


def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)
