"""What a store keeps, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Any

from sisf.exchange import PROBE, Exchange, Fate, Sender
from sisf.policy import Decision, Direction
from sisf.verdict import Outcome, Verdict


class Stage(StrEnum):
    """What the loop does next with an exchange. Monitor is the write that creates the job."""

    ANALYZE = "analyze"
    PLAN = "plan"
    EXECUTE = "execute"


class Urgency(Enum):
    """How much sooner than others an exchange is worked on."""

    ORDINARY = auto()
    SUSPECT = auto()
    """A policy matched it, though it was let through: ahead of ordinary ones that came up to a minute earlier."""
    BREACH = auto()
    """Judged to be a breach already: ahead of what came up to ten minutes earlier."""


@dataclass(frozen=True, slots=True)
class Job:
    """One exchange on its way through the loop. Leased by one worker at a time."""

    exchange_id: str
    stage: Stage
    attempts: int
    """How often this stage was started, this time included."""
    lease: str
    """Token that proves the lease; a later lease of the same job makes it worthless."""
    seconds: float = 60.0
    """How long the lease lasts from when it was taken, renewed or carried to the next stage."""


@dataclass(frozen=True, slots=True)
class ExchangeRecord:
    """An exchange with what the Warden decided and what became of it."""

    exchange: Exchange
    decisions: tuple[Decision, ...] = ()
    fate: Fate = Fate.RELEASED
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """One verdict on an exchange, as it was spoken."""

    verdict: Verdict
    actor: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Label:
    """A person's latest word on an exchange, and what the judge had said."""

    exchange_id: str
    outcome: Outcome
    judged: Verdict | None = None
    """The judge's latest verdict; None when a person was first."""


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One step of the policy set: who made it, when and why."""

    number: int
    time: datetime
    actor: str
    reason: str
    breach_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BundleMark:
    """Which bundle a change was taken from."""

    origin: str
    serial: int
    """Rises with every bundle of one origin."""
    digest: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One link of the append-only, hash-chained audit log."""

    sequence: int
    time: datetime
    actor: str
    action: str
    subject: str
    revision: int
    detail: Mapping[str, Any]
    hash: str
    """SHA-256 over the previous hash and this row's canonical JSON, hex."""


def person_sender(actor: str) -> Sender:
    """Under whom a person's words (`person:NAME`) are counted: persons are of no tenant."""
    return Sender("", actor)


def probe_sender() -> Sender:
    """Under whom every word of the probing agent is counted, whatever its keys and tenants: it is one."""
    return Sender("", PROBE)


@dataclass(frozen=True, slots=True)
class Conduct:
    """What the judge said of one sender's exchanges."""

    safe: int
    breaches: int


@dataclass(frozen=True, slots=True)
class Mistake:
    """A competent word that a policy stopped an exchange by mistake."""

    policy_id: str
    sender: Sender
    """As that of `Feedback`."""


class FeedbackKind(StrEnum):
    """What speaks for a policy, and what against it."""

    CONFIRMATION = "confirmation"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One sender's word on one policy."""

    policy_id: str
    kind: FeedbackKind
    sender: Sender
    """Whose exchange it is about, or the person that speaks (`person_sender`)."""
    exchange_id: str
    actor: str
    """Who says so: `person:NAME`, `adjudicator`."""
    text: str = ""
    """Of a false positive: the text that was stopped. It becomes a benign case for ever."""
    direction: Direction = Direction.PROMPT


@dataclass(frozen=True, slots=True)
class BenignCase:
    """A text that a person reported as stopped by mistake."""

    exchange_id: str
    policy_id: str
    direction: Direction
    text: str
    actor: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Node:
    """A gateway or worker that shares the store."""

    name: str
    role: str
    """`serve` or `worker`."""
    address: str
    """Where it listens; empty for a worker."""
    revision: int
    """The revision it enforces."""
    started: datetime
    seen: datetime


class Scope(StrEnum):
    """Whose enforcement is suspended."""

    ALL = "all"
    TENANT = "tenant"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Suspension:
    """Enforcement suspended by a person: what would be stopped is recorded and counted, and passes."""

    id: str
    scope: Scope
    subject: str
    """The tenant's name or the policy's id; empty for all."""
    started: datetime
    until: datetime
    """When enforcement resumes by itself."""
    actor: str
    reason: str


class Said(StrEnum):
    """What a person can say of a stopped exchange."""

    MISTAKE = "mistake"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Word:
    """A person's word on a stopped exchange, as it stands now."""

    exchange_id: str
    said: Said
    actor: str
    time: datetime
    revision: int = 0
    """The revision that it made; 0 when it changed no policy."""


class NoteKind(StrEnum):
    """What a reviewer's note is."""

    COMMENT = "comment"
    ASSIGNED = "assigned"
    APPROVED = "approved"
    QUESTION = "question"
    """Asks for a person's decision; any later note on the same subject answers it."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a reviewer wrote on an exchange or a policy."""

    subject: str
    kind: NoteKind
    actor: str
    time: datetime
    text: str = ""
    """The comment, or who takes the case."""
