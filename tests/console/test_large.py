"""Pages over a large store: what they cost must not grow with what is kept."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sisf.console.app import create_console
from sisf.store import open_store
from tests.large import fill

TOKEN = "a-token"
PAGES = """
/ /?since=24h /?tenant=t3&since=30d /queue /queue?page=40 /policies /policies?status=all&page=18 /policies/p3
/exchanges /exchanges?show=stopped /exchanges?q=violin /exchanges?q=violin+garden&tenant=t3
/exchanges?q=unheard /exchanges?q=violin&principal=u7 /exchanges?principal=u7 /exchanges?policy=p3 /exchanges?hazard=prv
/exchanges?tenant=t1&show=undecided /exchanges?tenant=t1&show=stopped&since=30d /exchanges/e100 /live /revisions
/revisions/5 /audit /audit?actor=nobody /audit?subject=e100 /try
""".split()
Figure = Callable[[str, object], None]
Slowest = tuple[dict[str, float], dict[str, float]]


def measured(url: str, figure: Figure, times: int) -> Slowest:
    """Milliseconds of each page, the median and the worst, once the policies have been read."""
    store = open_store(url)
    client = TestClient(create_console(store, token=TOKEN), base_url="http://console")
    headers = {"authorization": f"Bearer {TOKEN}"}
    medians: dict[str, float] = {}
    worst: dict[str, float] = {}
    client.get("/", headers=headers)
    for page in PAGES:
        took = []
        for _ in range(times):
            started = time.perf_counter()
            answer = client.get(page, headers=headers)
            took.append(1000 * (time.perf_counter() - started))
            assert answer.status_code == 200, page
            assert len(answer.content) < 200_000, page
        medians[page], worst[page] = statistics.median(took), max(took)
        figure(f"ms {page}", f"p50 {medians[page]:.0f}, worst {worst[page]:.0f}")
    store.close()
    return medians, worst


def test_pages_over_a_small_store(tmp_path: Path, record_property: Figure) -> None:
    url = f"sqlite:///{tmp_path / 'sisf.db'}"
    fill(url, 1_000, 100)
    measured(url, record_property, 1)


@pytest.mark.soak
def test_pages_over_a_million_exchanges(tmp_path: Path, record_property: Figure) -> None:
    url = f"sqlite:///{tmp_path / 'sisf.db'}"
    fill(url, 1_000_000, 10_000)
    _, worst = measured(url, record_property, 10)
    assert max(worst.values()) <= 300, worst


@pytest.mark.soak
def test_pages_over_a_million_exchanges_on_postgresql(
    postgres_store: Callable[[], str], record_property: Figure
) -> None:
    url = postgres_store()
    fill(url, 1_000_000, 10_000)
    _, worst = measured(url, record_property, 10)
    assert max(worst.values()) <= 300, worst
