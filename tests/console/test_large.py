"""Pages over a large store: what they cost must not grow with what is kept."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sisf.console import create_console
from sisf.exchange import Exchange, Fate
from sisf.policy import Action, Change, Decision, Direction, GateReport, Match, Pattern, Policy, Status
from sisf.store import ExchangeRecord, Store, open_store
from sisf.verdict import Outcome, Verdict

TOKEN = "a-token"
WORDS = ("bread", "harbour", "window", "violin", "garden", "ladder", "copper", "winter", "saddle", "lantern")
PAGES = """
/ /?since=24h /queue /policies /policies?status=all&page=2 /policies/p3 /exchanges /exchanges?show=stopped
/exchanges?q=violin /exchanges?q=violin+garden&tenant=t3 /exchanges?q=unheard /exchanges?principal=u7
/exchanges?policy=p3 /exchanges?hazard=prv /exchanges?tenant=t1&show=undecided /exchanges/e100 /revisions /audit
""".split()
Figure = Callable[[str, object], None]


def fill(store: Store, exchanges: int, policies: int) -> None:
    report = GateReport(passed=True)
    made = [
        Policy(
            Pattern(f"word{number}"),
            Action.BLOCK,
            Direction.PROMPT,
            f"No word {number}",
            id=f"p{number}",
            status=Status.ACTIVE,
            gate_report=report,
        )
        for number in range(policies)
    ]
    store.policies.commit(Change(tuple(made), "loop", "learned"), expected=0)
    start, waiting = datetime.now(UTC) - timedelta(seconds=exchanges), []
    for number in range(exchanges):
        matched = number % 50 == 0
        match = Match(f"p{number % policies}", Action.BLOCK, 1.0, 1.0)
        decision = Decision(Action.BLOCK if matched else Action.ALLOW, (match,) if matched else (), 1, Direction.PROMPT)
        said = f"{WORDS[number % 10]} {WORDS[number // 10 % 10]} number {number}"
        exchange = Exchange.of(said, None if matched else "so", id=f"e{number}", principal=f"u{number % 997}")
        object.__setattr__(exchange, "time", start + timedelta(seconds=number))
        verdict = None if matched else Verdict(Outcome.UNDECIDED if number % 500 == 1 else Outcome.SAFE, "local")
        fate = Fate.INTERCEPTED_PROMPT if matched else Fate.RELEASED
        waiting.append(store.exchanges.record(ExchangeRecord(exchange, (decision,), fate, verdict), enqueue=False))
        if len(waiting) == 2_000:
            waiting.pop().result()
            waiting.clear()
    store.flush()
    while store.exchanges.index():
        pass


def slowest(store: Store, figure: Figure) -> dict[str, float]:
    """Milliseconds of each page, the better of two times."""
    client = TestClient(create_console(store, token=TOKEN), base_url="http://console")
    headers, found = {"authorization": f"Bearer {TOKEN}"}, {}
    for page in PAGES:
        took = []
        for _ in range(2):
            started = time.perf_counter()
            answer = client.get(page, headers=headers)
            took.append(1000 * (time.perf_counter() - started))
            assert answer.status_code == 200, page
            assert len(answer.content) < 500_000, page
        found[page] = min(took)
        figure(f"ms {page}", round(min(took), 1))
    return found


def test_pages_over_a_small_store(tmp_path: Path, record_property: Figure) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'sisf.db'}")
    fill(store, 1_000, 20)
    slowest(store, record_property)
    store.close()


@pytest.mark.soak
def test_pages_over_a_million_exchanges(tmp_path: Path, record_property: Figure) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'sisf.db'}")
    fill(store, 1_000_000, 10_000)
    found = slowest(store, record_property)
    store.close()
    assert max(found.values()) <= 300, found
