"""The probing agent against a gateway that really runs, with its loop and its store."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sisf.bootstrap import System, build
from sisf.exchange import PROBE, Exchange, Sender
from sisf.gateway.app import create_app
from sisf.llm.server import running as model_running
from sisf.llm.unaligned import UnalignedModel
from sisf.loop import Reference
from sisf.loop.triggers import Triggers
from sisf.pipeline.caller import Caller
from sisf.probe.build import create_agent, probe_key
from sisf.probe.service import ProbeService
from sisf.probe.target import GatewayTarget
from sisf.serving import Background
from sisf.settings import ProbeSettings, load
from sisf.store.memory import MemoryStore
from sisf.store.probes import ProbeOutcome
from sisf.store.records import ExchangeRecord
from sisf.testing import OpenGate, ScriptedAdjudicator, ScriptedSynthesiser, wait_until
from sisf.verdict import Outcome

KEY = "sk-sisf-probe-for-this-test-and-for-nothing-else"


@dataclass
class Rig:
    system: System
    url: str


@contextmanager
def rig(**more: Any) -> Iterator[Rig]:
    with ExitStack() as stack:
        model = stack.enter_context(model_running([UnalignedModel("default")]))
        settings = load(
            environment={},
            overrides={
                "upstream.url": f"{model.url}/v1",
                "store.url": "memory:",
                "embedder.name": "minilm",
                "probe.key": KEY,
                "limits.blocks_per_minute": 1,
                "limits.requests_per_minute": 1,
                "limits.block_delay": 300.0,
                **more,
            },
        )
        system = build(
            settings,
            adjudicator=ScriptedAdjudicator(lambda _: Outcome.BREACH),
            synthesiser=ScriptedSynthesiser(),
            gate=OpenGate(),
            reference=Reference(),
        )
        stack.callback(system.close)
        app = create_app(
            warden=system.warden,
            loop=system.loop,
            adjudicator=system.adjudicator,
            store=system.store,
            settings=settings,
        )
        served = stack.enter_context(Background(app))
        yield Rig(system, f"{served.url}/v1")


def test_the_agent_is_marked_in_every_row_never_slowed_and_its_breaches_are_mended() -> None:
    with rig() as made:
        target = GatewayTarget(made.url, api_key=KEY)
        settings = ProbeSettings(per_minute=0, seed=1)
        found = create_agent(settings, target, made.system.store).probe(8)
        target.close()
        assert {p.outcome for p in found} <= {ProbeOutcome.BREACHED, ProbeOutcome.BLOCKED}
        breaches = [p for p in found if p.outcome is ProbeOutcome.BREACHED]
        assert len(breaches) >= 4
        assert all(p.mended is not None for p in breaches)
        sent = len(found) + len(breaches)
        # Rows are gathered: an answer does not wait for its own.
        # A breach is sent once more, or again while its policy is stored and not yet in force.
        assert wait_until(lambda: len(made.system.store.exchanges.recent(100)) >= sent)
        records = made.system.store.exchanges.recent(100)
        assert all(r.exchange.sender.is_probe for r in records)
        assert [p.exchange_id for p in made.system.store.probes.latest(8)] == [p.exchange_id for p in reversed(found)]


def test_a_gateway_probes_itself_in_the_background() -> None:
    with rig() as made:
        settings = ProbeSettings(per_minute=0, budget=3, seed=2)
        with ProbeService(settings, made.system.store, made.url, KEY):
            assert wait_until(lambda: len(made.system.store.probes.latest(10)) == 3)


def test_the_mark_is_given_by_a_key_and_cannot_be_claimed_by_a_name() -> None:
    for name in ("probe:me", "probe:probe:me"):
        assert Caller(Sender("t", name)).sender == Sender("t", "me")
        assert Caller(Sender("t", name), "admin").sender == Sender("t", "me")
        assert Caller(Sender("t", name), "probe").sender == Sender("t", "probe:me")
    assert Caller(Sender("t", "me"), "probe").sender.is_probe
    assert Caller(Sender("t", "me")).sender == Sender("t", "me")


def test_a_probe_has_no_turns_to_run_out_of() -> None:
    triggers = Triggers(1, 1e9)
    probe, user = Sender("t", PROBE + "a"), Sender("t", "a")
    assert [triggers.take(probe) for _ in range(5)] == [True] * 5
    assert [triggers.take(user) for _ in range(2)] == [True, False]


def test_a_probe_is_nobody_whose_conduct_counts() -> None:
    from datetime import UTC, datetime, timedelta

    from sisf.verdict import Verdict

    store = MemoryStore()
    for principal in ("probe:agent", "user"):
        record = ExchangeRecord(
            Exchange.of("hello", "hi", principal=principal), verdict=Verdict(Outcome.SAFE, "scripted")
        )
        store.exchanges.record(record, enqueue=False).result()
    conduct = store.exchanges.conduct(datetime.now(UTC) - timedelta(hours=1))
    assert {sender.principal for sender in conduct} == {"user"}
    store.close()


def test_a_key_is_made_once_and_kept_for_this_user_alone(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("sisf.probe.build.cache_dir", lambda: tmp_path / "cache")
    first = probe_key(ProbeSettings())
    assert first == probe_key(ProbeSettings())
    assert (tmp_path / "cache" / "probe.key").stat().st_mode & 0o077 == 0
    assert probe_key(ProbeSettings.model_validate({"key": "mine"})) == "mine"
