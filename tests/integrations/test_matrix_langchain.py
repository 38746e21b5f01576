"""The matrix with LangChain's `ChatOpenAI`, over chat completions and responses."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from sisf.gateway.dialects.base import REFUSAL
from tests.gateway.conftest import Rig
from tests.integrations.conftest import SKIPPED
from tests.integrations.matrix import CELLS, EXPECTED, SCHEMA, Told, asked, gateways, prepare, script

pytest.importorskip("langchain_openai", reason=SKIPPED.format("langchain_openai"))

from langchain_openai import ChatOpenAI


@pytest.fixture(scope="module")
def rigs() -> Iterator[dict[bool, Rig]]:
    with gateways() as made:
        yield made


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_langchain(rigs: dict[bool, Rig], api: str, cell: str, stream: bool) -> None:
    made = prepare(rigs, cell)
    script(made, api, cell)
    url = f"{made.url}/v1"
    model: Any = ChatOpenAI(
        model="m", base_url=url, api_key="none", max_retries=0, use_responses_api=api == "responses"
    )
    if cell == "tools":
        function = {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}
        model = model.bind_tools([{"type": "function", "function": function}])
    if cell == "structured":
        model = model.bind(response_format={"type": "json_schema", "json_schema": {"name": "form", "schema": SCHEMA}})
    status = 200
    try:
        if stream:
            pieces = list(model.stream(asked(cell)))
            done = pieces[0]
            for piece in pieces[1:]:
                done += piece
        else:
            done = model.invoke(asked(cell))
    except openai.APIStatusError as error:
        done, status = None, error.status_code
    if done is None:
        assert status == EXPECTED[cell].status
        return
    about = done.response_metadata
    reason = (about.get("incomplete_details") or {}).get("reason") or about.get("finish_reason")
    text = done.text if isinstance(done.text, str) else done.text()
    refused = reason == "content_filter"
    text = REFUSAL if refused and text.endswith(REFUSAL) else text
    told = Told(text, "".join(json.dumps(call["args"]) for call in done.tool_calls), refused)
    assert told == EXPECTED[cell]
