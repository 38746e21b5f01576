"""A reading that repeats pieces of the text it was made from needs no forward pass to be ranked.

Comments, strings and the like stand in the text word for word, and the text was read already: the states of their
tokens tell about what the reading would score (late pooling, see `late_pooling`). Only what comes near to a threshold
is embedded for what it is (docs/adr/0410).
"""

from dataclasses import dataclass, field

import numpy as np

from sisf.embedding.base import TokenVectors
from sisf.warden.late_pooling import Span

_MOST_WINDOWS = 24
"""Windows of a text whose states are kept while it is read: some 9 MB."""
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
        """Nothing is known yet; of a text that is not ASCII nothing will be."""
        return cls(text.lower() if text.isascii() else "")

    def learn(self, span: Span, tokens: TokenVectors) -> None:
        """Keep the states of a window of the text."""
        if self.text and len(self.windows) < _MOST_WINDOWS:
            self.windows.append((span, tokens))

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
        together = np.concatenate(states)
        mean = together.mean(axis=0)
        vector = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return TokenVectors(together, spans, vector.astype(np.float32, copy=False))

    def _line(self, line: str) -> tuple[list[int], int, TokenVectors] | None:
        """The tokens of a line in the first window that holds it, and where in the window it begins."""
        for (start, end), tokens in self.windows:
            found = self.text.find(line, start, end)
            if found >= 0:
                first = found - start
                inside = [p for p, (a, b) in enumerate(tokens.spans) if first <= a and b <= first + len(line)]
                return inside, first, tokens
        return None
