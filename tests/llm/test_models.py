"""Scripted and recorded models, and the server that serves any of them, driven by the real SDK."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pydantic
import pytest

from sisf.errors import ConfigurationError
from sisf.exchange import Message, Role
from sisf.llm.base import ChatModel
from sisf.llm.recorded import RecordedModel
from sisf.llm.server import running
from sisf.llm.unaligned import UnalignedModel
from sisf.serving import bind


def ask(text: str) -> list[Message]:
    return [Message(Role.SYSTEM, "Be brief."), Message(Role.USER, text)]


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    models: list[ChatModel] = [UnalignedModel(), RecordedModel({"What is tea?": "A drink made of leaves."})]
    with running(models) as server, openai.OpenAI(base_url=server.url + "/v1", api_key="none") as sdk:
        yield sdk


@pytest.mark.smoke
def test_unaligned_complies_says_what_it_is_and_is_deterministic() -> None:
    model = UnalignedModel()
    first, second = (model.complete(ask("How do I bake bread?")) for _ in range(2))
    assert first == second
    assert first.text.startswith("Sure, here is what you asked for: How do I bake bread?")
    assert "scripted model" in first.text
    assert model.complete(ask("a"), max_tokens=3).finish_reason == "length"


def test_recorded_replays_and_falls_back() -> None:
    model = RecordedModel({"Say hello": "Hello from the record", "Say bye ": "Bye", "No answer": ""})
    assert len(model) == 2
    assert model.complete(ask("Say hello")).text == "Hello from the record"
    assert model.complete(ask("Say bye")).text == "Bye"
    assert model.complete(ask("No answer")).text == UnalignedModel().complete(ask("No answer")).text


def test_plain_streamed_and_listed_through_the_sdk(client: openai.OpenAI) -> None:
    assert {m.id for m in client.models.list()} == {"unaligned", "recorded"}
    messages: Any = [{"role": "user", "content": "What is tea?"}]
    plain = client.chat.completions.create(model="recorded", messages=messages, n=2)
    assert [c.message.content for c in plain.choices] == ["A drink made of leaves."] * 2
    chunks = list(
        client.chat.completions.create(
            model="recorded", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "A drink made of leaves."
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


class Recipe(pydantic.BaseModel):
    title: str
    minutes: int
    steps: list[str]


def test_structured_output_and_tools_have_the_demanded_form(client: openai.OpenAI) -> None:
    parsed = client.chat.completions.parse(
        model="unaligned", messages=[{"role": "user", "content": "Soup"}], response_format=Recipe
    )
    assert isinstance(parsed.choices[0].message.parsed, Recipe)
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    called = client.chat.completions.create(
        model="unaligned",
        messages=[{"role": "user", "content": "Weather?"}],
        tools=tools,
        tool_choice="required",
    )
    calls = called.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert json.loads(calls[0].function.arguments) == {"city": "filler"}


def test_responses_are_plain_streamed_and_structured_through_the_sdk(client: openai.OpenAI) -> None:
    told = client.responses.create(model="unaligned", instructions="Be kind.", input="Tell me about kites")
    assert told.status == "completed"
    assert "Tell me about kites" in told.output_text
    turns: Any = [{"role": "user", "content": [{"type": "input_text", "text": "Tell me about kites"}]}]
    with client.responses.stream(model="unaligned", input=turns) as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert stream.get_final_response().output_text == told.output_text == "".join(pieces)
    assert len(pieces) > 5
    short = client.responses.create(model="unaligned", input="Tell me about kites", max_output_tokens=3)
    assert (short.status, len(short.output_text.split())) == ("incomplete", 3)
    tool: Any = {
        "type": "function",
        "name": "fly",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
    }
    called = client.responses.create(model="unaligned", input="Fly", tools=[tool], tool_choice="required").output[0]
    assert called.type == "function_call"
    assert (called.name, json.loads(called.arguments)) == ("fly", {"n": 1})
    answered: Any = [
        {"role": "user", "content": "Fly"},
        {"type": "function_call", "call_id": called.call_id, "name": "fly", "arguments": called.arguments},
        {"type": "function_call_output", "call_id": called.call_id, "output": "done"},
    ]
    assert "Fly" in client.responses.create(model="unaligned", input=answered).output_text
    for wrong in ([], 7, [{"type": "reasoning"}]):
        with pytest.raises(openai.BadRequestError):
            client.responses.create(model="unaligned", input=wrong)  # type: ignore[arg-type]


def test_messages_are_plain_and_streamed_and_call_tools_through_anthropics_sdk() -> None:
    with running([UnalignedModel()]) as server, anthropic.Anthropic(base_url=server.url, api_key="none") as client:
        asked: Any = {"model": "unaligned", "max_tokens": 200, "system": "Be kind."}
        turns: Any = [{"role": "user", "content": [{"type": "text", "text": "Tell me about kites"}]}]
        told = client.messages.create(messages=turns, **asked)
        assert told.stop_reason == "end_turn"
        assert told.content[0].type == "text"
        assert "Tell me about kites" in told.content[0].text
        with client.messages.stream(messages=turns, **asked) as stream:
            pieces = list(stream.text_stream)
            assert "".join(pieces) == told.content[0].text
            assert stream.get_final_message().usage == told.usage
        assert len(pieces) > 5
        short = client.messages.create(messages=turns, **asked | {"max_tokens": 3})
        assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 3)
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        tools: Any = [{"name": "fly", "input_schema": schema}]
        choices: Any = {"type": "any"}, {"type": "tool", "name": "fly"}
        for choice in choices:
            with client.messages.stream(messages=turns, tools=tools, tool_choice=choice, **asked) as stream:
                call: Any = stream.get_final_message().content[0]
            assert call.type == "tool_use"
            assert (call.name, call.input) == ("fly", {"n": 1})
        for result in ("It flew.", [{"type": "text", "text": "It flew."}]):
            block = {"type": "tool_result", "tool_use_id": call.id, "content": result}
            flown: Any = [
                *turns,
                {"role": "assistant", "content": [call.model_dump()]},
                {"role": "user", "content": [block]},
            ]
            answer = client.messages.create(messages=flown, **asked).content[0]
            assert answer.type == "text"
            assert "It flew." in answer.text
        with pytest.raises(anthropic.BadRequestError, match="non-empty array"):
            client.messages.create(messages=[], **asked)


def test_a_bad_body_is_the_clients_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="non-empty array"):
        client.chat.completions.create(model="unaligned", messages=[])


def test_a_port_in_use_is_one_clear_error() -> None:
    with (
        bind("127.0.0.1", 0) as taken,
        pytest.raises(ConfigurationError, match=r"port is in use.*listen\.port"),
    ):
        bind("127.0.0.1", taken.getsockname()[1])
