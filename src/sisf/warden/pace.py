"""How long an inspection will take: so that one which cannot end in time is not begun."""

import time
from collections.abc import Callable
from functools import cache

from sisf import corpus
from sisf.exchange import Message, Role
from sisf.policy import Direction
from sisf.text.views import go_on
from sisf.warden.policy_set import PolicySet

ASSUMED_SECONDS = 250e-6
"""For a token looked at by an embedder, before it was measured (100 to 400 µs on one slow core)."""
_TOKENS_A_CHAR = 0.25
"""Of text of which nothing is known."""
PLAIN_SECONDS = 2e-6
"""For a character that is only searched for patterns, in all its readings."""
_SAMPLE_CHARS = 3_000
_LOOKS = 2
"""Pieces looked at, of which the quicker one counts: the first after a start or a change of the policies pays for
tables that are made once, which took three times as long as the look itself."""
_VALID_SECONDS = 300.0


class Pace:
    """Seconds a token, measured now and then on ordinary text that ships: nobody's own text moves it.

    Tokens are counted, not characters: of hashes and numbers a character has three times as many as of prose.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cost: Callable[[], float] = time.thread_time
    ) -> None:
        """`cost`: what is measured is the processor's time, so that a busy moment refuses nothing for minutes."""
        self._clock = clock
        self._cost = cost
        self.seconds = ASSUMED_SECONDS
        """For a token looked at by the embedder, its share of all else that an inspection does included."""
        self._measured: float | None = None
        self._from = 0

    def guess(self, chars: int, *, semantic: bool) -> float:
        """Seconds for so many characters of which nothing is known."""
        return chars * (_TOKENS_A_CHAR * self.seconds if semantic else PLAIN_SECONDS)

    def measure(
        self, policy_set: PolicySet, direction: Direction, tenant: str, pause: Callable[[], None] = go_on
    ) -> None:
        """Look at a sample with the policies in force, unless that was done of late.

        `pause` is called between the steps; what it raises ends them, and the next one who asks looks anew.
        """
        began, before = self._clock(), self._measured
        if before is not None and began - before < _VALID_SECONDS:
            return
        self._measured = began
        try:
            looks = [self._look(policy_set, direction, tenant, pause) for _ in range(_LOOKS)]
        except BaseException:
            self._measured = before
            raise
        if all(looks):
            self.seconds = min(looks)

    def _look(self, policy_set: PolicySet, direction: Direction, tenant: str, pause: Callable[[], None]) -> float:
        """Seconds a token of the next piece of the sample; 0.0 where no embedder is asked."""
        text = _sample()
        start = self._from % max(1, len(text) - _SAMPLE_CHARS)
        self._from += _SAMPLE_CHARS  # another piece each time: vectors are remembered
        piece = text[start : start + _SAMPLE_CHARS]
        cost = self._cost()
        inspection = policy_set.begin((Message(Role.USER, piece),), direction, tenant, remember=False, pause=pause)
        inspection.heuristics()
        work = inspection.work
        if not work:
            return 0.0
        inspection.semantics()
        return (self._cost() - cost) / work


@cache
def _sample() -> str:
    return " ".join(sample.text for sample in corpus.benign_reference())
