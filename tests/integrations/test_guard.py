"""SISF in process, with the real parts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import sisf
from sisf.bootstrap import System, build
from sisf.errors import SisfError
from sisf.guard import Guard, PolicyBlocked
from sisf.integrations.openai import guarded
from sisf.policy import Action, Change, Direction, GateReport, Pattern, Policy, Status
from sisf.settings import load
from sisf.testing import ScriptedServer, wait_until


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    path: Path = tmp_path_factory.mktemp("guard") / "sisf.db"
    built = build(load(environment={}, overrides={"store.url": f"sqlite:///{path}", "loop.workers": 0}))
    report = GateReport(passed=True)
    policy = Policy(
        Pattern("forbidden"), Action.BLOCK, Direction.BOTH, "a test", status=Status.ACTIVE, gate_report=report
    )
    snapshot = built.store.policies.commit(Change((policy,), "person:test", "a test"), expected=0)
    assert wait_until(lambda: built.warden.revision == snapshot.revision)
    yield built
    built.close()


def test_prompts_and_answers_are_checked_and_exchanges_recorded(system: System) -> None:
    guard: Guard = sisf.Guard(system=system)
    assert not guard.require("hello").blocked
    with pytest.raises(PolicyBlocked) as caught:
        guard.require([{"role": "user", "content": [{"type": "text", "text": "a forbidden thing"}]}])
    assert caught.value.decision.revision == guard.revision
    with pytest.raises(PolicyBlocked):
        guard.require_answer("hello", "forbidden")
    done = guard.observe("hello", "a fine answer", principal="me")
    assert wait_until(lambda: done in [record.exchange.id for record in system.store.exchanges.recent(1)])
    outcomes = [record.outcome for record in system.store.exchanges.recent(3)]
    assert sorted(outcomes) == ["intercepted_prompt", "intercepted_response", "released"]


def test_on_an_event_loop(system: System) -> None:
    guard = Guard(system=system)

    async def work() -> None:
        assert not (await guard.arequire("hello")).blocked
        with pytest.raises(PolicyBlocked):
            await guard.arequire("forbidden")
        with pytest.raises(PolicyBlocked):
            await guard.arequire_answer("hello", "forbidden")

    asyncio.run(work())


def test_what_cannot_be_inspected_is_an_error(system: System) -> None:
    with pytest.raises(SisfError, match="holds no text"):
        Guard(system=system).check([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])


def test_an_openai_client_is_guarded(system: System) -> None:
    guard = Guard(system=system)
    with ScriptedServer(answer="fine") as server, openai.OpenAI(base_url=server.url, api_key="none") as plain:
        client = guarded(plain, guard)
        ask: Any = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        assert client.chat.completions.create(**ask).choices[0].message.content == "fine"
        chunks = list(client.chat.completions.create(**ask, stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "fine"
        with pytest.raises(PolicyBlocked):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "forbidden"}])
        server.answer = "this is forbidden"
        for stream in (False, True):
            with pytest.raises(PolicyBlocked):
                client.chat.completions.create(**ask, stream=stream)
