"""A store with a year in it is as quick as an empty one: requests, the console's pages, the loop's knowledge."""

import http.client
import json
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sisf.console.app import create_console
from sisf.exchange import Exchange
from sisf.gateway.app import create_app
from sisf.gateway.server import running
from sisf.loop import Reference, StoreKnowledge
from sisf.settings import load
from sisf.store import Store, codec, open_store
from sisf.testing import ScriptedAdjudicator, ScriptedServer
from sisf.verdict import Outcome, Verdict
from tests.loop.fakes import FailingWarden, judge_attacks, make_loop
from tests.store.samples import change, pattern, record

Figure = Callable[[str, object], None]
TOKEN = "a-token"
PAGES = (
    "/",
    "/policies?status=all",
    "/exchanges",
    "/exchanges?outcome=breach",
    "/exchanges?outcome=undecided",
    "/audit",
)
_ANSWER = "Sure, here is what you asked for. " * 12


def fill(path: Path, exchanges: int) -> None:
    """Write so many exchanges behind the store's back: one in ten a breach, one in a hundred undecided."""
    open_store(f"sqlite:///{path}").close()
    verdicts = {outcome: codec.verdict_to_json(Verdict(outcome, "recorded", rationale="it did")) for outcome in Outcome}
    now = datetime.now(UTC).timestamp()

    def rows() -> Iterator[tuple[object, ...]]:
        for n in range(exchanges):
            outcome = Outcome.BREACH if n % 10 == 0 else Outcome.UNDECIDED if n % 100 == 1 else Outcome.SAFE
            name, tenant = f"x{n:08d}", "rare" if n % 50_000 == 0 else "default"
            said = Exchange.of(f"Tell me of thing number {n}", _ANSWER, id=name, tenant=tenant, principal=f"p{n % 997}")
            body = codec.exchange_to_bytes(said)
            yield (name, now, tenant, said.sender.principal, "released", "[]", body, outcome.value, verdicts[outcome])

    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous=OFF")
    names = "id, time, tenant, principal, outcome, decisions, body, verdict, verdict_body"
    connection.executemany(f"INSERT INTO exchange ({names}) VALUES (?,?,?,?,?,?,?,?,?)", rows())
    connection.execute(
        "INSERT INTO verdict (exchange_id, time, actor, outcome, body) SELECT id, time, 'loop', verdict, verdict_body "
        "FROM exchange ORDER BY seq"
    )
    connection.execute("INSERT INTO breach (exchange_id) SELECT id FROM exchange WHERE verdict = 'breach' ORDER BY seq")
    connection.commit()
    connection.close()


@dataclass
class Served:
    """A gateway and a console over one store."""

    store: Store
    gateway: str
    console: str

    def ask(self, number: int) -> float:
        """Seconds that one chat request takes."""
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"Tell me of {number}"}]})
        return _timed(self.gateway, "POST", "/v1/chat/completions", body, {"content-type": "application/json"})

    def show(self, page: str) -> float:
        """Seconds that one page of the console takes."""
        return _timed(self.console, "GET", page, None, {"authorization": f"Bearer {TOKEN}"})

    def write(self, name: str) -> float:
        """Seconds until one exchange and its job are durable."""
        before = time.perf_counter()
        self.store.exchanges.record(record(name), enqueue=False).result(30)
        return time.perf_counter() - before


def _timed(url: str, method: str, path: str, body: str | None, headers: dict[str, str]) -> float:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        before = time.perf_counter()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        return time.perf_counter() - before
    finally:
        connection.close()


@contextmanager
def served(path: Path, upstream: str) -> Iterator[Served]:
    store, warden = open_store(f"sqlite:///{path}"), FailingWarden()
    if store.policies.snapshot().revision == 0:
        store.policies.commit(change(*(pattern(f"policy{n}") for n in range(100))), expected=0)
    loop = make_loop(store, warden, workers=1)
    settings = load(overrides={"upstream.url": upstream}, environment={})
    app = create_app(
        warden=warden, loop=loop, adjudicator=ScriptedAdjudicator(judge_attacks), store=store, settings=settings
    )
    loop.start()
    with running(app) as gateway, running(create_console(store, token=TOKEN)) as console:
        yield Served(store, gateway.url, console.url)
    loop.stop()
    warden.close()
    store.close()


def compare(folder: Path, exchanges: int, requests: int, figure: Figure) -> tuple[float, float]:
    """Returns how many times slower a request is at the 99th percentile, and the slowest page in seconds."""
    before = time.monotonic()
    fill(folder / "large.db", exchanges)
    figure("exchanges / breaches", f"{exchanges:,} / {exchanges // 10:,}, written in {time.monotonic() - before:.0f} s")
    with ExitStack() as stack:
        upstream = stack.enter_context(ScriptedServer())
        large = stack.enter_context(served(folder / "large.db", upstream.url))
        empty = stack.enter_context(served(folder / "empty.db", upstream.url))
        for n in range(50):
            large.ask(n), empty.ask(n)
        # In turn, so that both meet the same machine.
        asked = [(large.ask(n), empty.ask(n)) for n in range(requests)]
        written = [(large.write(f"w{n}"), empty.write(f"w{n}")) for n in range(requests // 2)]
        _tell(figure, "a request", asked)
        _tell(figure, "a durable write", written)
        pages = {page: statistics.median(large.show(page) for _ in range(5)) for page in PAGES}
        pages["one tenant's latest"] = _seconds(lambda: large.store.exchanges.recent(100, tenant="rare"))
        figure("console, ms", ", ".join(f"{page} {seconds * 1e3:.0f}" for page, seconds in pages.items()))
        knowledge = StoreKnowledge(large.store, Reference())
        first, again = _seconds(knowledge.breaches), _seconds(knowledge.breaches)
        figure("the loop's knowledge, first / again, ms", f"{first * 1e3:.0f} / {again * 1e3:.2f}")
        slow, quick = (_p99([pair[side] for pair in asked]) for side in (0, 1))
        return slow / quick, max(pages.values())


def _seconds(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


def _tell(figure: Figure, what: str, pairs: list[tuple[float, float]]) -> None:
    sides = [[pair[side] * 1e3 for pair in pairs] for side in (0, 1)]
    said = [f"p50 {statistics.median(side):.2f} p99 {_p99(side):.2f}" for side in sides]
    figure(f"{what}, ms", f"full {said[0]}, empty {said[1]}")


@pytest.mark.slow
def test_a_full_store_answers_requests_and_shows_every_page(tmp_path: Path, record_property: Figure) -> None:
    compare(tmp_path, 5_000, 50, record_property)  # how quickly, only the campaign asks


@pytest.mark.soak
def test_a_million_exchanges(tmp_path: Path, record_property: Figure) -> None:
    ratio, slowest = compare(tmp_path, 1_000_000, 3_000, record_property)
    assert ratio <= 1.2
    assert slowest <= 0.3
