"""LiteLLM's own proxy, unchanged, with SISF as its guardrail by configuration only. Needs the command `litellm`."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from sisf.testing import ScriptedServer, wait_until
from tests.gateway.conftest import rig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("litellm") is None, reason="pip install 'litellm[proxy]' to run it"),
]


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[tuple[openai.OpenAI, ScriptedServer]]:
    with rig() as gateway, ScriptedServer(answer="a fine answer") as model, socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        parameters = {"model": "openai/m", "api_base": model.url, "api_key": "sk-x"}
        guardrail = {"guardrail": "generic_guardrail_api", "mode": ["pre_call", "post_call"], "default_on": True}
        config = {
            "model_list": [{"model_name": "m", "litellm_params": parameters}],
            "guardrails": [
                {"guardrail_name": "sisf", "litellm_params": {**guardrail, "api_base": gateway.url}},
            ],
        }
        file = tmp_path / "litellm.yaml"
        file.write_text(json.dumps(config))
        own = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            "PYTHONPATH": "",
        }
        words = ["litellm", "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
        log = (tmp_path / "log").open("wb")
        with (
            log,
            subprocess.Popen(
                words, stdout=log, stderr=log, env={**os.environ, **own}, start_new_session=True
            ) as process,
        ):
            try:
                assert wait_until(lambda: reachable(port), seconds=120), (tmp_path / "log").read_text()[-2000:]
                base = f"http://127.0.0.1:{port}/v1"
                with openai.OpenAI(base_url=base, api_key="sk-x", max_retries=0) as sdk:
                    yield sdk, model
            finally:
                os.killpg(process.pid, signal.SIGTERM)


def test_prompts_and_answers_are_blocked(proxy: tuple[openai.OpenAI, ScriptedServer]) -> None:
    sdk, model = proxy
    fine = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert fine.choices[0].message.content == "a fine answer"
    with pytest.raises(openai.APIStatusError, match="safety policy"):
        sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "FORBIDDEN"}])
    assert len([request for request in model.requests if request.method == "POST"]) == 1
    model.answer = "so FORBIDDEN"
    with pytest.raises(openai.APIStatusError, match="safety policy"):
        sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}])
