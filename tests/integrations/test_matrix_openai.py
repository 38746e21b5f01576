"""The matrix with the official `openai` SDK: chat completions and responses."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from sisf.gateway.dialects.base import REFUSAL
from tests.gateway.conftest import Rig
from tests.integrations.matrix import CELLS, EXPECTED, SCHEMA, Told, asked, gateways, prepare, script

TOOL = {"name": "weather", "parameters": SCHEMA}


@pytest.fixture(scope="module")
def rigs() -> Iterator[dict[bool, Rig]]:
    with gateways() as made:
        yield made


def chat(client: openai.OpenAI, cell: str, stream: bool) -> Told:
    more: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": asked(cell)}]}
    if cell == "tools":
        more["tools"] = [{"type": "function", "function": TOOL}]
    if cell == "structured":
        more["response_format"] = {"type": "json_schema", "json_schema": {"name": "form", "schema": SCHEMA}}
    if not stream:
        choice = client.chat.completions.create(**more).choices[0]
        calls: Any = choice.message.tool_calls or ()
        text, ends = choice.message.content or "", choice.finish_reason
        return Told(text, "".join(call.function.arguments for call in calls), ends == "content_filter")
    chunks: Any = list(client.chat.completions.create(**more, stream=True))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    text = "".join(choice.delta.content or "" for choice in choices)
    pieces = [call.function.arguments or "" for choice in choices for call in choice.delta.tool_calls or ()]
    return Told(text.removeprefix("\n\n"), "".join(pieces), choices[-1].finish_reason == "content_filter")


def responses(client: openai.OpenAI, cell: str, stream: bool) -> Told:
    more: dict[str, Any] = {"model": "m", "input": asked(cell)}
    if cell == "tools":
        more["tools"] = [{"type": "function", **TOOL}]
    if cell == "structured":
        more["text"] = {"format": {"type": "json_schema", "name": "form", "schema": SCHEMA}}
    if stream:
        with client.responses.stream(**more) as events:
            done: Any = events.get_final_response()
    else:
        done = client.responses.create(**more)
    call = "".join(item.arguments for item in done.output if item.type == "function_call")
    refused = done.incomplete_details is not None and done.incomplete_details.reason == "content_filter"
    text = done.output_text
    return Told(REFUSAL if refused and text.endswith(REFUSAL) else text, call, refused)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_openai(rigs: dict[bool, Rig], api: str, cell: str, stream: bool) -> None:
    made = prepare(rigs, cell)
    script(made, api, cell)
    code: str | None = None
    with openai.OpenAI(base_url=f"{made.url}/v1", api_key="none", max_retries=0) as client:
        try:
            told = (chat if api == "chat" else responses)(client, cell, stream)
        except openai.APIStatusError as error:
            told, code = Told(status=error.status_code), error.code
    assert code == ("content_filter" if told.status == 400 else None)
    assert told == EXPECTED[cell]
    if cell == "structured":
        assert json.loads(told.text)["title"] == "Tea"
