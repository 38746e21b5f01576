"""The log of a running gateway: structured, and without what people said or what opens doors."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from sisf.gateway.identity import KeyFile
from sisf.testing import Failure, ScriptedServer, wait_until

pytestmark = pytest.mark.slow
SAID = "WHAT-A-CLIENT-SAID"
ANSWERED = "WHAT-A-MODEL-ANSWERED"
UPSTREAM_KEY = "sk-our-own-upstream-key"


def post(url: str, body: bytes, key: str) -> int:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    try:
        with urlopen(Request(f"{url}/chat/completions", body, headers), timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def drive(said: str, secret: str, upstream: ScriptedServer) -> None:
    """Requests that succeed, are refused, are malformed, and meet an upstream that fails."""
    found = re.search(r"stands at (\S+)", said)
    assert found
    url = found.group(1)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": SAID}]}).encode()
    assert post(url, body, secret) == 200
    assert post(url, body, "sk-sisf-wrong-key") == 401
    assert post(url, body[:-3], secret) == 400
    for upstream.failure in (Failure.SERVER_ERROR, Failure.MALFORMED, Failure.RESET, Failure.GARBAGE):
        assert post(url, body, secret) >= 500


def test_no_text_and_no_secret_is_logged_even_at_debug(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    secret, _ = KeyFile(keys).create(principal="ann")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SISF_")},
        "SISF_LOOP__PREPARE": "false",
        "PYTHONPATH": "src",
        "SISF_LOG_LEVEL": "debug",
        "SISF_UPSTREAM__API_KEY": UPSTREAM_KEY,
        "SISF_KEYS__FILE": str(keys),
        "SISF_ADMIN__TOKEN": "the-consoles-token",
        "SISF_ADMIN__PORT": "0",
    }
    lines: list[str] = []
    with ScriptedServer(answer=ANSWERED) as upstream:
        command = [sys.executable, "-m", "sisf", "serve", "--port", "0", "--upstream", upstream.url]
        command += ["--store", f"sqlite:///{tmp_path}/sisf.db"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            try:
                reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True)
                reader.start()
                assert wait_until(lambda: any("stands at" in line for line in lines))
                drive("".join(lines), secret, upstream)
                process.send_signal(signal.SIGTERM)
                process.wait(60)
                reader.join(10)
            finally:
                process.kill()
    text = "".join(lines)
    for hidden in (SAID, ANSWERED, UPSTREAM_KEY, secret, "sk-sisf-wrong-key", "the-consoles-token"):
        assert hidden not in text
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    exchanges = [entry for entry in entries if entry["event"] == "exchange"]
    assert len(exchanges) >= 5
    assert {"id", "status", "decision", "fate", "revision", "principal", "added_ms"} <= set(exchanges[0])
    assert [
        line for line in lines if not line.startswith("{") and not re.match("console: |SISF stands at ", line)
    ] == []
