"""LangChain's `ChatOpenAI`, unchanged but for `base_url`, through a running gateway to a real model server."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from sisf.gateway.dialects.base import REFUSAL
from sisf.llm.recorded import RecordedModel
from sisf.llm.server import running
from sisf.llm.unaligned import UnalignedModel
from tests.gateway.conftest import Rig, rig
from tests.integrations.conftest import SKIPPED

pytest.importorskip("langchain_openai", reason=SKIPPED.format("langchain_openai"))

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

ANSWERS = {"tea": "A drink made of leaves.", "leak": "Here it is: FORBIDDEN words", "long": "word " * 400}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Rig]:
    with running([UnalignedModel(), RecordedModel(ANSWERS)]) as server, rig(upstream_url=f"{server.url}/v1") as made:
        yield made


def model_at(gateway: Rig, name: str = "recorded", **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, **more)  # type: ignore[arg-type]


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"It is fine in {city}."


def test_plain(gateway: Rig) -> None:
    done = model_at(gateway).invoke("tea")
    assert done.content == ANSWERS["tea"]
    assert done.response_metadata["finish_reason"] == "stop"


def test_streamed(gateway: Rig) -> None:
    chunks = list(model_at(gateway).stream("long"))
    assert len(chunks) > 10
    assert "".join(str(chunk.content) for chunk in chunks) == ANSWERS["long"]


@pytest.mark.parametrize("streaming", [False, True])
def test_tools(gateway: Rig, streaming: bool) -> None:
    model = model_at(gateway, "unaligned", streaming=streaming)
    question = HumanMessage("Weather?")
    asked = model.bind_tools([weather], tool_choice="required").invoke([question])
    assert isinstance(asked, AIMessage)
    (call,) = asked.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "filler"})
    result = ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])
    answer = model.bind_tools([weather]).invoke([question, asked, result])
    assert answer.response_metadata["finish_reason"] == "stop"
    assert result.content in [message.content for message in gateway.loop.records[-1].exchange.messages]


@pytest.mark.parametrize("streaming", [False, True])
def test_what_is_blocked(gateway: Rig, streaming: bool) -> None:
    model = model_at(gateway, streaming=streaming)
    with pytest.raises(openai.BadRequestError) as caught:
        model.invoke("FORBIDDEN")
    assert caught.value.code == "content_filter"
    done = model.invoke("leak")
    assert str(done.content).endswith(REFUSAL)
    assert "FORBIDDEN" not in str(done.content)
    assert done.response_metadata["finish_reason"] == "content_filter"
