"""No loop outlives its test."""

import pytest

from tests.loop.fakes import stop_loops


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Stop what a test started, before the store under it is closed."""
    stop_loops()
