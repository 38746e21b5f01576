"""The heuristic engine: many patterns in one RE2 set, one pass over a text whatever their number."""

from collections.abc import Sequence
from dataclasses import dataclass

import re2

from sisf.errors import PolicyError
from sisf.policy import Pattern, Policy

_MAX_MEMORY = 256 << 20


@dataclass(frozen=True, slots=True)
class PatternBlock:
    """An immutable RE2 set over the patterns of some policies."""

    policies: tuple[Policy, ...]
    compiled: "re2.Set"
    singles: tuple["re2.Pattern", ...]
    """Each pattern alone: used only for those that matched, to find the span."""
    exceptions: tuple[tuple["re2.Pattern", ...], ...]

    @classmethod
    def compile(cls, policies: Sequence[Policy]) -> "PatternBlock":
        """Compile the policies' patterns. Raises `PolicyError` that names the policy at fault."""
        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        options.log_errors = False
        compiled = re2.Set.SearchSet(options)
        singles, exceptions = [], []
        for policy in policies:
            condition = policy.condition
            assert isinstance(condition, Pattern)  # noqa: S101 - the caller sorted policies by form
            try:
                compiled.Add(condition.pattern)
                singles.append(re2.compile(condition.pattern))
                exceptions.append(tuple(re2.compile(e) for e in condition.exceptions))
            except re2.error as error:
                raise PolicyError(f"policy {policy.id}: pattern does not compile: {error}") from None
        if policies:
            compiled.Compile()
        return cls(tuple(policies), compiled, tuple(singles), tuple(exceptions))

    def search(self, text: str) -> list[tuple[Policy, tuple[int, int]]]:
        """The policies whose pattern occurs in the text (and none of whose exceptions does), each with a span."""
        if not self.policies:
            return []
        found = []
        for index in self.compiled.Match(text) or ():
            place = self.singles[index].search(text)
            if place is not None and not any(e.search(text) for e in self.exceptions[index]):
                found.append((self.policies[index], place.span()))
        return found
