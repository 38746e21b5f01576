"""Inspection of an answer while it is written: nothing is released before what follows it was seen.

At most `window` characters are held back. The text is inspected in steps of half a window; each step looks at the new
characters and at `CONTEXT` windows before them, so the work is linear in the length of the answer however finely it is
cut. At the end the whole answer is inspected as any other text: what needs more context than a step sees (a pattern
that spans pages) still stops what is held back, and is in the decision.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from sisf.policy import Action, Decision, Match

Check = Callable[[str, bool], Awaitable[Decision]]
"""Inspects a text; the flag says whether it is the whole answer, and so worth remembering."""

CONTEXT = 2
"""Windows of text, released or not, that are seen before the new text; more where a word (as of base64) is longer."""
_LONGEST_WORD = 16


class StreamInspector:
    """Takes the pieces of one answer. A `rewrite` in a stream is a block: what is sent cannot be taken back."""

    def __init__(self, check: Check, window: int) -> None:
        self._check = check
        self._window = window
        self._step = max(1, window // 2)
        self._pieces: list[str] = []
        self._text = ""
        self._seen = 0
        """Characters inspected."""
        self._released = 0
        self._fed = 0
        self.decision: Decision | None = None
        """The strongest decision so far; None before the first inspection."""

    async def feed(self, text: str) -> str:
        """Take the next piece; returns what may be released now. Nothing after a block."""
        self._pieces.append(text)
        self._fed += len(text)
        if self._blocked or self._fed - self._seen < self._step:
            return ""
        self._gather()
        await self._inspect(self._start(), whole=False)
        return self._release(self._fed - (self._window - self._step))

    async def finish(self) -> str:
        """The text has ended; returns what is left to release. Nothing after a block."""
        if self._blocked:
            return ""
        self._gather()
        await self._inspect(0, whole=True)
        return self._release(self._fed)

    @property
    def _blocked(self) -> bool:
        return self.decision is not None and self.decision.blocked

    def _gather(self) -> None:
        if self._pieces:
            self._text += "".join(self._pieces)
            self._pieces.clear()

    def _start(self) -> int:
        """Where to look from: `CONTEXT` windows before the new text, at the beginning of a word if one begins near."""
        wanted = self._seen - CONTEXT * self._window
        if wanted <= 0:
            return 0
        near = max(0, wanted - _LONGEST_WORD * self._window)
        space = max(self._text.rfind(" ", near, wanted), self._text.rfind("\n", near, wanted))
        return space + 1 if space >= 0 else near

    async def _inspect(self, start: int, *, whole: bool) -> None:
        decision = await self._check(self._text[start:], whole)
        self._seen = self._fed
        if decision.action is Action.REWRITE:
            matches = (replace(m, action=Action.BLOCK) if m.action is Action.REWRITE else m for m in decision.matches)
            decision = replace(decision, action=Action.BLOCK, matches=tuple(matches), rewritten=None)
        if start:
            decision = replace(decision, matches=tuple(_moved(m, start) for m in decision.matches))
        if self.decision is None or decision.action.precedence >= self.decision.action.precedence:
            self.decision = decision
        elif decision.doubt is not None:
            self.decision = replace(self.decision, doubt=decision.doubt)

    def _release(self, end: int) -> str:
        if self._blocked or end <= self._released:
            return ""
        text, self._released = self._text[self._released : end], end
        return text


def _moved(match: Match, start: int) -> Match:
    """A place in the text as it stands, counted from the beginning of the answer."""
    if match.view != "raw" or match.span is None:
        return match
    return replace(match, span=(match.span[0] + start, match.span[1] + start))
