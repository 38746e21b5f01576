"""LiteLLM unchanged, on every side of the gateway: its proxy with SISF as guardrail, its SDK in front, its proxy as the
upstream (a server that is not ours). Needs the command `litellm`: `make test-litellm` installs it.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from sisf.gateway.dialects.base import REFUSAL
from sisf.testing import ScriptedServer, chat_events, wait_until
from tests.gateway.conftest import rig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("litellm") is None, reason="`make test-litellm` runs it"),
]
OWN = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    "PYTHONPATH": "",
}


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def litellm_proxy(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """LiteLLM's proxy in a process of its own: its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = folder / "litellm.yaml"
    file.write_text(json.dumps(config))
    words = ["litellm", "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, **OWN}, start_new_session=True) as process,
    ):
        try:
            assert wait_until(lambda: reachable(port), seconds=120), (folder / "log").read_text()[-2000:]
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key="sk-x", max_retries=0)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[openai.OpenAI, ScriptedServer]]:
    with rig() as gateway, ScriptedServer(answer="a fine answer") as model:
        parameters = {"model": "openai/m", "api_base": model.url, "api_key": "sk-x"}
        guardrail = {"guardrail": "generic_guardrail_api", "mode": ["pre_call", "post_call"], "default_on": True}
        config = {
            "model_list": [{"model_name": "m", "litellm_params": parameters}],
            "guardrails": [
                {"guardrail_name": "sisf", "litellm_params": {**guardrail, "api_base": gateway.url}},
            ],
        }
        with litellm_proxy(tmp_path, config) as url, client(url) as sdk:
            yield sdk, model


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_its_proxy_with_our_guardrail(guarded: tuple[openai.OpenAI, ScriptedServer]) -> None:
    sdk, model = guarded
    fine = sdk.chat.completions.create(model="m", messages=user("hi"))
    assert fine.choices[0].message.content == "a fine answer"
    with pytest.raises(openai.APIStatusError, match="safety policy"):
        sdk.chat.completions.create(model="m", messages=user("FORBIDDEN"))
    assert len([request for request in model.requests if request.method == "POST"]) == 1
    model.answer = "so FORBIDDEN"
    with pytest.raises(openai.APIStatusError, match="safety policy"):
        sdk.chat.completions.create(model="m", messages=user("hello"))


def test_its_proxy_as_the_upstream(tmp_path: Path) -> None:
    """A third-party OpenAI-compatible server: plain, streamed, several models, and its own errors."""
    models = {"fine": "a fine answer of a few words", "bad": "and so FORBIDDEN words"}
    listed = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", "mock_response": answer, "api_key": "x"}}
        for name, answer in models.items()
    ]
    with (
        litellm_proxy(tmp_path, {"model_list": listed}) as url,
        rig(upstream_url=url, upstream__api_key="sk-x") as gateway,
        client(f"{gateway.url}/v1") as sdk,
        client(url) as direct,
    ):
        assert {m.id for m in sdk.models.list()} == set(models)
        ours, theirs = (s.chat.completions.create(model="fine", messages=user("hi")).to_dict() for s in (sdk, direct))
        for volatile in ("id", "created"):
            del ours[volatile], theirs[volatile]
        assert ours == theirs
        chunks = list(sdk.chat.completions.create(model="fine", messages=user("hi"), stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == models["fine"]
        refused = sdk.chat.completions.create(model="bad", messages=user("hi"))
        assert (refused.choices[0].message.content, refused.choices[0].finish_reason) == (REFUSAL, "content_filter")
        with pytest.raises(openai.BadRequestError, match="nowhere") as caught:
            sdk.chat.completions.create(model="nowhere", messages=user("hi"))
        assert caught.value.code != "content_filter"


SDK = """
import asyncio, json, sys, litellm
url = sys.argv[1]
call = {"model": "openai/m", "api_base": url, "api_key": "sk-x", "num_retries": 0}
user = lambda text: [{"role": "user", "content": text}]
out = {"plain": litellm.completion(messages=user("hi"), **call).choices[0].message.content}
chunks = litellm.completion(messages=user("hi"), stream=True, **call)
out["stream"] = "".join(c.choices[0].delta.content or "" for c in chunks)
out["async"] = asyncio.run(litellm.acompletion(messages=user("hi"), **call)).choices[0].message.content
try:
    litellm.completion(messages=user("FORBIDDEN"), **call)
except Exception as error:
    out["blocked"] = [isinstance(error, litellm.BadRequestError), error.status_code, "safety policy" in str(error)]
print(json.dumps(out))
"""


def test_its_sdk_in_front() -> None:
    first_line = Path(shutil.which("litellm") or "").read_text().splitlines()[0]
    upstream = ScriptedServer(answer="a fine answer", events=chat_events(["a ", "fine ", "answer"]))
    with rig(upstream) as gateway:
        words = [first_line.removeprefix("#!"), "-c", SDK, f"{gateway.url}/v1"]
        environment = {**os.environ, **OWN}
        done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert {said["plain"], said["stream"], said["async"]} == {"a fine answer"}
    assert said["blocked"] == [True, 400, True]
