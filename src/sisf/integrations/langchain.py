"""LangChain and LangGraph: every model call of an agent, inspected before and after. Needs the extra `langchain`."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Any, Literal

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from sisf.errors import Blocked, ConfigurationError
from sisf.gateway.dialects.base import REFUSAL
from sisf.gateway.dialects.openai_shapes import MESSAGE
from sisf.guard import Admitted, Guard
from sisf.pipeline.caller import ANONYMOUS

_ROLES = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool", "function": "tool"}
_CALL_BLOCKS = ("tool_use", "tool_call", "invalid_tool_call", "function_call", "server_tool_use", "server_tool_call")
"""Blocks of a content that are calls: providers name them differently, and none of them is a part of a chat."""
_ARGUMENTS = ("args", "input", "arguments")
_REST = "provider_specific_fields"
"""Where the API has what only a provider knows; its strings are inspected."""
_UNSEEN = "nostream"
"""LangGraph's tag for models whose tokens it must not stream."""


class GuardMiddleware(AgentMiddleware):
    """Put it last in `create_agent(..., middleware=[...])`: then it sees exactly what goes to the model.

    Each model call is one exchange: system prompt, messages, tool results and tool descriptions are inspected before
    it, the answer with its tool calls after it, and the loop learns from it. What is stopped raises `Blocked`; with
    `on_blocked="refuse"` the agent ends with a message that refuses instead.

    The model's tokens are not streamed, because they would leave before they were inspected: LangGraph's `messages`
    stream has the released message as a whole. To stream inspected tokens, give the chat model a client of
    `Guard.wrap` instead. Callbacks and tracers that the program itself installs see the model's answer as it comes.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        principal: str | Callable[[Any], str] = ANONYMOUS,
        tenant: str = "default",
        on_blocked: Literal["raise", "refuse"] = "raise",
    ) -> None:
        """`principal` names the user behind a call, or finds the name in the `ModelRequest`."""
        super().__init__()
        self._guard = guard
        self._principal = principal
        self._tenant = tenant
        self._refuse = on_blocked == "refuse"

    def wrap_model_call(self, request: ModelRequest, handler: Callable[[ModelRequest], Any]) -> Any:
        """Admit the request, call the model, release its answer."""
        try:
            admitted = self._guard.admit(_messages(request), **self._caller(request))
            response = handler(_sent(request, admitted))
            return _released(response, self._guard.release(admitted, _answer(response)))
        except Blocked:
            if not self._refuse:
                raise
            return _refusal()

    async def awrap_model_call(self, request: ModelRequest, handler: Callable[[ModelRequest], Awaitable[Any]]) -> Any:
        """`wrap_model_call` on the event loop."""
        try:
            admitted = await self._guard.aadmit(_messages(request), **self._caller(request))
            response = await handler(_sent(request, admitted))
            return _released(response, await self._guard.arelease(admitted, _answer(response)))
        except Blocked:
            if not self._refuse:
                raise
            return _refusal()

    def _caller(self, request: ModelRequest) -> dict[str, Any]:
        principal = self._principal if isinstance(self._principal, str) else self._principal(request)
        model = getattr(request.model, "model_name", None) or type(request.model).__name__
        return {"principal": principal, "tenant": self._tenant, "model": str(model)}


def _refusal() -> ModelResponse:
    message = AIMessage(REFUSAL, response_metadata={"finish_reason": "content_filter"})
    return ModelResponse(result=[message])


def _messages(request: ModelRequest) -> list[Mapping[str, Any]]:
    """Everything that goes to the model, as the Warden reads it: tools, system prompt, messages."""
    messages = [request.system_message] if request.system_message else []
    tools = [{"role": "system", "content": str(convert_to_openai_tool(tool))} for tool in request.tools]
    return [*map(_texts, [*messages, *request.messages]), *tools]


def _texts(message: BaseMessage) -> dict[str, Any]:
    """A message as the API has it: LangChain keeps calls in a form of its own, and what providers add by the side."""
    found: dict[str, Any] = {"role": _ROLES.get(message.type, "user")}
    if content := _without_calls(message.content):
        found["content"] = content
    if calls := [_call(call) for call in _calls(message)]:
        found["tool_calls"] = calls
    if message.name:
        found["name"] = message.name
    beside = {key: value for key, value in message.additional_kwargs.items() if value and key != "tool_calls"}
    known = {key: value for key, value in beside.items() if key in MESSAGE.keys and key not in (*found, _REST)}
    rest = {key: value for key, value in beside.items() if key not in known}
    return found | known | ({_REST: rest} if rest else {})


def _is_call(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in _CALL_BLOCKS


def _without_calls(content: Any) -> Any:
    return [block for block in content if not _is_call(block)] if isinstance(content, list) else content


def _calls(message: BaseMessage) -> list[Any]:
    """Every call, wherever a message keeps it. `_with_calls` puts them back in this order."""
    blocks = [block for block in message.content if _is_call(block)] if isinstance(message.content, list) else []
    raw = message.additional_kwargs.get("tool_calls") or []
    return [*getattr(message, "tool_calls", ()), *getattr(message, "invalid_tool_calls", ()), *raw, *blocks]


def _call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """A call as the API has it."""
    if "function" in call:
        return call
    arguments = _arguments_key(call)
    rest = {key: value for key, value in call.items() if value and key not in ("type", "id", "name", arguments)}
    function = {"name": call.get("name") or "", "arguments": call.get(arguments) or ""}
    made = {"id": call.get("id") or "", "type": "function", "function": function}
    return made | ({_REST: rest} if rest else {})


def _arguments_key(call: Mapping[str, Any]) -> str:
    return next((key for key in _ARGUMENTS if key in call), "args")


def _recalled(call: Any, before: Any, after: Any) -> Any:
    """`call` with what a policy rewrote in it."""
    if "function" in call:
        return after
    if before == after:
        return call
    arguments = _arguments_key(call)
    function = after["function"]
    return {**call, "name": function["name"], arguments: function["arguments"], **after.get(_REST, {})}


def _sent(request: ModelRequest, admitted: Admitted) -> ModelRequest:
    """The request to hand on, with what a policy rewrote, and with a model that streams nothing uninspected."""
    model = request.model
    if not isinstance(model, BaseChatModel):
        raise ConfigurationError(f"GuardMiddleware needs a chat model, not a {type(model).__name__}: bind it later")
    quiet = model.model_copy(update={"disable_streaming": True, "tags": [*(model.tags or []), _UNSEEN]})
    given = [request.system_message, *request.messages] if request.system_message else list(request.messages)
    changed: list[Any] = [_with(message, texts) for message, texts in zip(given, admitted.prompt, strict=False)]
    system = changed.pop(0) if request.system_message else None
    return request.override(model=quiet, system_message=system, messages=changed)


def _answer(response: Any) -> dict[str, Any]:
    """The model's whole answer as one message: what follows the first one is inspected as a part of it."""
    first, *more = _results(response)
    answer = _texts(first) | {"role": "assistant"}
    return answer | {"more": [_texts(message) for message in more]} if more else answer


def _released(response: Any, answer: Mapping[str, Any]) -> Any:
    results = _results(response)
    results[0] = _with(results[0], answer)
    for index, texts in enumerate(answer.get("more", ()), 1):
        results[index] = _with(results[index], texts)
    return response if not isinstance(response, AIMessage) else results[0]


def _results(response: Any) -> list[BaseMessage]:
    """The messages of what a handler returned: a message, a response, or one with a command."""
    if isinstance(response, AIMessage):
        return [response]
    inner: ModelResponse = getattr(response, "model_response", response)
    return inner.result


def _with(message: BaseMessage, texts: Mapping[str, Any]) -> BaseMessage:
    """`message` with the texts that a policy rewrote."""
    before = _texts(message)
    if before == texts:
        return message
    given = _calls(message)
    pairs = zip(given, before.get("tool_calls", ()), texts.get("tool_calls", ()), strict=True)
    calls = iter([_recalled(*pair) for pair in pairs])
    changed: dict[str, Any] = {}
    for key in ("tool_calls", "invalid_tool_calls"):
        if old := getattr(message, key, None):
            changed[key] = list(islice(calls, len(old)))
    beside = {**message.additional_kwargs, **texts.get(_REST, {})}
    beside |= {key: texts[key] for key in beside if key in texts and key != _REST and key not in ("name", "tool_calls")}
    if raw := message.additional_kwargs.get("tool_calls"):
        beside["tool_calls"] = list(islice(calls, len(raw)))
    changed["additional_kwargs"] = beside
    content = texts.get("content", message.content)
    if isinstance(message.content, list):
        said = iter(content)
        content = [next(calls) if _is_call(block) else next(said) for block in message.content]
    return message.model_copy(update={**changed, "content": content, "name": texts.get("name", message.name)})
