"""Keys, tenants, rates, and patience with probing."""

import asyncio
import json
import shutil
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from sisf.errors import ConfigurationError
from sisf.gateway.identity import Doorkeeper, KeyFile
from sisf.settings import load
from sisf.testing import ScriptedServer, chat_events
from tests.gateway.conftest import chat, rig


def test_keys_are_created_listed_revoked_and_never_stored(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    file = KeyFile(path)
    secret, key = file.create(tenant="acme", principal="bot", requests_per_minute=5)
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = KeyFile(path)
    found = other.find(secret)
    assert found is not None
    assert (found.id, found.tenant, found.principal, found.requests_per_minute) == (key.id, "acme", "bot", 5)
    assert other.find(secret + "x") is None
    file.revoke(key.id)
    assert KeyFile(path).find(secret) is None
    assert KeyFile(path).keys()[0].revoked
    with pytest.raises(ConfigurationError, match="no key `nope`"):
        file.revoke("nope")


@pytest.mark.parametrize("text", ["", "[]", '{"keys": [{}]}', '{"keys": [{"id": "a", "hash": "b", "wrong": 1}]}'])
def test_a_broken_key_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"keys\.json"):
        KeyFile(path).keys()


def test_changes_made_at_once_are_all_kept(tmp_path: Path) -> None:
    """The console, in the gateway, and the command line change one file: a revocation must not be lost."""
    path = tmp_path / "keys.json"
    doomed = [KeyFile(path).create(principal=f"doomed-{i}")[1].id for i in range(8)]
    with ThreadPoolExecutor(16) as pool:
        made = [pool.submit(lambda i=i: KeyFile(path).create(principal=f"new-{i}")) for i in range(8)]  # type: ignore[misc]
        ended = [pool.submit(KeyFile(path).revoke, key_id) for key_id in doomed]
        wanted = {f.result()[1].id for f in made}
        assert {f.result().id for f in ended} == set(doomed)
    keys = KeyFile(path).keys()
    assert {key.id for key in keys if key.revoked} == set(doomed)
    assert {key.id for key in keys if not key.revoked} == wanted
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_breaks_while_it_is_used_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisf.gateway.identity._RELOAD_SECONDS", 0.0)
    path = tmp_path / "keys.json"
    secret, key = KeyFile(path).create()
    used = KeyFile(path)
    assert used.find(secret) is not None
    good = path.read_text()
    path.write_text(good[:-20])
    assert used.find(secret) is not None
    assert used.find("sk-wrong") is None
    path.write_text(good)
    KeyFile(path).revoke(key.id)
    assert used.find(secret) is None


def test_a_file_that_is_gone_while_it_is_used_keeps_everybody_in_and_loses_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sisf.gateway.identity._RELOAD_SECONDS", 0.0)
    path = tmp_path / "keys" / "keys.json"
    file = KeyFile(path)
    secret, _ = file.create(principal="ann")
    path.parent.rename(tmp_path / "away")
    with capture_logs() as logs:
        assert file.find(secret) is not None
    assert [line["event"] for line in logs] == ["keys_not_read"]
    with pytest.raises(ConfigurationError, match="is gone"):
        file.create(principal="bob")  # it would be the only one
    shutil.rmtree(path.parent, ignore_errors=True)
    (tmp_path / "away").rename(path.parent)
    file.create(principal="bob")
    assert len(KeyFile(path).keys()) == 2


def test_only_valid_keys_pass_and_they_say_who_it_is(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    secret, key = KeyFile(path).create(tenant="acme", principal="bot")
    with rig(keys__file=str(path)) as gateway:
        for headers in ({}, {"authorization": "Bearer sk-wrong"}, {"authorization": secret}, {"x-api-key": ""}):
            answer = gateway.post(chat("hi"), headers=headers)
            assert (answer.status, answer.json()["error"]["code"]) == (401, "invalid_api_key")
            assert gateway.post({"text": "a"}, path="/v1/check", headers=headers).status == 401
        assert gateway.get("/v1/models").status == 401
        assert gateway.upstream.requests == []
        for headers in ({"authorization": f"Bearer {secret}"}, {"x-api-key": secret}, {"api-key": secret}):
            assert gateway.post(chat("hi"), headers=headers).status == 200
        exchange = gateway.loop.records[-1].exchange
        assert (exchange.tenant, exchange.sender.principal) == ("acme", "bot")
        assert secret not in json.dumps([r.headers for r in gateway.upstream.requests], default=dict)
        KeyFile(path).revoke(key.id)
        time.sleep(1.1)
        assert gateway.post(chat("hi"), headers={"x-api-key": secret}).status == 401


def test_keys_of_the_console_do_not_call_models(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with rig(keys__file=str(path)) as gateway:
        for role, status in (("client", 200), ("viewer", 401), ("operator", 401), ("admin", 200)):
            secret, _ = KeyFile(path).create(role=role)  # type: ignore[arg-type]
            time.sleep(1.1)
            assert gateway.post(chat("hi"), headers={"x-api-key": secret}).status == status


def test_rates_and_sizes_by_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    slow, _ = KeyFile(path).create(principal="slow", requests_per_minute=2)
    small, _ = KeyFile(path).create(principal="small", body_bytes=500)
    with rig(keys__file=str(path)) as gateway:
        statuses = [gateway.post(chat("hi"), headers={"x-api-key": slow}).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = gateway.post(chat("hi"), headers={"x-api-key": slow})
        assert 0 < int(refused.headers["retry-after"]) <= 30
        assert gateway.post(chat("hi"), headers={"x-api-key": small}).status == 200
        assert gateway.post(chat("a" * 600), headers={"x-api-key": small}).status == 413


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds for which answers were held back, which are waited for as well: a busy machine adds none."""
    held: list[float] = []

    async def sleep(seconds: float) -> None:
        held.append(seconds)
        await asyncio.sleep(seconds)

    monkeypatch.setattr("sisf.pipeline.throttle.asyncio", SimpleNamespace(sleep=sleep))
    return held


def test_probing_is_noticed_and_slowed_and_honest_requests_are_not(delays: list[float]) -> None:
    with rig(limits__blocks_per_minute=3, limits__block_delay=0.6) as gateway:

        def blocked() -> float:
            start = time.monotonic()
            assert gateway.post(chat("FORBIDDEN")).status == 400
            return time.monotonic() - start

        for _ in range(3):
            blocked()
        assert delays == []
        assert gateway.metric("sisf_probing_total") == 0
        assert blocked() >= 0.4
        assert blocked() >= 0.5
        assert len(delays) == 2
        assert gateway.metric("sisf_probing_total") == 1
        assert gateway.post(chat("an honest question")).status == 200
        assert len(delays) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_blocked_answers_are_probing_too(stream: bool, delays: list[float]) -> None:
    """Best-of-N over an innocent prompt shows in the answers only."""
    upstream = ScriptedServer(answer="so FORBIDDEN", events=chat_events(["so ", "FORBIDDEN"]))
    with rig(upstream, limits__blocks_per_minute=2, limits__block_delay=0.6) as gateway:
        taken = []
        for held in (0, 0, 1, 2):
            start = time.monotonic()
            answer = gateway.post(chat("again", stream=stream))
            taken.append(time.monotonic() - start)
            assert answer.status == 200
            assert b"content_filter" in answer.body
            assert len(delays) == held
        assert min(taken[2:]) >= 0.4
        assert gateway.metric("sisf_probing_total") == 1


def test_a_file_of_keys_that_refuses_everybody_is_told(tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "garbage"):
        (tmp_path / "garbage").write_text("{")
        with pytest.raises(ConfigurationError, match="is not a file of keys"):
            Doorkeeper(load(environment={}, overrides={"keys.file": str(wrong)}))
    with capture_logs() as logs:
        Doorkeeper(load(environment={}, overrides={"keys.file": str(tmp_path / "none yet")}))
    assert [line["event"] for line in logs] == ["no_keys"]
