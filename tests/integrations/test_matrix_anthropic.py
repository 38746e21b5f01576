"""The matrix with the official `anthropic` SDK."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.gateway.conftest import Rig
from tests.integrations.matrix import CELLS, EXPECTED, SCHEMA, Told, asked, gateways, prepare, script


@pytest.fixture(scope="module")
def rigs() -> Iterator[dict[bool, Rig]]:
    with gateways() as made:
        yield made


def messages(client: anthropic.Anthropic, cell: str, stream: bool) -> Told:
    more: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": asked(cell)}]}
    if cell in ("tools", "structured"):
        more["tools"] = [{"name": "f", "input_schema": SCHEMA}]
    if stream:
        with client.messages.stream(**more) as events:
            done: Any = events.get_final_message()
    else:
        done = client.messages.create(**more)
    text = "".join(block.text for block in done.content if block.type == "text")
    calls = [json.dumps(block.input) for block in done.content if block.type == "tool_use"]
    return Told(text, "".join(calls), done.stop_reason == "refusal")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_anthropic(rigs: dict[bool, Rig], cell: str, stream: bool) -> None:
    made = prepare(rigs, cell)
    script(made, "messages", cell)
    with anthropic.Anthropic(base_url=made.url, api_key="none", max_retries=0) as client:
        try:
            told = messages(client, cell, stream)
        except anthropic.APIStatusError as error:
            told = Told(status=error.status_code)
    assert told == EXPECTED[cell]
