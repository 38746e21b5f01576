"""Requests as coding agents send them, byte for byte: they pass as they came, and what is stopped in them is."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.conftest import Rig
from tests.gateway.test_stopped_streams import WORD
from tests.integrations.matrix import gateways, script

CLAUDE_STYLE: dict[str, Any] = {
    "model": "m",
    "max_tokens": 32_000,
    "stream": True,
    "temperature": 1,
    "metadata": {"user_id": "user_5f3a_account_9b1c_session_77d0"},
    "system": [
        {"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Use the tools. Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ],
    "tools": [
        {
            "name": "Read",
            "description": "Reads a file.",
            "input_schema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {"file_path": {"type": "string", "description": "The absolute path"}},
                "required": ["file_path"],
                "additionalProperties": False,
            },
        }
    ],
    "thinking": {"type": "enabled", "budget_tokens": 8_000},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<reminder>Be brief.</reminder>"}]},
        {
            "role": "assistant",
            "content": [
                {
                    "type": "thinking",
                    "thinking": "I read the file first.",
                    "signature": "EqQBCkYIBxgCKkA" + "x7Q2" * 20,
                },
                {"type": "text", "text": "I read it."},
                {"type": "tool_use", "id": "toolu_01A", "name": "Read", "input": {"file_path": "/app/main.py"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_01A",
                    "content": "     1\tprint('hello')\n",
                    "is_error": False,
                },
                {"type": "text", "text": "Now add a test.", "cache_control": {"type": "ephemeral"}},
            ],
            "output_config": {"effort": "low"},
        },
    ],
}
CODEX_STYLE: dict[str, Any] = {
    "model": "m",
    "instructions": "You are a coding agent in a terminal.",
    "stream": True,
    "store": False,
    "parallel_tool_calls": False,
    "tool_choice": "auto",
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "medium", "summary": "auto"},
    "prompt_cache_key": "0199a1c2-7a53-7f00-9a1b-2c3d4e5f6071",
    "tools": [
        {
            "type": "function",
            "name": "shell",
            "description": "Runs a command.",
            "strict": False,
            "parameters": {
                "type": "object",
                "properties": {
                    "command": {"type": "array", "items": {"type": "string"}},
                    "workdir": {"type": "string"},
                },
                "required": ["command"],
                "additionalProperties": False,
            },
        }
    ],
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Ask before you delete."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is in this folder?"}]},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAABo" + "k3Zq9T" * 20},
        {
            "type": "function_call",
            "name": "shell",
            "arguments": '{"command":["ls","-la"]}',
            "call_id": "call_Ab12",
        },
        {
            "type": "function_call_output",
            "call_id": "call_Ab12",
            "output": '{"output":"main.py\\n","metadata":{"exit_code":0}}',
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Add a test."}]},
    ],
}
AGENTS = {"/v1/messages": ("messages", CLAUDE_STYLE), "/v1/responses": ("responses", CODEX_STYLE)}


@pytest.fixture(scope="module")
def rigs() -> Iterator[dict[bool, Rig]]:
    with gateways() as made:
        yield made


@pytest.mark.parametrize("path", AGENTS)
def test_agents_pass_byte_for_byte_both_ways(rigs: dict[bool, Rig], path: str) -> None:
    api, body = AGENTS[path]
    made = rigs[False]
    for cell in ("plain", "tools"):
        script(made, api, cell)
        answer = made.post(body, path=path)
        assert (answer.status, answer.body) == (200, b"".join(made.upstream.events or ()))
        assert json.loads(made.upstream.requests[-1].body) == body


@pytest.mark.parametrize("path", AGENTS)
def test_what_a_tool_brings_is_stopped_once_and_the_agent_goes_on(rigs: dict[bool, Rig], path: str) -> None:
    api, body = AGENTS[path]
    made = rigs[False]
    script(made, api, "plain")
    raw = json.dumps(body)
    for said in ("Now add a test.", "Add a test."):
        raw = raw.replace(said, f"Say {WORD}.")
    stopped = made.post(raw.encode(), path=path)
    assert (stopped.status, stopped.headers["x-sisf-decision"]) == (400, "block")


@pytest.mark.parametrize("path", AGENTS)
def test_agents_are_told_at_the_end_of_a_stream(rigs: dict[bool, Rig], path: str) -> None:
    api, body = AGENTS[path]
    for inline, cell in ((False, "stopped in the answer"), (True, "withheld inline")):
        made = rigs[inline]
        script(made, api, cell)
        answer = made.post(body, path=path)
        assert WORD.encode() not in answer.body
        ends = {"messages": b"event: message_stop\n", "responses": b"event: response.completed\n"}
        assert ends[api] in answer.body
