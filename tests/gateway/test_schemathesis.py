"""Schemathesis, unchanged, against the published document."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sisf.gateway.openapi import document
from sisf.testing import ScriptedServer
from tests.gateway.conftest import rig

pytestmark = pytest.mark.slow
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# One answer that every API takes for its own: what is looked for here are errors of the gateway, not of a model.
ANSWER = {
    "id": "1",
    "object": "any",
    "model": "m",
    "choices": [{"index": 0, "text": "a", "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
    "output": [],
    "content": [{"type": "text", "text": "a"}],
    "data": [{"index": 0, "embedding": [0.5]}],
}
EVENTS = [b'data: {"type": "ping", "choices": []}\n\n', b"data: [DONE]\n\n"]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def campaign(examples: int) -> None:
    upstream = ScriptedServer(body=json.dumps(ANSWER).encode(), events=EVENTS)
    with rig(upstream, limits__blocks_per_minute=0) as gateway:
        words = [str(SCHEMATHESIS), "run", f"{gateway.url}/openapi.json", "--checks", CHECKS, "--no-color"]
        done = subprocess.run(
            [*words, "--max-examples", str(examples)], check=False, capture_output=True, text=True, timeout=3600
        )
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{sum(map(len, document()['paths'].values()))} selected" in done.stdout


def test_the_published_document_holds() -> None:
    campaign(15)


@pytest.mark.soak
def test_the_published_document_holds_for_long() -> None:
    campaign(500)
