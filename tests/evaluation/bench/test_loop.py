"""The bench measures what it says, on a small scale."""

from pathlib import Path

import pytest

from sisf.embedding import HashEmbedder
from sisf.evaluation.bench import loop as bench_loop
from sisf.store import open_store


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "_ROWS": 200,
        "_ROWS_ONE_BY_ONE": 10,
        "_ITERATIONS": 20,
        "_BREACHES": 3,
    }.items():
        monkeypatch.setattr(bench_loop, name, value)


def test_rows_and_iterations_are_really_written_and_done(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    together, alone = bench_loop.rows_per_second(url)
    assert min(together, alone) > 0
    assert bench_loop.iterations_per_second(url, HashEmbedder(8)) > 0
    store = open_store(url)
    assert len(store.exchanges.recent(1_000)) == 200 + 10 + 20
    assert store.exchanges.breach_count() == 20
    assert not any(store.jobs.counts().values())
    assert len(store.policies.list()) == 1
    store.close()
