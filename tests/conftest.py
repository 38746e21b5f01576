"""What all tests share: logs are as they were and no loop is left when a test is over, and what was measured is shown
at the end (`make soak` is read for it)."""

import gc
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.documents import few_documents
from tests.postgres import _postgres_tables, postgres_database, postgres_server, postgres_store

__all__ = ["_postgres_tables", "few_documents", "postgres_database", "postgres_server", "postgres_store"]
"""Written here alone: imported elsewhere, they would be fixtures of their own, with a server for each."""

# Dozens of tests start a process. Where bytecode is not kept, each compiles all libraries: 4.9 s of CPU against 1.7.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.environ.setdefault("SISF_LOOP__PREPARE", "false")
"""Most tests that start a gateway never learn: reading what ships would cost each of them ten seconds of a core."""


# No test asserts a time, and an example that a busy machine delays is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True, scope="module")
def _no_loop_left() -> Iterator[None]:
    """A loop that goes on without its store fills the logs of the tests that come later in the same process."""
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("sisf-loop")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that hold slow tests come first: no worker waits at the end for another that has just begun one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What all test modules imported stays as long as this process: no collection of garbage looks through it again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests recorded with `record_property`."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    figures = [(report.nodeid, *figure) for report in reports for figure in report.user_properties]
    if not figures:
        return
    terminalreporter.section("figures")
    last = ""
    for test, name, value in figures:
        if test != last:
            terminalreporter.write_line(test)
            last = test
        terminalreporter.write_line(f"  {name}: {value}")
