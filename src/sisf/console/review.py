"""The review queue: what waits for a person, grouped by its cause."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sisf.errors import StoreError
from sisf.policy import Policy, Status
from sisf.store import Store
from sisf.store.records import ExchangeRecord, Job, Note, NoteKind
from sisf.verdict import Outcome

PAGE = 25
_MOST = 1_000


@dataclass(slots=True)
class Case:
    """One exchange, and all that waits because of it."""

    id: str
    record: ExchangeRecord | None = None
    """None when it was deleted meanwhile."""
    proposals: list[Policy] = field(default_factory=list)
    """Written for it, the most telling first: what was learned from the most breaches."""
    given_up: tuple[Job, str] | None = None
    question: Note | None = None
    """What the loop asks a person about this exchange or policy."""
    policy: Policy | None = None
    """The policy that is questioned, when it is one."""
    notes: Sequence[Note] = ()

    @property
    def undecided(self) -> bool:
        """Whether a verdict is asked of a person."""
        verdict = self.record.verdict if self.record is not None else None
        return verdict is not None and verdict.outcome is Outcome.UNDECIDED

    @property
    def assigned(self) -> str:
        """Who took it, if somebody did."""
        taken = [note.text for note in self.notes if note.kind is NoteKind.ASSIGNED]
        return taken[-1] if taken else ""


def cases(store: Store) -> list[Case]:
    """All cases, without their texts; those with proposals first, the newest of each first."""
    found: dict[str, Case] = {}
    for policy in store.policies.list(Status.PROPOSED):
        # Learned from many breaches, it was written when the last of them came.
        cause = policy.provenance.breach_ids[-1] if policy.provenance.breach_ids else policy.id
        found.setdefault(cause, Case(cause)).proposals.append(policy)
    for job, error in store.jobs.dead():
        found.setdefault(job.exchange_id, Case(job.exchange_id)).given_up = (job, error)
    for note in store.oversight.questions():
        found.setdefault(note.subject, Case(note.subject)).question = note
    for record in store.exchanges.recent(_MOST, outcome=Outcome.UNDECIDED):
        found.setdefault(record.exchange.id, Case(record.exchange.id)).record = record
    for case in found.values():
        case.proposals.sort(key=lambda policy: (-len(policy.provenance.breach_ids), policy.created))
    return sorted(
        found.values(),
        key=lambda case: (not case.proposals, case.question is None, case.given_up is None, _backwards(case.id)),
    )


def with_texts(store: Store, shown: Sequence[Case]) -> Sequence[Case]:
    """The cases of one page, with what was said and what reviewers wrote."""
    notes: Mapping[str, Sequence[Note]] = store.oversight.notes([case.id for case in shown])
    for case in shown:
        case.notes = notes[case.id]
        if case.record is None:
            try:
                case.record = store.exchanges.get(case.id)
            except StoreError:
                with contextlib.suppress(StoreError):
                    case.policy = store.policies.get(case.id)
    return shown


def _backwards(identity: str) -> list[int]:
    """Ids begin with the time: later ones first."""
    return [-ord(character) for character in identity]
