"""What ships holds 1,510 documents composed of its own pieces: two minutes of a core to embed where no run before has
kept their vectors, and seconds to read in every process. One test learns beside all of them
(`tests/guard/test_guard.py::test_the_default_learns_and_remembers`); others beside a few of each kind.
"""

from collections.abc import Iterator

import pytest

_FEW = {"_PAGES": 60, "_LONG": 6}
_MODULE = "sisf.loop.benign_reference"
WITH_FEW = (
    f"import runpy, sys, {_MODULE} as r; vars(r).update({_FEW}); runpy.run_path(sys.argv[1], run_name='__main__')"
)
"""Runs a program, named by the first argument, beside few documents."""


@pytest.fixture(scope="module")
def few_documents() -> Iterator[None]:
    """A module's systems learn beside few documents."""
    with pytest.MonkeyPatch.context() as patch:
        for name, count in _FEW.items():
            patch.setattr(f"{_MODULE}.{name}", count)
        yield
