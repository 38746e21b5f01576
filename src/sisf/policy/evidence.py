"""Where a policy came from, what speaks for and against it, and what the gate found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provenance:
    """The breaches a policy was learned from, and who wrote it."""

    breach_ids: tuple[str, ...] = ()
    synthesiser: str = "person"
    model: str = ""
    """The language model that wrote it, when one did."""
    supersedes: tuple[str, ...] = ()
    """Ids of the policies it replaces: they retire in the revision that activates it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Confirmations and false positives, each counted once per distinct principal."""

    confirmations: int = 0
    false_positives: int = 0
    hits: int = 0
    """All matches, whoever caused them."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """What was checked before a policy could act."""

    passed: bool
    reasons: tuple[str, ...] = ()
    """Why it failed, in plain words; empty when it passed."""
    catches_breach: bool = False
    variants_caught: int = 0
    variants: int = 0
    benign_hits: tuple[str, ...] = ()
    """The benign texts it would have blocked (shortened), at most ten."""
    benign_blocked: int = 0
    benign_total: int = 0
    fpr_upper: float = 1.0
    """Clopper–Pearson 95 % upper bound of its false-positive rate."""
    duplicates: tuple[str, ...] = ()
    """Ids of policies in force that already do what it does."""
    provisional: bool = False
    """Harmless as far as is known, but there are too few benign texts to show it at the budget of what is enforced: it
    may be a shadow, and become active by evidence."""
    margin: float | None = None
    """Of a learned policy: its threshold minus the highest score of any benign text."""
    secret_total: int = 0
    """How many of the benign texts were kept from synthesis."""
    secret_blocked: int = 0
    """How many of those it would have blocked. They are a sample of honest traffic: the bound speaks for it. Of the
    texts that synthesis knows, a policy that passed blocks none, unless `GateLimits.max_benign_blocked` allows it."""
    traffic_hits: int = 0
    """Recent exchanges of this gateway, judged safe and answered, that it would have stopped."""
    traffic_total: int = 0
    cost_us: float = 0.0
    """What one evaluation of this policy alone takes, in microseconds."""

    def harm(self) -> str:
        """How many benign texts it would block, of which kind, and what follows for honest traffic."""
        known, shown = self.benign_total - self.secret_total, self.benign_blocked - self.secret_blocked
        kept = f" and {self.secret_blocked} of {self.secret_total:,} kept from it" if self.secret_total else ""
        return (
            f"blocks {shown} of {known:,} benign texts that synthesis knows{kept}: "
            f"at most {self.fpr_upper:.2%} of honest texts (95 %)"
        )
