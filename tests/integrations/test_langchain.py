"""The middleware in real LangChain agents, over real clients and servers."""

import asyncio
import json
from typing import Any

import pytest

from sisf import Guard
from sisf.errors import Blocked, InspectionFailed
from sisf.gateway.dialects.base import REFUSAL
from sisf.testing import ScriptedServer
from tests.guard.conftest import records
from tests.integrations.conftest import ANSWERS, SKIPPED

for name in ("langchain", "langchain_openai", "langgraph"):
    pytest.importorskip(name, reason=SKIPPED.format(name))

import openai
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from sisf.integrations.langchain import GuardMiddleware, _texts, _with


def model_at(url: str, **more: Any) -> Any:
    return ChatOpenAI(model="recorded", base_url=url, api_key="none", max_retries=0, **more)  # type: ignore[arg-type]


def asked(text: str) -> Any:
    return {"messages": [{"role": "user", "content": text}]}


def last(result: Any) -> Any:
    return result["messages"][-1].content


def test_an_agent_works_and_its_exchanges_are_recorded(guard: Guard, server: str) -> None:
    agent: Any = create_agent(model_at(server), middleware=[GuardMiddleware(guard, principal="alice")])
    assert last(agent.invoke(asked("tea"))) == ANSWERS["tea"]
    (record,) = records(guard)
    assert (record.fate, record.exchange.sender.principal, record.exchange.model) == ("released", "alice", "recorded")
    assert (record.exchange.prompt, record.exchange.response) == ("tea", ANSWERS["tea"])


def test_what_is_stopped_raises(guard: Guard) -> None:
    with ScriptedServer("a BADANSWER") as upstream:
        agent: Any = create_agent(model_at(upstream.url), middleware=[GuardMiddleware(guard)])
        with pytest.raises(Blocked) as caught:
            agent.invoke(asked("BADPROMPT"))
        assert (caught.value.fate, upstream.requests) == ("intercepted_prompt", [])
        with pytest.raises(Blocked) as caught:
            agent.invoke(asked("hello"))
        assert caught.value.fate == "intercepted_response"


def test_refusals_by_option(guard: Guard, server: str) -> None:
    agent: Any = create_agent(model_at(server), middleware=[GuardMiddleware(guard, on_blocked="refuse")])
    assert last(agent.invoke(asked("BADPROMPT"))) == REFUSAL
    assert last(agent.invoke(asked("leak"))) == REFUSAL


def test_nothing_leaves_in_a_stream_before_it_is_released(guard: Guard, server: str) -> None:
    agent: Any = create_agent(model_at(server), middleware=[GuardMiddleware(guard, on_blocked="refuse")])

    def streamed(text: str) -> str:
        return "".join(message.content for message, _ in agent.stream(asked(text), stream_mode="messages"))

    assert ANSWERS["tea"] in streamed("tea")
    assert streamed("leak").endswith(REFUSAL)
    assert "BADANSWER" not in streamed("leak")


def test_on_an_event_loop(guard: Guard, server: str) -> None:
    async def work() -> None:
        async with openai.DefaultAsyncHttpxClient() as http:
            model = model_at(server, http_async_client=http)
            agent: Any = create_agent(model, middleware=[GuardMiddleware(guard, on_blocked="refuse")])
            assert last(await agent.ainvoke(asked("tea"))) == ANSWERS["tea"]
            for text in ("leak", "BADPROMPT"):
                assert last(await agent.ainvoke(asked(text))) == REFUSAL
                found = [message.content async for message, _ in agent.astream(asked(text), stream_mode="messages")]
                assert "".join(found) == REFUSAL

    asyncio.run(work())


def test_the_plain_agent_does_stream_what_a_policy_stops(server: str) -> None:
    """Else the test above could not fail."""
    agent: Any = create_agent(model_at(server))
    found = "".join(message.content for message, _ in agent.stream(asked("leak"), stream_mode="messages"))
    assert "BADANSWER" in found


def test_tool_calls_and_their_results_are_inspected(guard: Guard) -> None:
    @tool
    def lookup(word: str) -> str:
        """Look a word up."""
        return f"BADPROMPT {word}"

    call = {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": '{"word": "tea"}'}}
    with ScriptedServer(body=_completion({"role": "assistant", "content": None, "tool_calls": [call]})) as upstream:
        agent: Any = create_agent(model_at(upstream.url), [lookup], middleware=[GuardMiddleware(guard)])
        with pytest.raises(Blocked) as caught:
            agent.invoke(asked("look tea up"))
        assert caught.value.fate == "intercepted_prompt"
        assert len(upstream.requests) == 1
        bad = {**call, "function": {"name": "lookup", "arguments": '{"word": "BADANSWER"}'}}
        upstream.body = _completion({"role": "assistant", "content": None, "tool_calls": [bad]})
        with pytest.raises(Blocked) as caught:
            agent.invoke(asked("look it up"))
        assert caught.value.fate == "intercepted_response"


CALL = {"name": "lookup", "args": {"word": "tea"}, "id": "call_1"}
TURNS = {
    "calls": AIMessage("the SECRET", tool_calls=[CALL]),
    "calls that no reader understood": AIMessage(
        "", invalid_tool_calls=[{**CALL, "args": '{"tea the SECRET', "error": None, "type": "invalid_tool_call"}]
    ),
    "blocks of Anthropic": AIMessage(
        [
            {"type": "thinking", "thinking": "They ask.", "signature": "EqoBCkgIARABGAIiQL8/+=="},
            {"type": "text", "text": "the SECRET"},
            {"type": "tool_use", "id": "call_1", "name": "lookup", "input": {"word": "tea"}},
        ],
        tool_calls=[CALL],
    ),
    "beside": AIMessage(
        "Hm.",
        additional_kwargs={"reasoning_content": "tea, the SECRET", "refusal": None, "__of_a_vendor__": {"a": "b"}},
    ),
}


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_turns_of_every_form_are_read_and_rewritten_in_place(guard: Guard, turn: AIMessage) -> None:
    before, texts = turn.model_dump_json(), _texts(turn)
    assert _with(turn, texts) == turn
    admitted = guard.admit([texts])
    assert _with(turn, admitted.prompt[0]).model_dump_json() == before.replace("SECRET", "[gone]")
    with pytest.raises(Blocked):
        guard.admit([_texts(AIMessage.model_validate_json(before.replace("tea", "BADPROMPT")))])


def _completion(message: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode()


def test_the_system_prompt_and_tool_descriptions_are_inspected(guard: Guard, server: str) -> None:
    @tool
    def odd(word: str) -> str:
        """BADPROMPT"""
        return word

    for more in ({"system_prompt": "BADPROMPT"}, {"tools": [odd]}):
        agent: Any = create_agent(model_at(server), middleware=[GuardMiddleware(guard)], **more)  # type: ignore[call-overload]
        with pytest.raises(Blocked):
            agent.invoke(asked("tea"))


def test_rewrite_policies_apply(guard: Guard) -> None:
    with ScriptedServer("the SECRET") as upstream:
        agent: Any = create_agent(model_at(upstream.url), system_prompt="Be kind.", middleware=[GuardMiddleware(guard)])
        assert last(agent.invoke(asked("my SECRET"))) == "the [gone]"
        sent = upstream.requests[0].json()["messages"]
    assert [message["content"] for message in sent] == ["Be kind.", "my [gone]"]


def test_what_cannot_be_inspected_fails(guard: Guard, server: str) -> None:
    agent: Any = create_agent(model_at(server), middleware=[GuardMiddleware(guard, on_blocked="refuse")])
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with pytest.raises(InspectionFailed):
        agent.invoke({"messages": [{"role": "user", "content": [image]}]})  # type: ignore[list-item]


def test_the_principal_can_come_from_the_run(guard: Guard, server: str) -> None:
    def who(request: Any) -> str:
        return str(request.runtime.context["user"])

    agent: Any = create_agent(model_at(server), middleware=[GuardMiddleware(guard, principal=who)], context_schema=dict)
    agent.invoke(asked("tea"), context={"user": "bob"})
    assert records(guard)[0].exchange.sender.principal == "bob"


def test_a_wrapped_client_under_chat_openai_streams_inspected_tokens(guard: Guard, server: str) -> None:
    with openai.OpenAI(base_url=server, api_key="none", max_retries=0) as client:
        sdk = guard.wrap(client)
        model = ChatOpenAI(model="recorded", client=sdk.chat.completions, root_client=sdk, api_key="none")  # type: ignore[arg-type]
        assert model.invoke("tea").content == ANSWERS["tea"]
        assert "".join(str(chunk.content) for chunk in model.stream("tea")) == ANSWERS["tea"]
        for stopped in ("leak", "BADPROMPT"):
            with pytest.raises(Blocked):
                list(model.stream(stopped))


def test_a_guard_in_a_langgraph_node(guard: Guard, server: str) -> None:
    from langgraph.graph import END, START, MessagesState, StateGraph

    model = model_at(server)

    def answer(state: MessagesState) -> Any:
        admitted = guard.admit(str(state["messages"][-1].content))
        said = str(model.invoke(admitted.prompt).content)
        return {"messages": [AIMessage(guard.release(admitted, said))]}

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    app = graph.compile()
    assert last(app.invoke(asked("tell"))) == "the [gone] is out"
    with pytest.raises(Blocked):
        app.invoke(asked("leak"))
