"""The heuristic engine: many patterns in a few RE2 sets, one linear pass over a text for each set.

Patterns come from machines and from strangers: they are compiled by RE2 alone, within limits, and never by `re`.
"""

import random
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from sisf.errors import PolicyError

MAX_CHARS = 512
"""Characters of one pattern."""
MAX_REPEAT = 64
"""Highest count in `{n,m}`; nested counts are multiplied. RE2 unrolls counts: they are what makes automata large."""
MAX_PROGRAM = 1_500
"""Instructions of the compiled pattern, forward and reversed."""
MAX_BYTE_US = 3.0
"""Microseconds for one byte of a text made of the pattern's own characters: what the worst text costs."""

SET_SIZE = 256
"""Patterns in one set. Compiling holds up all of Python (about 50 ms for 256), matching one set costs a microsecond."""
YOUNG = 32
"""Sets smaller than this take the next patterns in; fuller ones are left as they are until they are merged."""
_FEW_SETS = 8
"""Young sets that may stand side by side before they are merged."""
_PROVOCATION = 2_048
_SET_MEMORY = 24 << 20
_ONE_MEMORY = 4 << 20


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
    layer = PatternLayer.compile([pattern])
    worst = 0.0
    for alphabet in (letters[:8], letters + " ", letters + " .-0a\n"):
        text = "".join(random.Random(7).choices(alphabet, k=_PROVOCATION)).encode()
        layer.search(text[:64])
        started = time.perf_counter()
        layer.search(text)
        worst = max(worst, time.perf_counter() - started)
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
        super().__init__(f"the pattern does not compile in linear time (RE2): {pattern[:80]!r}")
        self.pattern = pattern


@dataclass(frozen=True, slots=True)
class PatternLayer:
    """An immutable RE2 set."""

    patterns: tuple[str, ...]
    compiled: Any

    @classmethod
    def compile(cls, patterns: Sequence[str]) -> "PatternLayer":
        """Compile. Raises `BadPattern` for a pattern that is none, `PolicyError` when the set needs too much memory."""
        compiled = re2.Set.SearchSet(_options(_SET_MEMORY))
        for pattern in patterns:
            try:
                compiled.Add(pattern)
            except (re2.error, UnicodeError):
                raise BadPattern(pattern) from None
        try:
            compiled.Compile()
        except re2.error as error:
            raise PolicyError(f"{len(patterns)} patterns need too much memory: {error}") from None
        return cls(tuple(patterns), compiled)

    def search(self, text: bytes) -> list[str]:
        """The patterns that occur in the text (UTF-8)."""
        found = self.compiled.Match(text)
        return [self.patterns[i] for i in found] if found else []


def build(patterns: Sequence[str]) -> list[PatternLayer]:
    """As few sets as memory allows: one that needs too much is compiled as two halves."""
    layers: list[PatternLayer] = []
    for start in range(0, len(patterns), SET_SIZE):
        layers += _halved(patterns[start : start + SET_SIZE])
    return layers


def _halved(patterns: Sequence[str]) -> list[PatternLayer]:
    try:
        return [PatternLayer.compile(patterns)]
    except BadPattern:
        raise
    except PolicyError:
        if len(patterns) == 1:
            raise
        half = len(patterns) // 2
        return _halved(patterns[:half]) + _halved(patterns[half:])


def update(layers: Sequence[PatternLayer], wanted: Iterable[str]) -> tuple[PatternLayer, ...]:
    """Sets for the wanted patterns that reuse what is compiled: new patterns go into the youngest set.

    A set may keep patterns that nobody wants any more, up to half of it; they match for nothing.
    """
    alive = dict.fromkeys(wanted)
    kept: list[PatternLayer] = []
    held: set[str] = set()
    for layer in layers:
        living = sum(p in alive for p in layer.patterns)
        if living * 2 > len(layer.patterns) or (living and len(layer.patterns) > YOUNG):
            kept.append(layer)
            held.update(layer.patterns)
    fresh = [p for p in alive if p not in held]
    if fresh and kept and len(kept[-1].patterns) + len(fresh) <= YOUNG:
        young = kept.pop()
        fresh = [p for p in young.patterns if p in alive] + fresh
    return (*kept, *build(fresh))


def fragmented(layers: Sequence[PatternLayer]) -> bool:
    """Whether merging would save passes."""
    return sum(len(layer.patterns) <= YOUNG for layer in layers) > _FEW_SETS


def merged(layers: Sequence[PatternLayer], wanted: Iterable[str]) -> tuple[PatternLayer, ...]:
    """The same patterns with the young sets made one. Slow: for the background."""
    alive = set(wanted)
    old = [layer for layer in layers if len(layer.patterns) > YOUNG]
    young = [p for layer in layers if len(layer.patterns) <= YOUNG for p in layer.patterns if p in alive]
    return (*old, *build(young))
