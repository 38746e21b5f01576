"""Many RE2 patterns held against one text, a few of them at a time.

An automaton of all of them would have a state for each way in which they can stand together: those of the clues of
`sisf.text.views` never fit into its memory, so it was built anew with nearly every character (docs/adr/0400).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import re2

_TOGETHER = 4
"""Patterns in one automaton."""


@dataclass(frozen=True, slots=True)
class Clues:
    """Patterns, compiled."""

    _automata: tuple[tuple[int, Any], ...]
    """Each with the number of its first pattern."""

    @classmethod
    def of(cls, patterns: Sequence[str]) -> Self:
        """Compile."""
        firsts = range(0, len(patterns), _TOGETHER)
        return cls(tuple((first, _automaton(patterns[first : first + _TOGETHER])) for first in firsts))

    def found(self, text: str) -> Iterator[int]:
        """The numbers of the patterns that occur in a text, in their order."""
        data = text.encode()
        for first, automaton in self._automata:
            for place in sorted(automaton.Match(data) or ()):
                yield first + place


def _automaton(patterns: Sequence[str]) -> Any:
    options = re2.Options()
    options.log_errors = False
    made = re2.Set.SearchSet(options)
    for pattern in patterns:
        made.Add(pattern)
    made.Compile()
    return made
