"""What the Warden says of a text."""

from dataclasses import dataclass

from sisf.policy.model import Action, Direction


@dataclass(frozen=True, slots=True)
class Match:
    """One policy that recognised something."""

    policy_id: str
    action: Action
    score: float
    """1.0 for a pattern; cosine or probe score otherwise."""
    threshold: float
    view: str = "raw"
    """The canonical view in which it matched."""
    span: tuple[int, int] | None = None
    """Character offsets in that view, where there is a place to point at."""
    segment: int = 0
    """Index of the inspected message within the exchange."""
    shadow: bool = False
    """True for a shadow policy: logged, never enforced."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The Warden's answer for one text or one conversation, at one revision."""

    action: Action
    matches: tuple[Match, ...]
    revision: int
    direction: Direction
    elapsed_us: float = 0.0
    rewritten: tuple[str, ...] | None = None
    """The texts after rewriting, one per inspected segment; None when nothing was rewritten."""
    doubt: Match | None = None
    """A blocking policy whose score came near its threshold without reaching it; None where none did, and where nobody
    asks (`adjudication.mode`)."""

    @property
    def blocked(self) -> bool:
        """Whether the text must not pass."""
        return self.action is Action.BLOCK

    @property
    def policy_id(self) -> str | None:
        """The policy that decided the action, if one did."""
        return next((m.policy_id for m in self.matches if m.action is self.action and not m.shadow), None)
