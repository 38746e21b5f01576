"""An OpenAI client whose chat completions are guarded in your own process."""

from typing import TYPE_CHECKING, Any

from sisf.guard import Guard

if TYPE_CHECKING:
    import openai


def guarded(client: "openai.OpenAI", guard: Guard) -> "openai.OpenAI":
    """A copy of `client` whose `chat.completions.create` raises `PolicyBlocked`, and whose exchanges are learned from.

    Streams are read to their end before their first chunk is handed on: use the gateway to inspect them as they flow.
    """
    copy = client.copy()
    completions = copy.chat.completions
    create = completions.create

    def checked(*args: Any, **kwargs: Any) -> Any:
        messages = kwargs.get("messages") or ()
        guard.require(messages)
        answer = create(*args, **kwargs)
        chunks = list(answer) if kwargs.get("stream") else None
        text = _streamed(chunks) if chunks is not None else _plain(answer)
        guard.require_answer(messages, text)
        guard.observe(messages, text, model=str(kwargs.get("model", "")))
        return iter(chunks) if chunks is not None else answer

    completions.create = checked  # type: ignore[method-assign]
    return copy


def _plain(answer: Any) -> str:
    return "\n".join(_said(choice.message) for choice in answer.choices)


def _said(message: Any) -> str:
    calls = [call.function.arguments for call in message.tool_calls or () if call.type == "function"]
    return "\n".join(text for text in (message.content, *calls) if text)


def _streamed(chunks: list[Any]) -> str:
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    texts = [delta.content or "" for delta in deltas]
    calls = [
        call.function.arguments or ""
        for delta in deltas
        for call in delta.tool_calls or ()
        if call.function is not None
    ]
    return "".join([*texts, *calls])
