"""One fixture for every implementation of the store: the contract suite runs on each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sisf.store import Store, open_store


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        database: Callable[[], str] = request.getfixturevalue("postgres_store")
        return database()
    return {"memory": "memory:", "sqlite": f"sqlite:///{tmp_path / 'sisf.db'}"}[request.param]


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = open_store(url)
    yield store
    store.close()
