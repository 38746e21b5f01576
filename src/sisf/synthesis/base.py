"""From one breach to new, general policies; and the proof that they are harmless to honest users."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Protocol, runtime_checkable

from sisf.exchange import Exchange, Sender
from sisf.policy import Condition, GateReport, Policy, Probe, Prototypes
from sisf.verdict import Breach

_PORTION = 250


@dataclass(frozen=True, slots=True)
class Reference:
    """Benign texts to calibrate on, which never change while a process runs. Never a test set."""

    prompts: Sequence[str] = field(default=())
    responses: Sequence[str] = field(default=())


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

    def familiar(self, sender: Sender, instruction: str) -> bool:
        """Whether the system says this in harmless exchanges of other senders of the tenant, too: the application says
        it, not the sender."""
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


@runtime_checkable
class Preparable(Protocol):
    """A synthesiser or a gate that reads and embeds what ships once, which it can do before the first breach."""

    def prepare(self, knowledge: Knowledge, stopping: Callable[[], bool] = lambda: False) -> None:
        """Do now what the first call would wait for: seconds. Returns early once `stopping` says so; what was done
        stays done. Called by one thread at a time, and never beside another call."""
        ...


class Reading(Enum):
    """What a synthesiser makes of a request for itself."""

    HARM = auto()
    UNCLEAR = auto()
    HONEST = auto()
    """A short request such as many people make."""


@runtime_checkable
class Reads(Protocol):
    """A synthesiser that reads for itself whether what was asked is harmful."""

    def reading(self, breach: Breach, knowledge: Knowledge) -> Reading:
        """What it reads in a breach that `knowledge` holds."""
        ...


def portions(texts: Sequence[str], stopping: Callable[[], bool]) -> Iterator[Sequence[str]]:
    """The texts, some at a time, until `stopping` says so."""
    for start in range(0, len(texts), _PORTION):
        if stopping():
            return
        yield texts[start : start + _PORTION]


class PolicyGate(Protocol):
    """Decides whether a proposed policy may act."""

    def examine(self, policy: Policy, breach: Breach | None, knowledge: Knowledge) -> GateReport:
        """Examine one policy. `breach` is None for a policy that a person wrote or imported."""
        ...

    def redundant(
        self,
        candidates: Sequence[Policy],
        active: Sequence[Policy],
        knowledge: Knowledge,
        stopped: Mapping[str, Sequence[Exchange]],
    ) -> Mapping[str, tuple[str, ...]]:
        """Ids of candidates that others of `active` can replace, with those others: these catch all breaches that it
        catches, and what it stopped of late (`stopped`: exchanges by policy)."""
        ...


NARROW_COSINE: Final = 0.85
"""Prototypes that match only from this cosine on recognise little but rewordings of their examples."""


def is_broad(condition: Condition) -> bool:
    """Whether it may reach far beyond what it was learned from: probes, and prototypes that match from afar.

    A broad policy needs the evidence of many benign texts and, where principals are known, of several of them.
    """
    if isinstance(condition, Prototypes):
        return condition.threshold < NARROW_COSINE
    return isinstance(condition, Probe)
