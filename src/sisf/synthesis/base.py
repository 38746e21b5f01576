"""From one breach to new, general policies; and the proof that they are harmless to honest users."""

from collections.abc import Sequence
from typing import Protocol

from sisf.policy import GateReport, Policy
from sisf.verdict import Breach


class Knowledge(Protocol):
    """What is known when a policy is written."""

    def breaches(self) -> Sequence[Breach]:
        """All confirmed breaches so far, oldest first, the present one included."""
        ...

    def policies(self) -> Sequence[Policy]:
        """The active and shadow policies now in force."""
        ...

    def benign_prompts(self) -> Sequence[str]:
        """Benign prompts to calibrate on: reference sets, reported false positives, safe traffic that may be used."""
        ...

    def benign_responses(self) -> Sequence[str]:
        """Harmless answers to calibrate answer-side policies on."""
        ...


class PolicySynthesisModule(Protocol):
    """Writes policies. Blocking; called by one thread at a time."""

    @property
    def name(self) -> str:
        """The synthesiser's name, as provenance records it."""
        ...

    def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
        """Propose policies (status `proposed`, not yet gated) that would have stopped `breach` and its like.

        A policy that replaces others names them in `provenance.supersedes`.
        Raises `ModelError` when a language model it needs fails; the step is then retried.
        """
        ...


class PolicyGate(Protocol):
    """Decides whether a proposed policy may act."""

    def examine(self, policy: Policy, breach: Breach | None, knowledge: Knowledge) -> GateReport:
        """Examine one policy. `breach` is None for a policy that a person wrote or imported."""
        ...
