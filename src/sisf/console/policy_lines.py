"""The lines of a table of policies."""

from collections.abc import Sequence
from dataclasses import dataclass

from sisf.policy import Policy
from sisf.synthesis.folding import folded, in_plain_words


@dataclass(frozen=True, slots=True)
class Line:
    """One policy, or all narrow ones of a kind."""

    policies: Sequence[Policy]
    words: str
    """What they do, in plain words."""
    hits: int
    confirmations: int
    mistakes: int
    revision: int | None
    """The latest in which one of them changed."""


def lines_of(policies: Sequence[Policy]) -> list[Line]:
    """The lines in which policies are shown, in their order."""
    return [
        Line(
            group,
            in_plain_words(group),
            sum(policy.evidence.hits for policy in group),
            sum(policy.evidence.confirmations for policy in group),
            sum(policy.evidence.false_positives for policy in group),
            max((policy.revision or 0 for policy in group), default=0) or None,
        )
        for group in folded(policies)
    ]
