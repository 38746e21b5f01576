"""What ships holds 1,510 documents composed of its own pieces: two minutes of a core to embed where no run before has
kept their vectors, and seconds to read in every process. One test learns as `Guard()` does by default, beside a sixth
of them, and under `make soak` beside all (`tests/guard/test_guard.py::test_the_default_learns_and_remembers`); others
beside a few of each kind.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import pytest

ALL: Final[Mapping[str, int]] = {}
SOME: Final = {"_PAGES": 240, "_LONG": 10}
_FEW: Final = {"_PAGES": 60, "_LONG": 6}
_MODULE = "sisf.loop.benign_reference"
WITH_FEW = (
    f"import runpy, sys, {_MODULE} as r; vars(r).update({_FEW}); runpy.run_path(sys.argv[1], run_name='__main__')"
)
"""Runs a program, named by the first argument, beside few documents."""


def compose(documents: Mapping[str, int], patch: pytest.MonkeyPatch) -> None:
    """What ships holds so many documents of each kind, until `patch` is undone."""
    for name, count in documents.items():
        patch.setattr(f"{_MODULE}.{name}", count)


@pytest.fixture(scope="module")
def few_documents() -> Iterator[None]:
    """A module's systems learn beside few documents."""
    with pytest.MonkeyPatch.context() as patch:
        compose(_FEW, patch)
        yield
