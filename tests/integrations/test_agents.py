"""The guardrails in real runs of the OpenAI Agents SDK, over real clients and servers."""

import asyncio
from typing import Any

import pytest

from sisf import Guard
from sisf.errors import Blocked, InspectionFailed
from sisf.testing import ScriptedServer
from tests.guard.conftest import records, system_with
from tests.integrations.conftest import ANSWERS, SKIPPED

pytest.importorskip("agents", reason=SKIPPED.format("openai-agents"))

import openai
from agents import (
    Agent,
    InputGuardrailTripwireTriggered,
    OpenAIChatCompletionsModel,
    OutputGuardrailTripwireTriggered,
    Runner,
    set_tracing_disabled,
)

from sisf.integrations.agents import guardrails


@pytest.fixture(autouse=True)
def _no_tracing() -> None:
    set_tracing_disabled(True)  # it would be sent to the network


def run(guard: Guard, url: str, given: Any, *, wrapped: bool = False, **caller: str) -> Any:
    async def work() -> Any:
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            model = OpenAIChatCompletionsModel("recorded", guard.wrap(client) if wrapped else client)
            inputs, outputs = guardrails(guard, **caller)
            agent = Agent(name="a", model=model, input_guardrails=[inputs], output_guardrails=[outputs])
            return (await Runner.run(agent, given)).final_output

    return asyncio.run(work())


def test_a_run_works_and_is_recorded_with_its_input(guard: Guard, server: str) -> None:
    assert run(guard, server, "tea", principal="alice", tenant="t") == ANSWERS["tea"]
    (record,) = records(guard)
    exchange = record.exchange
    assert (exchange.prompt, exchange.response) == ("tea", ANSWERS["tea"])
    assert (exchange.sender.principal, exchange.tenant, exchange.model) == ("alice", "t", "recorded")
    assert len(record.decisions) == 2


def test_a_blocked_input_never_reaches_the_model(guard: Guard) -> None:
    inputs: list[Any] = [
        "BADPROMPT",
        [{"role": "user", "content": [{"type": "input_text", "text": "BADPROMPT"}]}],
        [
            {"role": "user", "content": "look it up"},
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": '{"a": "BAD\\u0050ROMPT"}'},
        ],
        "my SECRET",
    ]
    with ScriptedServer() as upstream:
        for given in inputs:
            with pytest.raises(InputGuardrailTripwireTriggered) as caught:
                run(guard, upstream.url, given)
        assert upstream.requests == []
        with pytest.raises(InputGuardrailTripwireTriggered) as caught:
            run(guard, upstream.url, "BADPROMPT")
    info = caught.value.guardrail_result.output.output_info
    assert info["outcome"] == "intercepted_prompt"
    assert info["revision"] == guard.revision
    assert "BADPROMPT" not in str(info)


def test_items_of_earlier_turns_pass(guard: Guard, server: str) -> None:
    items: list[Any] = [
        {"role": "user", "content": "look it up"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "It asks."}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a drink"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
         "content": [{"type": "output_text", "text": "A drink.", "annotations": []}]},
        {"role": "user", "content": "tea"},
    ]  # fmt: skip
    run(guard, server, items)
    assert records(guard)[-1].fate == "released"


def test_a_blocked_output_trips(guard: Guard, server: str) -> None:
    for text in ("leak", "tell"):
        with pytest.raises(OutputGuardrailTripwireTriggered):
            run(guard, server, text)
    assert records(guard)[-1].fate == "intercepted_response"


def test_inline_adjudication_trips() -> None:
    system = system_with(adjudication__mode="inline")
    with Guard(system=system) as guard, ScriptedServer("a BREACH") as upstream:
        with pytest.raises(OutputGuardrailTripwireTriggered) as caught:
            run(guard, upstream.url, "hello")
        assert caught.value.guardrail_result.output.output_info["outcome"] == "withheld"
    system.close()


def test_what_cannot_be_inspected_fails_the_run(guard: Guard, server: str) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
    with pytest.raises(InspectionFailed):
        run(guard, server, [{"role": "user", "content": [image]}])


def test_a_wrapped_client_inspects_every_model_call(guard: Guard, server: str) -> None:
    assert run(guard, server, "tea", wrapped=True) == ANSWERS["tea"]
    with pytest.raises(Blocked):
        run(guard, server, "leak", wrapped=True)
