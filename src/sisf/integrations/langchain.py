"""LangChain and LangGraph: every model call of an agent, inspected before and after. Needs the extra `langchain`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from sisf.errors import Blocked, ConfigurationError
from sisf.gateway.dialects.base import REFUSAL
from sisf.guard import Admitted, Guard
from sisf.pipeline.caller import ANONYMOUS

_ROLES = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool", "function": "tool"}
_TEXTS = ("content", "tool_calls", "invalid_tool_calls", "additional_kwargs", "name")
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

    def _caller(self, request: ModelRequest) -> dict[str, str]:
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
    found: dict[str, Any] = {"role": _ROLES.get(message.type, "user")}
    for key in _TEXTS:
        value = getattr(message, key, None)
        if isinstance(value, dict):
            value = {name: inner for name, inner in value.items() if inner}
        if value:
            found[key] = value
    return found


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
    changed = {key: texts[key] for key in _TEXTS if key in texts and texts[key] != before[key]}
    return message.model_copy(update=changed) if changed else message
