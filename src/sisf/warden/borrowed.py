"""A reading that repeats pieces of the text it was made from needs no forward pass to be ranked.

Comments, strings and the like stand in the text word for word, and the text was read already: the states of their
tokens tell about what the reading would score (late pooling, see `late_pooling`). Only what comes near to a threshold
is embedded for what it is (docs/adr/0410).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sisf.embedding.base import TokenVectors, unit
from sisf.warden.late_pooling import Span

MOST_WINDOWS = 48
"""Windows of a text whose states are kept while it is read: some 9 MB in half precision, which is enough to rank."""
_GAP = 1
"""Characters between two lines of a reading."""


@dataclass(slots=True)
class Lender:
    """The states of the tokens of one text, window by window."""

    text: str
    """In lower case, as readings are; empty where letters change their number with their case."""
    windows: list[tuple[Span, TokenVectors]] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> "Lender":
        """Nothing is known yet; of a text with letters that change their number nothing will be."""
        lower = text.lower()
        return cls(lower if len(lower) == len(text) else "")

    def learn(self, span: Span, tokens: TokenVectors) -> None:
        """Keep the states of a window of the text."""
        if self.text and len(self.windows) < MOST_WINDOWS:
            states = tokens.states.astype(np.float16)
            self.windows.append((span, TokenVectors(states, tokens.spans, tokens.vector)))  # type: ignore[arg-type]

    def holds(self, reading: str, spans: Sequence[Span]) -> bool:
        """Whether each line of a reading stands in one of these windows, so that it may borrow their tokens."""
        lines = reading.lower().split("\n")
        return self.text != "" and all(any(self.text.find(line, *span) >= 0 for span in spans) for line in lines)

    def borrowed(self, reading: str) -> TokenVectors | None:
        """The tokens of a reading, as they are in the text; None unless each of its lines stands in a window."""
        states, spans, start = [], [], 0
        for line in reading.split("\n"):
            found = self._line(line.lower())
            if found is None:
                return None
            own, offset, tokens = found
            for place in own:
                first, last = tokens.spans[place]
                spans.append((start + first - offset, start + last - offset))
            states.append(tokens.states[own])
            start += len(line) + _GAP
        if not spans:
            return None
        together = np.concatenate(states, dtype=np.float32)
        return TokenVectors(together, spans, unit(together.mean(axis=0)))

    def _line(self, line: str) -> tuple[list[int], int, TokenVectors] | None:
        """The tokens of a line in the first window that holds it, and where in the window it begins."""
        for (start, end), tokens in self.windows:
            found = self.text.find(line, start, end)
            if found >= 0:
                first = found - start
                inside = [p for p, (a, b) in enumerate(tokens.spans) if first <= a and b <= first + len(line)]
                return inside, first, tokens
        return None
