"""Commands that run in the test's own process ask a smaller gate."""

import pytest

from sisf.loop.benign_reference import shipped_reference
from sisf.synthesis.base import Reference


@pytest.fixture(scope="session")
def few() -> Reference:
    """One in six of the short benign texts that ship: to read all takes seconds, in each command that asks the gate."""
    shipped = shipped_reference(documents=False)
    return Reference(shipped.prompts[::6], shipped.responses[::6])


@pytest.fixture(autouse=True)
def _few_benign_texts(few: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sisf.loop.benign_reference.shipped_reference", lambda: few)
