"""The heuristic engine: many patterns in a few RE2 filters, one linear pass over a text for each.

A filter knows the literals without which a pattern cannot match. It searches the text for all of them at once and
then runs only the patterns whose literals occur (docs/adr/0240). Patterns without literals share an automaton.

Patterns come from machines and from strangers: they are compiled by RE2 alone, within limits, and never by `re`.
"""

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from sisf.errors import PolicyError, quoted
from sisf.warden.merge_schedule import due

MAX_CHARS = 512
"""Characters of one pattern."""
MAX_REPEAT = 64
"""Highest count in `{n,m}`; nested counts are multiplied. RE2 unrolls counts: they are what makes automata large."""
MAX_PROGRAM = 1_500
"""Instructions of the compiled pattern, forward and reversed."""
MAX_BYTE_US = 3.0
"""Microseconds for one byte of a text made of the pattern's own characters: what the worst text costs."""

LAYER_SIZE = 2_048
"""Patterns in one layer. Compiling so many holds up all of Python for some 30 ms at its end, in the background."""
_FEW_LAYERS = 8
"""Young layers that may stand side by side: each costs about a microsecond a text."""
_FEW_LOOSE = 4
"""Patterns without literals that a filter may run one by one."""
_SET_SIZE = 64
_PAUSE_EVERY = 4
_PROVOCATION = 2_048
_SET_MEMORY = 16 << 20
_ONE_MEMORY = 1 << 20
"""Bytes for one pattern's automaton; RE2 goes on without one, more slowly, when they are used up."""


def _options(memory: int, *, case_sensitive: bool = True) -> Any:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.case_sensitive = case_sensitive
    return options


@lru_cache(maxsize=256)
def compile_one(pattern: str, *, case_sensitive: bool = True) -> Any:
    """One pattern alone, for spans and substitutions. Raises `PolicyError`."""
    try:
        return re2.compile(pattern, options=_options(_ONE_MEMORY, case_sensitive=case_sensitive))
    except (re2.error, UnicodeError) as error:
        raise PolicyError(f"the pattern does not compile in linear time (RE2): {error}") from None


def validate(pattern: str) -> None:
    """Raises `PolicyError` unless RE2 compiles the pattern within the limits and it does not match every text."""
    if not pattern or len(pattern) > MAX_CHARS:
        raise PolicyError(f"the pattern has {len(pattern)} characters; 1 to {MAX_CHARS} are allowed")
    if repetition(pattern) > MAX_REPEAT:
        raise PolicyError(f"the pattern repeats {repetition(pattern)} times by count; at most {MAX_REPEAT} are allowed")
    compiled = compile_one(pattern)
    size = max(compiled.programsize, compiled.reverseprogramsize)
    if size > MAX_PROGRAM:
        raise PolicyError(f"the pattern compiles to {size:,} instructions; at most {MAX_PROGRAM:,} are allowed")
    if compiled.search("") is not None:
        raise PolicyError("the pattern matches the empty text, and so every text")
    cost = worst_cost(pattern)
    if cost > MAX_BYTE_US:
        raise PolicyError(f"the pattern takes {cost:.1f} µs a byte on a text made to be slow; at most {MAX_BYTE_US:g}")


def worst_cost(pattern: str) -> float:
    """Microseconds a byte on texts that drive the automaton through as many states as they can."""
    letters = "".join(dict.fromkeys(c for c in pattern if c.isalnum())) or "a"
    automaton = _set([pattern])
    worst = 0.0
    for alphabet in (letters[:8], letters + " ", letters + " .-0a\n"):
        text = "".join(random.Random(7).choices(alphabet, k=_PROVOCATION)).encode()
        automaton.Match(text[:64])
        started = time.thread_time()
        automaton.Match(text)
        worst = max(worst, time.thread_time() - started)
    return 1e6 * worst / _PROVOCATION


_COUNT = re.compile(r"\\.|\[(?:\\.|[^\]\\])+\]|\{(\d+)(?:,(\d*))?\}|.", re.DOTALL)


def repetition(pattern: str) -> int:
    """The highest product of nested counts in a pattern. Reads the pattern once; understands no more than it must."""
    highest = [1]
    last = 1
    for match in _COUNT.finditer(pattern):
        sign = match[0]
        if sign == "(":
            highest.append(1)
            last = 1
        elif sign == ")":
            last = highest.pop() if len(highest) > 1 else 1
            highest[-1] = max(highest[-1], last)
        elif match[1] is not None:
            last *= max(int(match[2] or 0), int(match[1]), 1)
            highest[-1] = max(highest[-1], last)
        else:
            last = 1
    return max(highest)


class BadPattern(PolicyError):
    """One pattern of a set is none."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"the pattern does not compile in linear time (RE2): {quoted(pattern, 80)}")
        self.pattern = pattern


@dataclass(frozen=True, slots=True)
class PatternLayer:
    """Some patterns, compiled together. Immutable."""

    patterns: tuple[str, ...]
    filtered: Any
    """The filter, or None when no pattern has literals."""
    numbers: tuple[int, ...]
    """The pattern of each place in the filter."""
    loose: tuple[tuple[Any, tuple[int, ...]], ...]
    """Automata of the patterns without literals, with the pattern of each place."""

    @classmethod
    def compile(cls, patterns: Sequence[str], pause: Callable[[], object] | None = None) -> "PatternLayer":
        """Compile; `pause` is called now and then to let others work. Raises `BadPattern` for a pattern that is none,
        `PolicyError` when they need too much memory."""
        everything = range(len(patterns))
        filtered = _filter(patterns, pause)
        loose = filtered.Match(b"", True) or []
        if len(loose) <= _FEW_LOOSE:
            return cls(tuple(patterns), filtered, tuple(everything), ())
        numbers = sorted(set(everything).difference(loose))
        filtered = _filter([patterns[i] for i in numbers], pause) if numbers else None
        return cls(tuple(patterns), filtered, tuple(numbers), tuple(_sets(patterns, loose)))

    def search(self, text: bytes) -> list[str]:
        """The patterns that occur in the text (UTF-8). Other threads run meanwhile."""
        places = self.filtered.Match(text) if self.filtered is not None else None
        found = [self.patterns[self.numbers[i]] for i in places] if places else []
        for automaton, numbers in self.loose:
            found += [self.patterns[numbers[i]] for i in automaton.Match(text) or ()]
        return found


def _filter(patterns: Sequence[str], pause: Callable[[], object] | None = None) -> Any:
    filtered = re2.Filter()
    options = _options(_ONE_MEMORY)
    for index, pattern in enumerate(patterns):
        try:
            filtered.Add(pattern, options)
        except (re2.error, UnicodeError):
            raise BadPattern(pattern) from None
        if pause is not None and index % _PAUSE_EVERY == 0:
            pause()
    try:
        filtered.Compile()
    except re2.error as error:
        raise PolicyError(f"{len(patterns)} patterns do not compile together: {error}") from None
    return filtered


def _set(patterns: Sequence[str]) -> Any:
    automaton = re2.Set.SearchSet(_options(_SET_MEMORY))
    for pattern in patterns:
        try:
            automaton.Add(pattern)
        except (re2.error, UnicodeError):
            raise BadPattern(pattern) from None
    try:
        automaton.Compile()
    except re2.error as error:
        raise PolicyError(f"{len(patterns)} patterns need too much memory: {error}") from None
    return automaton


def _sets(patterns: Sequence[str], numbers: Sequence[int]) -> list[tuple[Any, tuple[int, ...]]]:
    """As few automata as memory allows: one that needs too much becomes two."""
    if len(numbers) <= _SET_SIZE:
        try:
            return [(_set([patterns[i] for i in numbers]), tuple(numbers))]
        except BadPattern:
            raise
        except PolicyError:
            if len(numbers) == 1:
                raise
    half = len(numbers) // 2
    return _sets(patterns, numbers[:half]) + _sets(patterns, numbers[half:])


def build(patterns: Sequence[str], pause: Callable[[], object] | None = None) -> list[PatternLayer]:
    """As few layers as their greatest size and memory allow."""
    if not patterns:
        return []
    if len(patterns) <= LAYER_SIZE:
        try:
            return [PatternLayer.compile(patterns, pause)]
        except BadPattern:
            raise
        except PolicyError:
            if len(patterns) == 1:
                raise
    half = min(LAYER_SIZE, (len(patterns) + 1) // 2)
    return build(patterns[:half], pause) + build(patterns[half:], pause)


def fragmented(layers: Sequence[PatternLayer]) -> bool:
    """Whether merging would save passes."""
    return _due(layers) > 0


def merged(layers: Sequence[PatternLayer], pause: Callable[[], object] | None = None) -> tuple[PatternLayer, ...]:
    """The same patterns in fewer layers. Slow: for the background."""
    count = len(layers) - _due(layers)
    return (*layers[:count], *build([p for layer in layers[count:] for p in layer.patterns], pause))


def _due(layers: Sequence[PatternLayer]) -> int:
    return due([len(layer.patterns) for layer in layers], LAYER_SIZE, _FEW_LAYERS)
