"""The official SDK, unchanged but for `base_url`, through a running gateway to a real model server."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

from sisf.gateway.dialects.base import REFUSAL
from sisf.llm.base import ChatModel
from sisf.llm.recorded import RecordedModel
from sisf.llm.server import running
from sisf.llm.unaligned import UnalignedModel
from sisf.testing import Failure
from tests.gateway.conftest import Rig, rig


@pytest.fixture(scope="module")
def gateway() -> Iterator[Rig]:
    answers = {"tea": "A drink made of leaves.", "leak": "Here it is: FORBIDDEN words", "long": "word " * 400}
    models: list[ChatModel] = [UnalignedModel(), RecordedModel(answers)]
    with running(models) as server, rig(upstream_url=server.url + "/v1") as made:
        yield made


@pytest.fixture(scope="module")
def sdk(gateway: Rig) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0) as client:
        yield client


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_plain(sdk: openai.OpenAI) -> None:
    done = sdk.chat.completions.create(model="recorded", messages=user("tea"), n=2)
    assert [c.message.content for c in done.choices] == ["A drink made of leaves."] * 2
    assert {m.id for m in sdk.models.list()} == {"unaligned", "recorded"}


def test_streamed(sdk: openai.OpenAI) -> None:
    chunks = list(sdk.chat.completions.create(model="recorded", messages=user("long"), stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "word " * 400
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_streaming_helper(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model="recorded", messages=user("tea")) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == "A drink made of leaves."


def test_asynchronous(gateway: Rig) -> None:
    async def work() -> tuple[list[str | None], str]:
        async with openai.AsyncOpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0) as client:
            many = [client.chat.completions.create(model="recorded", messages=user("tea")) for _ in range(20)]
            plain = [done.choices[0].message.content for done in await asyncio.gather(*many)]
            stream = await client.chat.completions.create(model="recorded", messages=user("long"), stream=True)
            return plain, "".join([c.choices[0].delta.content or "" async for c in stream])

    plain, streamed = asyncio.run(work())
    assert plain == ["A drink made of leaves."] * 20
    assert streamed == "word " * 400


@pytest.mark.parametrize("stream", [False, True])
def test_tools(sdk: openai.OpenAI, stream: bool) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    messages = user("Weather?")
    if stream:
        with sdk.chat.completions.stream(
            model="unaligned", messages=messages, tools=tools, tool_choice="required"
        ) as events:
            message: Any = events.get_final_completion().choices[0].message
    else:
        done = sdk.chat.completions.create(model="unaligned", messages=messages, tools=tools, tool_choice="required")
        message = done.choices[0].message
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "filler"}
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 20}'}
    reply: Any = {"role": "assistant", "tool_calls": [call.model_dump(exclude_none=True)]}
    again = sdk.chat.completions.create(model="unaligned", messages=[*messages, reply, result], tools=tools)
    assert again.choices[0].finish_reason == "stop"


class Recipe(pydantic.BaseModel):
    title: str
    steps: list[str]


def test_structured_output(sdk: openai.OpenAI) -> None:
    done = sdk.chat.completions.parse(model="unaligned", messages=user("Soup"), response_format=Recipe)
    assert isinstance(done.choices[0].message.parsed, Recipe)


def test_a_blocked_prompt_is_an_error_that_the_sdk_knows(sdk: openai.OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            sdk.chat.completions.create(model="recorded", messages=user("FORBIDDEN"), stream=stream)
        assert caught.value.code == "content_filter"
        assert caught.value.response.headers["x-sisf-decision"] == "block"


def test_a_withheld_answer_is_a_content_filter_finish(sdk: openai.OpenAI) -> None:
    done = sdk.chat.completions.create(model="recorded", messages=user("leak"))
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == (REFUSAL, "content_filter")
    chunks = list(sdk.chat.completions.create(model="recorded", messages=user("leak"), stream=True))
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert REFUSAL in text
    assert "FORBIDDEN" not in text
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_a_withheld_structured_answer_raises_in_the_sdk() -> None:
    with rig() as gateway, openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0) as sdk:
        gateway.upstream.answer = '{"title": "FORBIDDEN", "steps": []}'
        with pytest.raises(openai.ContentFilterFinishReasonError):
            sdk.chat.completions.parse(model="m", messages=user("leak"), response_format=Recipe)


def test_upstream_failures_are_errors_that_the_sdk_retries() -> None:
    with rig() as gateway, openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=1) as sdk:
        gateway.upstream.failure = Failure.SERVER_ERROR
        with pytest.raises(openai.InternalServerError, match="scripted 500"):
            sdk.chat.completions.create(model="m", messages=user("a"))
        assert len(gateway.upstream.requests) == 2


def test_a_stream_that_breaks_raises_in_the_sdk() -> None:
    with rig() as gateway, openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0) as sdk:
        gateway.upstream.failure, gateway.upstream.answer = Failure.TRUNCATED, "word " * 200
        with pytest.raises(openai.APIError, match="closed the connection"):
            list(sdk.chat.completions.create(model="m", messages=user("a"), stream=True))
