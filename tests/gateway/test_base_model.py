"""A model that only completes text, used as a chat model."""

import json
from typing import Any

import openai
import pytest

from sisf.errors import ConfigurationError
from sisf.gateway.base_model import renderer
from sisf.gateway.dialects.base import REFUSAL
from sisf.testing import ScriptedServer
from tests.gateway.conftest import chat, rig


def completion(text: str, reason: str | None = "stop") -> dict[str, Any]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "base", "choices": [choice]}


def events(*texts: str) -> list[bytes]:
    made = [completion(text, None) for text in texts] + [completion("", "length")]
    return [b"data: " + json.dumps(e).encode() + b"\n\n" for e in made] + [b"data: [DONE]\n\n"]


def test_chat_becomes_a_completion_and_back() -> None:
    server = ScriptedServer(body=json.dumps(completion("once upon a time")).encode(), events=events("once ", "upon"))
    with (
        rig(server, upstream__template="plain") as gateway,
        openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0) as sdk,
    ):
        ask: dict[str, Any] = {"model": "base", "messages": [{"role": "user", "content": "Tell a story"}]}
        plain = sdk.chat.completions.create(**ask, max_completion_tokens=256, temperature=0.6, top_p=0.9)
        assert plain.choices[0].message.content == "once upon a time"
        sent = gateway.upstream.requests[0]
        assert sent.path == "/v1/completions"
        assert sent.json() == {
            "model": "base",
            "temperature": 0.6,
            "top_p": 0.9,
            "max_tokens": 256,
            "prompt": "Tell a story",
        }
        chunks = list(sdk.chat.completions.create(**ask, stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "once upon"
        assert chunks[-1].choices[0].finish_reason == "length"
        with pytest.raises(openai.BadRequestError, match="no tools"):
            sdk.chat.completions.create(**ask, tools=[{"type": "function", "function": {"name": "f"}}])


def test_answers_are_inspected_all_the_same() -> None:
    server = ScriptedServer(body=json.dumps(completion("FORBIDDEN")).encode(), events=events("so ", "FORBIDDEN"))
    with rig(
        server, upstream__template="{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    ) as gateway:
        assert gateway.post(chat("hi")).json()["choices"][0]["message"]["content"] == REFUSAL
        assert gateway.upstream.requests[0].json()["prompt"] == "user: hi\n"
        assert b"FORBIDDEN" not in gateway.post(chat("hi", stream=True)).body
        gateway.upstream.body = b'{"choices": [{"message": {}}]}'
        assert gateway.post(chat("hi")).status == 502


def test_a_broken_template_is_one_clear_error() -> None:
    with pytest.raises(ConfigurationError, match="neither `plain` nor a Jinja template"):
        renderer("{% for %}")
