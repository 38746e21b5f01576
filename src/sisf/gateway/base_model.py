"""Base models only complete text: chat messages become one prompt, the completion becomes the assistant's message."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from sisf.errors import ConfigurationError, HttpFailure
from sisf.gateway.failures import upstream_failure
from sisf.gateway.sse import EventSplitter
from sisf.gateway.texts import dumps
from sisf.gateway.upstream import Reply
from sisf.gateway.wire import Malformed, parse

Render = Callable[[list[dict[str, str]]], str]

_KEPT = frozenset(
    """
    model temperature top_p top_k n stream stream_options stop seed presence_penalty frequency_penalty logit_bias user
    repetition_penalty min_p
    """.split()
)
_EVENT_BYTES = 4_000_000


def renderer(template: str) -> Render:
    """`plain` puts the messages' texts one after the other; anything else is a Jinja template over `messages`.

    Raises `ConfigurationError` for a template that does not parse.
    """
    if template == "plain":
        return lambda messages: "\n\n".join(message["content"] for message in messages)
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        # The result is a prompt, not HTML; the template comes from the configuration, the texts only fill it.
        compiled = ImmutableSandboxedEnvironment(autoescape=False).from_string(template)
    except TemplateError as error:
        raise ConfigurationError(f"upstream.template: is neither `plain` nor a Jinja template: {error}") from None

    def render(messages: list[dict[str, str]]) -> str:
        try:
            return compiled.render(messages=messages)
        except TemplateError as error:
            raise upstream_failure(500, "template_failed", f"upstream.template failed: {error}") from None

    return render


def to_completion(body: bytes, render: Render) -> bytes:
    """The completion request for an inspected chat request. Raises `HttpFailure` for what a base model lacks."""
    tree = parse(body)
    if tree.get("tools") or tree.get("functions") or tree.get("response_format"):
        raise HttpFailure(400, "unsupported", "This model completes text: it has no tools and no structured output.")
    made = {key: value for key, value in tree.items() if key in _KEPT}
    limit = tree.get("max_completion_tokens", tree.get("max_tokens"))
    if limit is not None:
        made["max_tokens"] = limit
    messages = [{"role": str(m.get("role")), "content": _text(m.get("content"))} for m in tree["messages"]]
    return dumps({**made, "prompt": render(messages)})


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return content if isinstance(content, str) else ""


class ChatReply(Reply):
    """A completion's reply, read as a chat completion's."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.has_key = reply.has_key
        self.about_the_key = reply.about_the_key
        self.status = reply.status
        self.media_type = reply.media_type
        self.encoding, self.unreadable = reply.encoding, reply.unreadable
        self.answer_timeout = reply.answer_timeout
        self.headers = reply.headers

    async def read(self, limit: int) -> bytes:
        """The body in the other form; errors stay as they are. Raises `HttpFailure` when it is no completion."""
        body = await self._reply.read(limit)
        if self.status != 200:
            return body
        try:
            return dumps(_as_chat(parse(body), "chat.completion", _message))
        except Malformed as error:
            raise upstream_failure(502, "upstream_malformed", f"The upstream's answer is malformed: {error}.") from None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Every event in the other form."""
        splitter = EventSplitter(_EVENT_BYTES)
        try:
            async for chunk in self._reply.chunks():
                for event in splitter.feed(chunk):
                    yield _event(event.raw, event.data)
            for event in splitter.rest():
                yield _event(event.raw, event.data)
        except Malformed as error:
            raise upstream_failure(502, "upstream_malformed", f"The upstream's stream is malformed: {error}.") from None

    async def __aexit__(self, *exception: Any) -> None:
        await self._reply.__aexit__(*exception)


def _event(raw: bytes, data: bytes | None) -> bytes:
    if data is None or data.strip() == b"[DONE]":
        return raw
    tree = parse(data)
    if "error" in tree:
        return raw
    return b"data: " + dumps(_as_chat(tree, "chat.completion.chunk", _delta)) + b"\n\n"


def _as_chat(tree: Mapping[str, Any], kind: str, part: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    choices = tree.get("choices")
    if not isinstance(choices, list) or not all(
        isinstance(c, dict) and isinstance(c.get("text"), str) for c in choices
    ):
        raise Malformed("it is no completion")
    made = [
        {
            "index": choice.get("index", place),
            **part(choice["text"]),
            "logprobs": None,
            "finish_reason": choice.get("finish_reason"),
        }
        for place, choice in enumerate(choices)
    ]
    return {**tree, "object": kind, "choices": made}


def _message(text: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}}


def _delta(text: str) -> dict[str, Any]:
    return {"delta": {"role": "assistant", "content": text}}
