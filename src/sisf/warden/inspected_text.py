"""The texts of one request or answer under inspection: each alone, and what may be split over several together."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sisf.exchange import Message, Role
from sisf.policy import Match
from sisf.text.views import View
from sisf.warden.cache import Found, Key
from sisf.warden.length import Read
from sisf.warden.readings import CONVERSATION, ONLY_PATTERNS, Joined, Plain, joined

_APART, _WORD_BY_WORD, _SINGLE = 2.0, 1.0, 2
"""Steps of caution asked of what was not said in one breath: turns of the user, messages of the system, tools; and
where each has so many words on average, so that no two honest requests stand side by side."""


@dataclass(slots=True)
class InspectedText:
    """One text under inspection."""

    content: str
    segment: int
    view: str = ""
    """Put before the names of its views."""
    key: Key | None = None
    views: tuple[View, ...] = ()
    found: dict[int, Match] = field(default_factory=dict)
    """The best match of each policy, by the policy's index."""
    plain: Plain | None = None
    """How it is read as it stands, once that was asked for."""
    readings: Sequence[Read] = ()
    """How it is read by the embedder, once that was asked for."""
    known: Found | None = None
    """What was found when the same text was seen before."""
    read: list[tuple[Key, float]] = field(default_factory=list)
    """Its windows that were read, each with what was asked of their passages."""
    asked: float = 0.0
    """Steps of caution asked of all that is read in it."""
    patterns_only: bool = False
    """Whether only patterns are searched in it."""
    exempt: bool = False
    """Whether a policy would have matched, but for an exception."""
    doubt: Match | None = None
    """See `Decision.doubt`."""

    def named(self, match: Match) -> Match:
        """A match in one of its views, by the name that the view has among those of the whole request."""
        return replace(match, view=f"{self.view}>{match.view}") if self.view else match


def inspected_texts(messages: Sequence[Message]) -> list[InspectedText]:
    """Every text alone, and what may be split over several together."""
    alone = [InspectedText(message.content, index) for index, message in enumerate(messages)]
    if len(messages) == 1:
        return alone
    return alone + [
        InspectedText(
            each.text,
            each.places[-1],
            each.view,
            asked=_caution(messages, each),
            patterns_only=each.view in ONLY_PATTERNS,
        )
        for each in joined(messages)
    ]


def _caution(messages: Sequence[Message], joined: Joined) -> float:
    if joined.view != CONVERSATION and messages[joined.places[0]].role is not Role.SYSTEM:
        return 0.0
    return _WORD_BY_WORD if len(joined.text.split()) <= _SINGLE * len(joined.places) else _APART
