"""How much work reading a text is, in counts that no machine changes: times differ with what else a machine does."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from sisf import text

_OURS = text.__path__[0]


@dataclass(slots=True)
class Work:
    """What was done, counted."""

    calls: int = 0
    """Calls of functions, those of Python's own included, and of generators that go on."""
    characters: int = 0
    """Characters of the texts that functions of `sisf.text` were given: what string operations in them read."""


def work_of(job: Callable[[], object]) -> Work:
    """The work of a job. Loops without a call in them are not counted; the time limit of a test ends these."""
    done = Work()

    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call":
            done.calls += 1
        elif event == "call":
            done.calls += 1
            if frame.f_lasti <= 0 and frame.f_code.co_filename.startswith(_OURS):
                done.characters += sum(len(each) for each in frame.f_locals.values() if isinstance(each, str))

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        job()
    finally:
        sys.setprofile(before)
    return done
