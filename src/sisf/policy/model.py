"""Policies are data: a kind, a condition in one of four closed forms, and where they came from. Never code."""

import random
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from sisf.policy.evidence import Evidence, GateReport, Provenance
from sisf.taxonomy import Hazard, Technique


class PolicyKind(StrEnum):
    """How a policy recognises a text."""

    HEURISTIC = "heuristic"
    SEMANTIC = "semantic"
    REWRITE = "rewrite"


class Action(StrEnum):
    """What happens to a text. `allow` is never a policy's action, only a decision's."""

    ALLOW = "allow"
    FLAG = "flag"
    REWRITE = "rewrite"
    BLOCK = "block"

    @property
    def precedence(self) -> int:
        """Higher wins: block over rewrite over flag over allow."""
        return _PRECEDENCE[self]


_PRECEDENCE = {Action.ALLOW: 0, Action.FLAG: 1, Action.REWRITE: 2, Action.BLOCK: 3}


class Direction(StrEnum):
    """Which texts a policy is applied to."""

    PROMPT = "prompt"
    RESPONSE = "response"
    BOTH = "both"

    def covers(self, other: "Direction") -> bool:
        """Whether a policy of this direction is applied to a text of direction `other` (prompt or response)."""
        return self is Direction.BOTH or self is other


class Status(StrEnum):
    """`proposed → shadow → active → retired`, or `rejected`. Shadow is evaluated and logged, never enforced."""

    PROPOSED = "proposed"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A linear-time (RE2) pattern, searched in every canonical view of a text."""

    pattern: str
    exceptions: tuple[str, ...] = ()
    """Patterns of texts that a person reported as false positives: where one matches, this policy does not."""


@dataclass(frozen=True, slots=True)
class Prototypes:
    """Reference embeddings: a text matches when its cosine to one of them reaches the threshold."""

    embedder: str
    dimensions: int
    vectors: bytes
    """Row-major little-endian float32, `n × dimensions`, L2-normalised."""
    threshold: float
    examples: tuple[str, ...] = ()
    """The texts behind the vectors, where they may be kept: needed to move to another embedder."""
    exceptions: tuple[str, ...] = ()
    """As those of `Pattern`: whole texts that a person reported."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A learned linear probe: `embedding · weights + lexical features · ngrams + bias ≥ threshold`.

    With more weights than the embedding has dimensions, the further ones weigh how near a text is to landmarks
    (`sisf.embedding.landmarks`). `features` names these and the lexical features (`sisf.text.ngrams`). At most 64 kB
    serialised.
    """

    embedder: str
    dimensions: int
    weights: bytes
    """Little-endian float32, `dimensions` numbers."""
    ngrams: Mapping[str, float]
    bias: float
    threshold: float
    features: str = "words-1-2-order/2"
    examples: tuple[str, ...] = ()
    """A few nearest breaches, where they may be kept: part of the explanation."""
    exceptions: tuple[str, ...] = ()
    """As those of `Pattern`. The probe that replaces this one learns from these texts and needs no exception."""


@dataclass(frozen=True, slots=True)
class Substitution:
    """Linear-time search and replace. `replacement` may name groups as `\\1`."""

    pattern: str
    replacement: str


Condition = Pattern | Prototypes | Probe | Substitution


_ids: ContextVar[random.Random | None] = ContextVar("policy_ids", default=None)


def new_id() -> str:
    """The id of a new policy: random, or drawn from what `drawing_ids` named."""
    drawn = _ids.get()
    return f"{drawn.getrandbits(48):012x}" if drawn is not None else uuid.uuid4().hex[:12]


@contextmanager
def drawing_ids(source: random.Random) -> Iterator[None]:
    """Inside, ids of policies made in this context come from `source`: the same experiment gives the same ids."""
    token = _ids.set(source)
    try:
        yield
    finally:
        _ids.reset(token)


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule of the Adaptive Policy Store. Immutable: a change is a new value under the same id."""

    condition: Condition
    action: Action
    direction: Direction
    description: str
    """One sentence in plain words, shown to people; never an instruction to a machine."""
    hazard: Hazard = Hazard.OTHER
    technique: Technique = Technique.OTHER
    id: str = field(default_factory=new_id)
    status: Status = Status.PROPOSED
    provenance: Provenance = field(default_factory=Provenance)
    evidence: Evidence = field(default_factory=Evidence)
    gate_report: GateReport | None = None
    tenant: str = ""
    """The tenant whose traffic it applies to; empty for all."""
    revision: int = 0
    """The revision at which its status last changed; 0 before it is stored."""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime = field(default_factory=lambda: datetime.now(UTC))

    def concerns(self, direction: Direction, tenant: str) -> bool:
        """Whether it is applied to texts of `direction` (prompt or response) of a tenant."""
        return self.direction.covers(direction) and self.tenant in ("", tenant)

    @property
    def kind(self) -> PolicyKind:
        """Follows from the condition."""
        match self.condition:
            case Pattern():
                return PolicyKind.HEURISTIC
            case Substitution():
                return PolicyKind.REWRITE
            case _:
                return PolicyKind.SEMANTIC
