"""A chat model behind any OpenAI-compatible API: OpenAI, Azure, vLLM, Ollama, llama.cpp and their like."""

import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from sisf.errors import ConfigurationError, ModelError
from sisf.exchange import Message
from sisf.llm.base import Completion
from sisf.llm.budget import CallGate, TransientModelError
from sisf.llm.dialect import Dialect
from sisf.llm.jsontext import read_object
from sisf.settings import CallLimits, ModelEndpoint
from sisf.settings.secrets import shown

if TYPE_CHECKING:
    from openai import OpenAI

MAX_BODY = 4_000_000
"""Bytes of an endpoint's answer that are read; no honest completion is longer."""
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which another attempt may succeed."""
_LONGEST_PAUSE = 20.0


def pause_before(attempt: int, error: TransientModelError) -> float:
    """Seconds to wait before a retry (the first is 1): what the endpoint asked for, or full jitter below 1, 2, 4 …"""
    return max(error.pause, random.uniform(0, min(0.5 * 2**attempt, _LONGEST_PAUSE)))


class OpenAIChatModel:
    """See `ChatModel`. The `openai` library is imported, and the connection made, when first used.

    Each attempt passes `gate`. Transient failures (no connection, time-out, 408, 429, 5xx, a broken or malformed body)
    are retried with full jitter; what the endpoint does not support (structured output, temperature) is given up once
    and remembered.
    """

    def __init__(
        self,
        endpoint: ModelEndpoint,
        *,
        gate: CallGate | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self.gate = gate or CallGate(CallLimits(concurrency=64), endpoint.model)
        self.retried = 0
        self._sleep = sleep
        self._clock = clock
        self._dialect = Dialect()
        self._client: OpenAI | None = None
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The model's name at its endpoint."""
        return self._endpoint.model

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """See `ChatModel.complete`. With `schema` the text is one JSON object; its keys are for the caller to check."""
        wire = [{"role": m.role.value, "content": m.content} for m in messages]
        size = sum(len(m.content.encode(errors="replace")) + 16 for m in messages)
        size += len(json.dumps(schema)) if schema else 0
        attempt = 0
        while True:
            try:
                with self.gate.call(size, max_tokens, wait=self._endpoint.timeout) as charge:
                    completion = self._attempt(wire, schema, max_tokens, temperature)
                    charge.settle(completion.prompt_tokens, completion.completion_tokens)
                    completion = replace(completion, usd=charge.usd)
                return _as_json(completion) if schema else completion
            except TransientModelError as error:
                if attempt >= self._endpoint.retries:
                    raise
                attempt += 1
                self.retried += 1
                self._sleep(pause_before(attempt, error))

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _attempt(
        self, wire: list[dict[str, str]], schema: Mapping[str, Any] | None, max_tokens: int, temperature: float
    ) -> Completion:
        import openai

        while True:
            arguments = self._dialect.arguments(schema, max_tokens, temperature)
            try:
                return _parse(self._post({"model": self._endpoint.model, "messages": wire, **arguments}))
            except openai.BadRequestError as error:
                if not self._dialect.give_up(arguments, str(error)):
                    raise ModelError(self._said(f"refused the request: {_short(error)}")) from None
            except openai.APIStatusError as error:
                if error.status_code == 422 and self._dialect.give_up(arguments, str(error)):
                    continue
                message = self._said(f"answered {error.status_code}: {_short(error)}")
                if error.status_code in RETRIED:
                    raise TransientModelError(message, retry_after(error.response.headers)) from None
                raise ModelError(message) from None
            except openai.APIConnectionError as error:
                raise TransientModelError(self._said(f"could not be reached: {_short(error)}")) from None
            except openai.OpenAIError as error:
                raise ModelError(self._said(f"cannot be called: {_short(error)}")) from None

    def _post(self, arguments: dict[str, Any]) -> bytes:
        """One request; its whole answer within the time-out, or `TransientModelError`."""
        import openai

        give_up = self._clock() + self._endpoint.timeout
        body = bytearray()
        try:
            with self._connected().chat.completions.with_streaming_response.create(**arguments) as response:
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BODY:
                        raise ModelError(self._said(f"answered more than {MAX_BODY} bytes"))
                    if self._clock() > give_up:
                        raise TransientModelError(self._said(f"took longer than {self._endpoint.timeout:g} s"))
        except (openai.OpenAIError, ModelError, ConfigurationError):
            raise
        except Exception as error:  # noqa: BLE001 - the library lets its transport's errors through while a body is read
            raise TransientModelError(self._said(f"broke off: {_short(error)}")) from None
        return bytes(body)

    def _connected(self) -> "OpenAI":
        with self._lock:
            if self._client is None:
                self._client = connect(self._endpoint)
            return self._client

    def _said(self, what: str) -> str:
        return f"model {self._endpoint.model} at {shown(self._endpoint.base_url) or 'the default endpoint'} {what}"


def connect(endpoint: ModelEndpoint) -> "OpenAI":
    """An `openai` client for the endpoint, without retries of its own.

    A key from the environment goes to the provider's default address only, never to a base URL that was configured.
    A query in the base URL (Azure's `api-version`) is sent with each request. Raises `ModelError` without a key.
    """
    import openai

    key = endpoint.api_key.get_secret_value()
    parts = urlsplit(endpoint.base_url)
    try:
        return openai.OpenAI(
            api_key=key or ("unused" if endpoint.base_url else None),
            base_url=urlunsplit(parts._replace(query="")) or None,
            default_query=dict(parse_qsl(parts.query)) or None,
            default_headers={"api-key": key} if (parts.hostname or "").endswith(".azure.com") else None,
            timeout=endpoint.timeout,
            max_retries=0,
        )
    except openai.OpenAIError as error:
        raise ModelError(f"model {endpoint.model} cannot be used: {_short(error)}") from None


def _parse(body: bytes) -> Completion:
    try:
        data = json.loads(body)
        choice = data["choices"][0]
        message, usage = choice["message"], data.get("usage") or {}
        finish = str(choice.get("finish_reason") or "stop")
        text = message.get("content")
        if message.get("refusal") or finish == "content_filter":
            raise ModelError("the model declined to answer")
        if not isinstance(text, str):
            raise TypeError("content is not a text")
        return Completion(
            text,
            model=str(data.get("model", "")),
            prompt_tokens=_count(usage.get("prompt_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
            finish_reason=finish,
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise TransientModelError(f"the endpoint's answer is not a chat completion: {error!r}"[:300]) from None


def _as_json(completion: Completion) -> Completion:
    if completion.finish_reason == "length":
        raise ModelError("the model's JSON was cut off by the token limit")
    try:
        text = json.dumps(read_object(completion.text), ensure_ascii=False)
    except ModelError as error:
        raise TransientModelError(str(error)) from None
    return replace(completion, text=text, finish_reason="stop")


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that an endpoint asked for, within reason; 0 where it asked for none."""
    try:
        return min(max(float(headers.get("retry-after", "0")), 0.0), _LONGEST_PAUSE)
    except ValueError:
        return 0.0


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
