"""Figures of the store and of the loop on the metrics page, and what the health page makes of them."""

import http.client
import math
from collections.abc import Iterator
from typing import Any, cast

import pytest

import sisf.adjudicator.counters  # noqa: F401 - it registers what judges count
from sisf.exchange import Exchange, Fate
from sisf.gateway.store_metrics import metrics_app
from sisf.loop import Activated, Failed, Judged, Worked
from sisf.pipeline.metrics import Metrics
from sisf.policy import Snapshot
from sisf.serving import Background
from sisf.store import Store
from sisf.store.memory import MemoryStore
from sisf.store.records import ExchangeRecord, Stage
from sisf.testing import Failure, ScriptedServer
from sisf.verdict import Outcome, Verdict
from tests.gateway.conftest import Rig, chat, rig
from tests.gateway.fakes import FakeStore


def put(store: Store, name: str, fate: Fate, verdict: Outcome | None) -> None:
    judged = Verdict(verdict, "test") if verdict else None
    record = ExchangeRecord(Exchange.of("a", "b", id=name), fate=fate, verdict=judged)
    store.exchanges.record(record, enqueue=False).result()


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    made = MemoryStore()
    yield made
    made.close()


def scraped(store: Store) -> Rig:
    with rig() as gateway:
        gateway.app._store_metrics._store = store
        page = gateway.get("/metrics").body.decode()
        assert "sisf_judge_seconds" in page  # what judges count for all
        assert "process_resident_memory_bytes" in page
    return gateway


def test_estimates_are_made_of_what_is_known(store: MemoryStore) -> None:
    for number in range(6):
        put(store, f"i{number}", Fate.INTERCEPTED_PROMPT, None)
    put(store, "w", Fate.WITHHELD, Outcome.BREACH)
    put(store, "b", Fate.RELEASED, Outcome.BREACH)
    put(store, "s", Fate.RELEASED, Outcome.SAFE)
    put(store, "u", Fate.RELEASED, Outcome.UNDECIDED)
    store.exchanges.record(ExchangeRecord(Exchange.of("a", "b", id="j")), enqueue=True).result()
    page = scraped(store)
    assert page.metric("sisf_asr_estimate", kind="warden") == 2 / 8
    assert page.metric("sisf_asr_estimate", kind="system") == 1 / 8
    assert (page.metric("sisf_attacks_known"), page.metric("sisf_undecided")) == (8, 1)
    assert page.metric("sisf_fpr_estimate") == 0
    assert page.metric("sisf_loop_jobs", state="ready") == 1
    assert page.metric("sisf_loop_lag_seconds") > 0
    assert page.metric("sisf_store_up") == 1


def test_without_attacks_there_is_no_estimate(store: MemoryStore) -> None:
    page = scraped(store)
    for name, labels in (("sisf_asr_estimate", {"kind": "warden"}), ("sisf_fpr_estimate", {})):
        assert math.isnan(page.app.core.metrics.registry.get_sample_value(name, labels) or 0)


def test_a_store_that_is_gone_does_not_end_the_page() -> None:
    with rig() as gateway:
        gateway.store.jobs.error = OSError("gone")
        assert gateway.get("/metrics").status == 200
        assert gateway.metric("sisf_store_up") == 0


def test_the_loop_is_counted() -> None:
    metrics = Metrics()
    metrics.heard(Worked("e", Stage.PLAN, 0.2))
    metrics.heard(Judged("e", Verdict(Outcome.BREACH, "test")))
    metrics.heard(Activated("e", Snapshot(1, ()), (cast(Any, None),) * 2))
    metrics.heard(Failed("e", Stage.EXECUTE, "boom", final=True))
    values = metrics.registry.get_sample_value
    assert values("sisf_loop_stage_seconds_sum", {"stage": "plan"}) == 0.2
    assert values("sisf_loop_verdicts_total", {"outcome": "breach"}) == 1
    assert values("sisf_loop_policies_total") == 2
    assert values("sisf_failures_total", {"part": "loop", "kind": "execute_given_up"}) == 1


def test_a_worker_shows_its_metrics_and_nothing_else() -> None:
    class Listening:
        def listen(self, _: object) -> None: ...

    with Background(metrics_app(cast(Store, FakeStore()), cast(Any, Listening()))) as background:
        connection = http.client.HTTPConnection(background.url.removeprefix("http://"), timeout=10)
        for path, status in (("/metrics", 200), ("/v1/models", 404)):
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, b"sisf_loop_jobs" in response.read()) == (status, status == 200)
        connection.close()


def test_health_tells_degraded_from_dead() -> None:
    with rig(ScriptedServer(failure=Failure.RESET), upstream__breaker_failures=1) as gateway:
        assert gateway.get("/readyz").json()["status"] == "ok"
        gateway.post(chat("hi"))
        report = gateway.get("/readyz")
        assert (report.status, report.json()["status"]) == (200, "degraded")
        assert report.json()["checks"]["upstream default"] == "left alone"
    with rig() as gateway:
        gateway.store.silent_seconds = 60.0
        report = gateway.get("/readyz")
        assert (report.status, report.json()["status"]) == (200, "degraded")
        gateway.store.jobs.error = OSError("gone")
        report = gateway.get("/readyz")
        assert (report.status, report.json()["status"]) == (503, "dead")
        assert gateway.get("/healthz").status == 200
