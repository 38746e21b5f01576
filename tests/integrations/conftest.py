"""A guard for the frameworks, and the kind of model server that they expect."""

from collections.abc import Iterator

import pytest
import structlog

from sisf import Guard
from sisf.llm.recorded import RecordedModel
from sisf.llm.server import running
from sisf.llm.unaligned import UnalignedModel
from tests.guard.conftest import system_with

ANSWERS = {
    "tea": "A drink made of leaves.",
    "leak": "Here it is: BADANSWER",
    "tell": "the SECRET is out",
}
SKIPPED = "{} is not installed: `make test-integrations` installs it and runs these tests"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running([RecordedModel(ANSWERS), UnalignedModel()]) as background:
        yield background.url + "/v1"


@pytest.fixture
def guard() -> Iterator[Guard]:
    system = system_with()
    with Guard(system=system) as made:
        yield made
    system.close()
    structlog.reset_defaults()
