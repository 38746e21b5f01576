"""A walk over everything that the APIs may send: whatever string stands where, it is inspected or refused."""

import json
import random
from collections.abc import Iterator
from itertools import chain, cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf import corpus
from sisf.errors import HttpFailure
from sisf.gateway.dialects.answers import Asked
from sisf.gateway.dialects.base import Dialect
from sisf.gateway.dialects.chat import Chat
from sisf.gateway.dialects.completions import Completions
from sisf.gateway.dialects.embeddings import Embeddings
from sisf.gateway.dialects.messages import Messages
from sisf.gateway.dialects.messages_shapes import BLOCK
from sisf.gateway.dialects.messages_shapes import REQUEST as MESSAGES_REQUEST
from sisf.gateway.dialects.openai_shapes import ANSWER, CHAT, COMPLETION, EMBEDDING, MESSAGE, TOOL_MESSAGE
from sisf.gateway.dialects.responses import Responses
from sisf.gateway.dialects.responses_shapes import ITEM
from sisf.gateway.dialects.responses_shapes import REQUEST as RESPONSES_REQUEST
from sisf.gateway.shapes import Aside, Many, OneOf, Record, Shape, Tagged, Together
from sisf.gateway.spelled import spelled, spellings
from sisf.gateway.wire import Malformed, Uninspectable
from sisf.settings import Limits, Unseen

MARKER = "zanzibarpayload"
LOOKS = [
    MARKER,
    f"msg_1{MARKER}xyz",
    f"call_{MARKER}",
    f"toolu_01{MARKER}",
    f"chatcmpl-{MARKER}",
    f"data:image/png;base64,{MARKER}",
    f"{MARKER} " * 8,
    "Zm9v" * 20 + MARKER,
]
"""Forms in which a text could be taken for something else."""
WRAPPED: list[Any] = [lambda m: m, lambda m: [m], lambda m: {"text": m}, lambda m: {m: 1}, lambda m: [{"type": m}]]


def documents(shape: Shape | None, leaf: Any, depth: int = 0) -> Iterator[Any]:  # noqa: C901 - a case each
    """Values of a shape, each with `leaf` in one place."""
    match shape:
        case None:
            return
        case Many(of=inner):
            yield from ([item] for item in documents(inner, leaf, depth + 1))
            yield leaf
        case Record(keys=known):
            for key, inner in known.items():
                for value in documents(inner, leaf, depth + 1) if depth < 7 else [leaf]:
                    yield {key: value}
            yield {"no_such_key": leaf}
            if isinstance(leaf, str):
                yield {leaf: 1}
        case Tagged(types=types):
            for kind, inner in types.items():
                yield from (
                    {"type": kind, **value} for value in documents(inner, leaf, depth + 1) if isinstance(value, dict)
                )
                yield {"type": kind, "no_such_key": leaf}
            yield {"type": "no_such_type", "text": leaf}
            yield {"type": leaf}
        case OneOf(text=text, array=array, object=of):
            for chosen in (text, array, of):
                yield from documents(chosen, leaf, depth + 1)
            yield leaf
        case Together(of=inner) | Aside(of=inner):
            yield from documents(inner, leaf, depth + 1)
        case _:
            yield leaf


def requests(leaf: Any) -> Iterator[tuple[Dialect, dict[str, Any]]]:
    """Requests of every API with the leaf in each place of each table."""
    said = [{"role": "user", "content": "hi"}]
    bases: list[tuple[Dialect, Record, dict[str, Any], str]] = [
        (Chat(), CHAT, {"model": "m", "messages": said}, "messages"),
        (Completions(), COMPLETION, {"model": "m", "prompt": "hi"}, "prompt"),
        (Embeddings(), EMBEDDING, {"model": "m", "input": "hi"}, "input"),
        (Messages(), MESSAGES_REQUEST, {"model": "m", "max_tokens": 1, "messages": said}, "messages"),
    ]
    for dialect, shape, base, apart in (
        *bases,
        (Responses(), RESPONSES_REQUEST, {"model": "m", "input": "hi"}, "input"),
    ):
        yield from ((dialect, {**base, **made}) for made in documents(shape, leaf) if apart not in made)
    for shape, role in ((MESSAGE, "user"), (MESSAGE, "assistant"), (TOOL_MESSAGE, "tool")):
        for made in documents(shape, leaf):
            yield Chat(), {"model": "m", "messages": [{"role": role, "content": "hi", **made}]}
    for made in documents(ITEM, leaf):
        yield Responses(), {"model": "m", "input": [made]}
    for made in documents(BLOCK, leaf):
        for role in ("user", "assistant"):
            yield Messages(), {"model": "m", "max_tokens": 1, "messages": [{"role": role, "content": [made]}]}


def answers(leaf: Any) -> Iterator[tuple[Dialect, dict[str, Any]]]:
    """Answers of every API with the leaf in each place of each table."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
    for made in documents(ANSWER, leaf):
        yield Chat(), {"choices": [{**choice, "message": {"role": "assistant", "content": "ok", **made}}]}
    for key in (*choice, "logprobs", "content_filter_results", "x"):
        if key not in ("index", "message"):
            yield Chat(), {"choices": [{**choice, key: leaf}]}
            yield Completions(), {"choices": [{"index": 0, "text": "ok", key: leaf}]}
    for key in ("id", "object", "model", "usage", "system_fingerprint", "service_tier", "prompt_filter_results", "x"):
        yield Chat(), {"choices": [choice], key: leaf}
        yield Completions(), {"choices": [{"index": 0, "text": "ok"}], key: leaf}
        yield Responses(), {"output": [], key: leaf}
        yield Messages(), {"content": [], key: leaf}
        yield Embeddings(), {"data": [{"embedding": [0.5]}], key: leaf}
    for made in documents(ITEM, leaf):
        yield Responses(), {"output": [made]}
    for made in documents(BLOCK, leaf):
        yield Messages(), {"content": [made]}
    for key in ("instructions", "tools", "metadata", "text", "reasoning", "error", "incomplete_details"):
        yield Responses(), {"output": [], key: leaf}
    for key in ("token", "bytes", "top_logprobs", "x"):
        logprobs = {"content": [{"token": "ok", "logprob": 0, key: leaf}]}
        yield Chat(), {"choices": [{**choice, "logprobs": logprobs}]}


def events(leaf: Any) -> Iterator[tuple[Dialect, dict[str, Any]]]:
    """Stream events of every API with the leaf in each place."""
    for made in documents(ANSWER, leaf):
        yield Chat(), {"choices": [{"index": 0, "delta": made}]}
    for key in ("id", "object", "model", "usage", "x", "error", "obfuscation", "type"):
        yield Chat(), {"choices": [], key: leaf}
        yield Chat(), {"choices": [{"index": 0, "delta": {"content": "a"}}], key: leaf}
        yield Completions(), {"choices": [{"index": 0, "text": "a"}], key: leaf}
        yield (
            Messages(),
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}, key: leaf},
        )
        yield Responses(), {"type": "response.output_text.delta", "output_index": 0, "delta": "a", key: leaf}
    for key in ("delta", "text", "message", "finish_reason", "logprobs", "x"):
        yield Chat(), {"choices": [{"index": 0, "delta": {}, key: leaf}]}
    for made in documents(BLOCK, leaf):
        yield Messages(), {"type": "content_block_start", "index": 0, "content_block": made}
    for kind, key in (
        ("text_delta", "text"),
        ("signature_delta", "signature"),
        ("citations_delta", "citation"),
        ("x", "y"),
    ):
        yield Messages(), {"type": "content_block_delta", "index": 0, "delta": {"type": kind, key: leaf}}
    for kind in ("message_delta", "message_start", "message_stop", "ping", "error", "content_block_stop"):
        for key in ("delta", "message", "text", "usage", "x"):
            yield Messages(), {"type": kind, key: leaf if key not in ("delta", "message") else {"x": leaf}}
    for made in documents(ITEM, leaf):
        yield Responses(), {"type": "response.output_item.done", "output_index": 0, "item": made}
        yield Responses(), {"type": "response.completed", "response": {"output": [made]}}
    for key in ("delta", "text", "part", "item", "response", "annotation", "obfuscation", "logprobs", "item_id", "x"):
        yield Responses(), {"type": "response.output_text.delta", "output_index": 0, key: leaf}


def texts_of_request(dialect: Dialect, tree: dict[str, Any]) -> str | None:
    """What of a request is inspected; None when it is refused."""
    try:
        read = dialect.request(tree, Limits())
    except HttpFailure:
        return None
    return "\n".join(message.content for message in (*read.messages, *read.aside))


def texts_of_answer(dialect: Dialect, tree: dict[str, Any]) -> str | None:
    try:
        return "\n".join(message.content for choice in dialect.answers(tree, Asked()) for message in choice.messages)
    except (Malformed, Uninspectable):
        return None


def texts_of_event(dialect: Dialect, tree: dict[str, Any]) -> str | None:
    try:
        return "\n".join(delta.text for delta in dialect.event(tree, Asked()).deltas)
    except (Malformed, Uninspectable):
        return None


WALKS = {
    "requests": (requests, texts_of_request),
    "answers": (answers, texts_of_answer),
    "events": (events, texts_of_event),
}


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("wrap", range(len(WRAPPED)))
def test_every_string_is_inspected_or_refused(walk: str, wrap: int) -> None:
    made, texts = WALKS[walk]
    rng = random.Random(wrap)
    missed: list[Any] = []
    count = 0
    for look in LOOKS:
        share = 1.0 if (look, wrap) == (MARKER, 0) else 0.03
        for dialect, tree in made(WRAPPED[wrap](look)):
            if rng.random() > share:
                continue
            count += 1
            found = texts(dialect, tree)
            if found is not None and MARKER not in found:
                missed.append((dialect.name, tree))
    assert missed == []
    assert count > 200


@pytest.mark.parametrize(
    ("dialect", "tree"),
    [
        (Chat(), {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}], "temperature": 0.5}),
        (Messages(), {"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}),
        (Responses(), {"input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}], "store": False}),
        (Completions(), {"prompt": "a", "logprobs": 3}),
    ],
)
def test_honest_requests_hold_nothing_but_what_was_said(dialect: Dialect, tree: dict[str, Any]) -> None:
    assert texts_of_request(dialect, tree) == "a"


def test_what_machines_made_is_not_read() -> None:
    ids = [
        "call_9pw1qnYScqvGrCH58HWCvFH6",
        "toolu_01A09q90qw90lq917835lq9",
        "chatcmpl-tool-0123456789abcdef0123456789abcdef",
    ]
    calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids]
    said = [{"role": "assistant", "content": "a", "tool_calls": calls}]
    assert Chat().request({"messages": said}, Limits()).aside == ()


CODES = list(MARKER.encode())
WRITTEN: dict[str, Any] = {
    "a list": CODES,
    "fractions": [float(code) for code in CODES],
    "behind what is no character": [0, -1, True, None, "a", 10**9, *CODES],
    "a list for each": [[code] for code in CODES],
    "a few to a list": [CODES[start : start + 3] for start in range(0, len(CODES), 3)],
    "an object for each": [{"c": code} for code in CODES],
    "an object": {f"{place}": code for place, code in enumerate(CODES)},
    "lists in objects": {"a": {"b": CODES[:5]}, "c": [[CODES[5:]]]},
    "signs between": [number for code in CODES for number in (code, 33, 45)],
    "beside many others": {"a": CODES, "b": [1, 2, 3] * 1_000},
}
"""The numbers of a text's characters, as JSON can hold them."""


@pytest.mark.parametrize("how", WRITTEN)
def test_numbers_of_characters_are_read_however_they_are_written(how: str) -> None:
    said, written = [{"role": "user", "content": "hi"}], WRITTEN[how]
    arguments = json.dumps({"v": written})
    used = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"v": written, "sizes": [10, 20, 30, 40]}}
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]
    requests: list[tuple[Dialect, dict[str, Any]]] = [
        (Chat(), {"messages": said, "metadata": {"v": written}}),
        (Chat(), {"messages": said, "tools": [{"type": "function", "function": {"parameters": {"enum": written}}}]}),
        (Chat(), {"messages": [*said, {"role": "assistant", "tool_calls": calls}]}),
        (Chat(), {"messages": [*said, {"role": "tool", "tool_call_id": "c", "content": arguments}]}),
        (Messages(), {"max_tokens": 5, "messages": [*said, {"role": "assistant", "content": [used]}]}),
        (Responses(), {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments}]}),
    ]
    for dialect, tree in requests:
        assert MARKER in (texts_of_request(dialect, tree) or ""), tree
    for answer in ({"content": None, "tool_calls": calls}, {"content": "hi", "unheard_of": written}):
        tree = {"choices": [{"index": 0, "message": {"role": "assistant", **answer}, "finish_reason": "stop"}]}
        assert MARKER in (texts_of_answer(Chat(), tree) or ""), answer


def test_numbers_of_characters_are_read_where_objects_belong() -> None:
    """In arrays of tools, items and calls."""
    assert MARKER in (
        texts_of_request(Chat(), {"messages": [{"role": "user", "content": "hi"}], "functions": CODES}) or ""
    )
    assert MARKER in (texts_of_answer(Responses(), {"output": CODES}) or "")
    deltas: list[tuple[Dialect, dict[str, Any]]] = [
        (Chat(), {"choices": [{"index": 0, "delta": {"tool_calls": CODES}}]}),
        (Responses(), {"type": "response.completed", "response": {"output": CODES}}),
    ]
    for dialect, tree in deltas:
        assert MARKER in "".join(delta.text for delta in dialect.event(tree, Asked({"model": "m"})).deltas)


def test_token_numbers_that_the_settings_let_pass_are_noted() -> None:
    cases: list[tuple[Dialect, str]] = [(Completions(), "prompt"), (Embeddings(), "input")]
    tokens: list[Unseen] = ["tokens"]
    for dialect, key in cases:
        assert dialect.request({"model": "m", key: [5, 6, 7]}, Limits(), opaque=tokens).opaque == (key,)


@given(st.lists(st.integers(-100, 10**6) | st.floats(allow_nan=True), max_size=40))
def test_measurements_are_no_text(numbers: list[float]) -> None:
    for said in spelled(numbers):
        assert sum(c.isascii() and (c.isalpha() or c == " ") for c in said) >= len(said) / 3


SPELT = "Tell me how to bake bread for the birthday of a good friend"
MARKS = st.lists(st.sampled_from([33, 44, 0, -1, 7, 1e9, 120, 122, 113, 88.5, 45]), min_size=1, max_size=3)


@given(marks=MARKS, first=st.booleans(), fraction=st.sampled_from([0, 0.0, 0.25]), letters=st.integers(1, 3))
def test_marks_between_the_numbers_of_characters_hide_nothing(
    marks: list[float], first: bool, fraction: float, letters: int
) -> None:
    """One and the same behind each letter, several in turn, two or three behind each, or one behind a few."""
    codes = [ord(char) + fraction for char in SPELT]
    each = [codes[start : start + letters] for start in range(0, len(codes), letters)]
    turns = [[mark, *said] if first else [*said, mark] for said, mark in zip(each, cycle(marks), strict=False)]
    groups = [[*marks, *said] if first else [*said, *marks] for said in each]
    for numbers in (list(chain(*turns)), list(chain(*groups))):
        found = spellings({"v": numbers})
        assert any(_letters(SPELT) in _letters(said) for said in found), (numbers, found)


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalpha())


def test_a_text_written_as_numbers_is_read_once() -> None:
    """Each second letter of it is no other reading, which would cost as much again."""
    honest = [list(sample.text.encode()) for sample in corpus.honest() if 40 < len(sample.text) < 400][:300]
    assert sum(len(spelled(numbers)) for numbers in honest) < 1.2 * len(honest)
