"""The matrix with LiteLLM's SDK, in an environment of its own: chat completions, responses and messages."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sisf.gateway.dialects.base import REFUSAL
from tests.gateway.conftest import Rig
from tests.integrations.matrix import CELLS, EXPECTED, SCHEMA, Told, asked, gateways, prepare, script

PROGRAM = Path(__file__).with_name("litellm_ask.py")
OWN = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONPATH": "", "OPENAI_API_KEY": "none"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("litellm") is None, reason="`make test-litellm` runs it"),
]


@pytest.fixture(scope="module")
def rigs() -> Iterator[dict[bool, Rig]]:
    with gateways() as made:
        yield made


@pytest.fixture(scope="module")
def program() -> Iterator["subprocess.Popen[str]"]:
    """A running program that asks with LiteLLM."""
    python = Path(shutil.which("litellm") or "").read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
    with subprocess.Popen(
        [python, PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
        env={**os.environ, **OWN},
    ) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()


def answer(program: "subprocess.Popen[str]", **job: Any) -> dict[str, Any]:
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(json.dumps(job) + "\n")
    program.stdin.flush()
    while not (line := program.stdout.readline()).startswith("{"):  # LiteLLM prints advice of its own
        assert line, "the program ended"
    told: dict[str, Any] = json.loads(line)
    return told


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_litellm(rigs: dict[bool, Rig], program: "subprocess.Popen[str]", api: str, cell: str, stream: bool) -> None:
    made = prepare(rigs, cell)
    script(made, api, cell)
    schema = SCHEMA if cell in ("tools", "structured") else None
    tools = {"chat": "weather"}.get(api, "f") if cell == "tools" else ""
    given = answer(program, url=made.url, api=api, prompt=asked(cell), stream=stream, schema=schema, tools=tools)
    if "status" in given:
        assert given["status"] == EXPECTED[cell].status, given
        return
    refused = given["reason"] == "content_filter"
    text = REFUSAL if refused and given["text"].endswith(REFUSAL) else given["text"]
    assert Told(text, given["call"], refused) == EXPECTED[cell]
