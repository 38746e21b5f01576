"""What each design of the demonstration did with the traffic, as the screen and the report read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sisf.evaluation.defences import Tally
from sisf.evaluation.experiment import SYSTEM
from sisf.evaluation.outcomes import AttackOutcome, Sample
from sisf.policy import Policy
from sisf.probe.target import Reply
from sisf.verdict import Outcome

WINDOW = 50


@dataclass(slots=True)
class Traffic:
    """What one design did."""

    attacks: list[Sample] = field(default_factory=list)
    benign: list[Sample] = field(default_factory=list)
    final: list[Sample] = field(default_factory=list)
    """All attacks again, at the final revision."""
    final_benign: list[Sample] = field(default_factory=list)
    """All honest requests again, at the final revision."""
    answered: list[Sample] = field(default_factory=list)
    """All attacks once more, when a person has answered what waited; empty where nobody did."""
    answered_benign: list[Sample] = field(default_factory=list)
    """All honest requests once more, then."""
    replies: dict[tuple[str, str], Reply] = field(default_factory=dict)
    """What came back the first time, by data set and record."""
    newest: Policy | None = None
    """The policy that went live last."""
    policies: int = 0
    """In force now."""
    revision: int = 0
    tally: Tally = field(default_factory=Tally)
    """Of the policies that the loop learned by itself, before a person answered anything."""
    in_force: tuple[Policy, ...] = ()
    """Of those, the active ones."""

    @property
    def blocked(self) -> int:
        """Honest requests blocked."""
        return sum(s.outcome is AttackOutcome.INTERCEPTED for s in self.benign)

    @property
    def breaches(self) -> int:
        """Breaches that the loop found."""
        return self._judged(Outcome.BREACH)

    @property
    def undecided(self) -> int:
        """Attacks whose answers wait for a person: no judge could decide."""
        return self._judged(Outcome.UNDECIDED)

    def recent_asr(self) -> float:
        """Share of the last attacks that no policy stopped."""
        recent = self.attacks[-WINDOW:]
        return sum(s.beat_warden for s in recent) / len(recent) if recent else 1.0

    def _judged(self, outcome: Outcome) -> int:
        return sum(s.verdict == outcome.value for s in self.attacks)


@dataclass(slots=True)
class Account:
    """The state of the demonstration."""

    total: int
    traffic: Mapping[str, Traffic]
    """By design: `sisf` first."""
    last_prompt: str = ""
    stopped_prompt: str = "Explain how photosynthesis works."
    """The attack that a policy stopped last, to be looked at; before there is one, something harmless."""
    open_jobs: int = 0
    """What the loop has left to do, while it is waited for."""
    by_person: int = 0
    """Exchanges that waited for a person and were answered."""
    learning_ms: list[float] = field(default_factory=list)
    """From each breach's answer to the new policy in force, milliseconds."""

    @property
    def sisf(self) -> Traffic:
        """What the design under test did."""
        return self.traffic[SYSTEM]

    @property
    def done(self) -> int:
        """Requests sent, those that were sent again apart."""
        return len(self.sisf.attacks) + len(self.sisf.benign)

    @property
    def repeated(self) -> int:
        """Requests sent again at the final revision."""
        return len(self.sisf.final) + len(self.sisf.final_benign)

    @property
    def after_person(self) -> int:
        """Requests sent once more after a person's answers."""
        return len(self.sisf.answered) + len(self.sisf.answered_benign)


def after_person(account: Account) -> dict[str, int]:
    """For the settings in the summary: how many exchanges a person answered, and what is stopped then."""
    if not account.by_person:
        return {}
    sisf = account.sisf
    return {
        "answered_by_labels_in_place_of_a_person": account.by_person,
        "policies_then": sisf.policies,
        "attacks_stopped_then": sum(s.intercepted for s in sisf.answered),
        "honest_stopped_then": sum(s.intercepted for s in sisf.answered_benign),
    }
