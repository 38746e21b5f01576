"""Each field that the small servers read, with each kind of JSON that it must not be: the client's error, and it says
which field and what is expected. Whatever else a request holds, the servers do not fail on it."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect
from starlette.testclient import TestClient

from sisf.exchange import Message
from sisf.llm import hf_server, shapes
from sisf.llm.base import Completion
from sisf.llm.hf import HfModel, Sampling
from sisf.llm.recorded import RecordedModel
from sisf.llm.server import create_app
from sisf.llm.unaligned import UnalignedModel

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/a"}, "b": {"anyOf": [{"enum": ["x"]}]}, "c": {"oneOf": [True]}},
    "items": {"type": ["string", "null"]},
    "minItems": 1,
    "enum": [{"a": 1}],
    "anyOf": [{"type": "array", "items": {"allOf": [{"const": 1}]}, "minItems": 2}],
    "oneOf": [{"default": "d"}],
    "allOf": [{"type": "boolean"}],
    "$defs": {"a": {"type": "integer"}},
    "$ref": "#/$defs/a",
}
USUAL: dict[str, Any] = {"model": "unaligned", "temperature": 0.5, "stream": False}
PLAIN = [{"type": "text", "text": "hello"}]
CHAT = {
    **USUAL,
    "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": PLAIN}],
    "max_tokens": 20,
    "max_completion_tokens": 20,
    "n": 2,
    "stream_options": {"include_usage": True},
}
TOOLS = {
    "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
}
RESPONSES = {
    **USUAL,
    "input": [
        {"type": "message", "role": "user", "content": PLAIN},
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "output": PLAIN},
    ],
    "instructions": "be kind",
    "max_output_tokens": 20,
    "top_p": 0.5,
    "tools": [{"type": "function", "name": "f", "description": "calls", "parameters": SCHEMA}],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "json_schema", "schema": SCHEMA}},
}
MESSAGES = {
    **USUAL,
    "messages": [{"role": "user", "content": [*PLAIN, {"type": "tool_result", "content": PLAIN}]}],
    "system": PLAIN,
    "max_tokens": 20,
    "tools": [{"name": "f", "input_schema": SCHEMA}],
    "tool_choice": {"type": "tool", "name": "f"},
}
WRITTEN = {
    **USUAL,
    "max_tokens": 20,
    "max_completion_tokens": 20,
    "n": 2,
    "stream_options": {},
    "top_p": 0.5,
    "seed": 1,
}

SHIPPED, LOADED = "shipped", "loaded"
CASES = {
    "chat": (SHIPPED, "/v1/chat/completions", shapes.Chat, {**CHAT, **TOOLS}),
    "responses": (SHIPPED, "/v1/responses", shapes.Responses, RESPONSES),
    "messages": (SHIPPED, "/v1/messages", shapes.Messages, MESSAGES),
    "loaded chat": (
        LOADED,
        "/v1/chat/completions",
        shapes.WrittenChat,
        {**WRITTEN, "messages": CHAT["messages"], "stop": ["x"]},
    ),
    "loaded text": (LOADED, "/v1/completions", shapes.WrittenText, {**WRITTEN, "prompt": ["hello"], "stop": "x"}),
}
"""The server, the path, the shape of its requests, and a request that has every field of it."""
KINDS: dict[type[inspect.Type], tuple[type, ...]] = {
    inspect.NoneType: (type(None),),
    inspect.StrType: (str,),
    inspect.BoolType: (bool,),
    inspect.IntType: (int,),
    inspect.FloatType: (int, float),
    inspect.ListType: (list,),
    inspect.DictType: (dict,),
    inspect.StructType: (dict,),
    inspect.AnyType: (type(None), str, bool, int, float, list, dict),
}
VALUES: tuple[Any, ...] = (None, "x", True, 1, 0.5, [], {})


class Loaded:
    """What `HfModel` does, without weights."""

    id = "loaded"

    def render(self, messages: list[Message]) -> str:
        return messages[-1].content

    def write(self, prompt: str, sampling: Sampling) -> Completion:
        return Completion(prompt[: sampling.max_tokens])

    def stream(self, prompt: str, sampling: Sampling) -> Iterator[str | Completion]:
        yield prompt
        yield self.write(prompt, sampling)


APPS = {
    SHIPPED: create_app([UnalignedModel(), RecordedModel({"hello": "Good day."})]),
    LOADED: hf_server.create_app(cast("HfModel", Loaded())),
}
CLIENTS = {name: TestClient(app) for name, app in APPS.items()}


def post(case: str, body: object) -> Any:
    server, path, _, _ = CASES[case]
    return CLIENTS[server].post(path, content=json.dumps(body), headers={"content-type": "application/json"})


def kinds(of: inspect.Type) -> list[inspect.Type]:
    return list(of.types) if isinstance(of, inspect.UnionType) else [of]


def places(
    of: inspect.Type, value: Any, place: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Each place of a request that its shape names, with what may stand there."""
    for kind in kinds(of):
        if isinstance(kind, inspect.StructType) and isinstance(value, dict):
            for field in kind.fields:
                if field.encode_name in value:
                    inner = (*place, field.encode_name)
                    yield inner, field.type
                    yield from places(field.type, value[field.encode_name], inner)
        elif isinstance(kind, inspect.ListType) and isinstance(value, list):
            for index, each in enumerate(value):
                yield (*place, index), kind.item_type
                yield from places(kind.item_type, each, (*place, index))


def replaced(value: Any, place: tuple[str | int, ...], by: object) -> Any:
    if not place:
        return by
    copy = value.copy()
    copy[place[0]] = replaced(value[place[0]], place[1:], by)
    return copy


def written(place: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")


@pytest.mark.parametrize("case", CASES)
def test_each_field_of_a_wrong_kind_is_named_with_what_is_expected(case: str) -> None:
    _, _, shape, whole = CASES[case]
    assert post(case, whole).status_code == 200
    assert {field.encode_name for field in cast("inspect.StructType", inspect.type_info(shape)).fields} == set(whole)
    wrong = 0
    for place, allowed in places(inspect.type_info(shape), whole):
        may_be = {each for kind in kinds(allowed) for each in KINDS[type(kind)]}
        for value in VALUES:
            answer = post(case, replaced(whole, place, value))
            assert answer.status_code < 500, (place, value)
            if type(value) not in may_be:
                assert answer.status_code == 400, (place, value)
                said = answer.json()["error"]["message"]
                assert said.startswith(f"`{written(place)}` must be "), said
                wrong += 1
    assert wrong > len(whole)


@pytest.mark.parametrize("case", CASES)
def test_nothing_in_a_request_makes_the_server_fail(case: str) -> None:
    _, _, shape, whole = CASES[case]
    names = [name for place, _ in places(inspect.type_info(shape), whole) for name in place if isinstance(name, str)]
    known = st.sampled_from(["function", "json_schema", "array", "object", "tool", "required", "#/$defs/a", "x"])
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | known
    trees = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4)
    )
    changed = st.sampled_from([place for place, _ in places(inspect.type_info(shape), whole)])

    @settings(max_examples=60, deadline=None)
    @given(place=changed, tree=trees, stream=st.booleans())
    def holds(place: tuple[str | int, ...], tree: Any, stream: bool) -> None:
        answer = post(case, {**replaced(whole, place, tree), "stream": stream})
        assert answer.status_code in {200, 400}
        if answer.status_code == 400:
            assert answer.json()["error"]["message"]

    holds()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"model": "\\ud800"}', "not valid JSON"),
        (b'{"model": NaN}', "not valid JSON"),
        (b"7", "the body must be an object, not a whole number"),
        (b"{}", "is missing"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "nested"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_what_is_no_request_is_the_clients_error(case: str, raw: bytes, said: str) -> None:
    server, path, _, _ = CASES[case]
    answer = CLIENTS[server].post(path, content=raw)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("server", APPS)
def test_what_there_is_not_is_said_as_clients_read_it(server: str) -> None:
    client = CLIENTS[server]
    (first, *_) = client.get("/v1/models").json()["data"]
    assert client.get(f"/v1/models/{first['id']}").json() == first
    asked = [("GET", "/v1/models/none"), ("POST", "/v1/embeddings"), ("GET", "/v1/chat/completions"), ("GET", "/")]
    for (method, path), status in zip(asked, (404, 404, 405, 404), strict=True):
        told = client.request(method, path)
        assert told.status_code == status
        assert path.rpartition("/")[2] in told.json()["error"]["message"]
