"""The matrix with Vercel's AI SDK, in node: chat completions, responses and messages."""

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

HERE = Path(__file__).parent / "vercel"

if not os.environ.get("SISF_TEST_NPM"):
    pytest.skip("npm fetches packages: `make test-integrations` lets it", allow_module_level=True)


@pytest.fixture(scope="module")
def rigs() -> Iterator[dict[bool, Rig]]:
    with gateways() as made:
        yield made


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator["subprocess.Popen[str]"]:
    """A running program that asks with the AI SDK."""
    npm, program = shutil.which("npm"), shutil.which("node")
    if npm is None or program is None:
        pytest.skip("npm and node are not installed")
    folder = tmp_path_factory.mktemp("vercel")
    for file in ("package.json", "ask.mjs"):
        shutil.copy(HERE / file, folder)
    made = subprocess.run([npm, "install", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"npm cannot install the AI SDK: {made.stderr.decode()[-300:]}")
    with subprocess.Popen(
        [program, "ask.mjs"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()


def answer(node: "subprocess.Popen[str]", **job: Any) -> dict[str, Any]:
    assert node.stdin is not None
    assert node.stdout is not None
    node.stdin.write(json.dumps(job) + "\n")
    node.stdin.flush()
    told: dict[str, Any] = json.loads(node.stdout.readline())
    return told


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("api", ["chat", "responses", "messages"])
def test_vercel(rigs: dict[bool, Rig], node: "subprocess.Popen[str]", api: str, cell: str, stream: bool) -> None:
    if (api, cell) == ("messages", "structured"):
        pytest.skip("it asks Anthropic's API for a form with a tool: that is the cell of tools")
    made = prepare(rigs, cell)
    script(made, api, cell)
    schema, form = (SCHEMA if cell == wanted else None for wanted in ("tools", "structured"))
    given = answer(node, url=made.url, api=api, prompt=asked(cell), stream=stream, schema=schema, form=form)
    if "status" in given:
        assert given["status"] == EXPECTED[cell].status, given
        return
    refused = given["reason"] == "content-filter"
    text = REFUSAL if refused and given["text"].endswith(REFUSAL) else given["text"]
    if form:
        assert json.loads(text) == {"title": "Tea"}
        return
    assert Told(text, "".join(map(json.dumps, given["calls"])), refused) == EXPECTED[cell]
