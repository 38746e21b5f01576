"""What people decide beside the policies: where enforcement is suspended, their words on exchanges, their notes."""

import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from sisf.errors import StoreError, quoted
from sisf.store import audit, schema
from sisf.store.codec import plain
from sisf.store.database import Database
from sisf.store.records import FeedbackKind, Note, NoteKind, Said, Scope, Suspension, Word, person_sender

LONGEST = timedelta(days=7)
"""For so long enforcement can be suspended at most: what shall stay so belongs into the settings."""
_suspension, _word, _note = schema.suspension, schema.word, schema.note
_EVIDENCE = {Said.MISTAKE: FeedbackKind.FALSE_POSITIVE, Said.RIGHT: FeedbackKind.CONFIRMATION}


class OversightTable:
    """What people decide beside the policies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def suspend(self, scope: Scope, subject: str, lasts: timedelta, *, actor: str, reason: str) -> Suspension:
        """Suspend enforcement from now on; audited. Raises `StoreError` for a time that is not within `LONGEST`, and
        for a policy that is not there."""
        if not timedelta(0) < lasts <= LONGEST:
            minutes = f"{lasts.total_seconds() / 60:g} minutes"
            raise StoreError(f"enforcement can be suspended for up to {LONGEST.days} days, not for {minutes}")
        if bool(subject) is (scope is Scope.ALL):
            raise StoreError("name the tenant or the policy whose enforcement is to be suspended, and nobody for `all`")

        def work(connection: Connection) -> Suspension:
            self._database.lock_chain(connection)
            known = select(schema.policy.c.id).where(schema.policy.c.id == subject)
            if scope is Scope.POLICY and connection.execute(known).first() is None:
                raise StoreError(f"there is no policy {quoted(subject)}; `sisf policy list` names those there are")
            now = datetime.now(UTC)
            made = Suspension(uuid.uuid4().hex[:12], scope, plain(subject), now, now + lasts, plain(actor), reason)
            row = {
                "id": made.id,
                "scope": scope.value,
                "subject": made.subject,
                "started": now.timestamp(),
                "until": made.until.timestamp(),
                "actor": made.actor,
                "reason": plain(reason),
            }
            connection.execute(insert(_suspension), [row])
            detail = {"scope": scope.value, "until": made.until.isoformat(), "reason": reason, "id": made.id}
            self._audit(connection, actor, "enforcement.suspend", made.subject or "all", detail)
            return made

        return self._database.writer.run(work)

    def resume(self, suspension_id: str | None, *, actor: str) -> int:
        """End one suspension, or all of them (None), now; audited. Returns how many ended."""

        def work(connection: Connection) -> int:
            self._database.lock_chain(connection)
            now = time.time()
            wanted = _suspension.c.until > now
            if suspension_id is not None:
                wanted &= _suspension.c.id == suspension_id
            rows = connection.execute(select(_suspension).where(wanted)).all()
            if suspension_id is not None and not rows:
                raise StoreError(f"there is no suspension {quoted(suspension_id)} that lasts")
            connection.execute(update(_suspension).where(wanted).values(until=now))
            for row in rows:
                detail = {"scope": row.scope, "id": row.id}
                self._audit(connection, actor, "enforcement.resume", row.subject or "all", detail)
            return len(rows)

        return self._database.writer.run(work)

    def suspensions(self) -> Sequence[Suspension]:
        """Those that last, the newest first."""
        query = select(_suspension).where(_suspension.c.until > time.time()).order_by(_suspension.c.started.desc())
        with self._database.read() as connection:
            return [_read_suspension(row) for row in connection.execute(query)]

    def say(self, exchange_id: str, said: Said, *, actor: str, revision: int) -> Word:
        """Keep a person's word on a stopped exchange. Raises `StoreError` when another word stands: it is taken back
        first."""

        def work(connection: Connection) -> Word:
            stands = connection.execute(select(_word).where(_word.c.exchange_id == exchange_id)).first()
            if stands is not None:
                raise StoreError(f"{stands.actor} said of this exchange: {stands.said}; take that back first")
            made = Word(exchange_id, said, plain(actor), datetime.now(UTC), revision)
            row = {
                "exchange_id": exchange_id,
                "said": said.value,
                "actor": made.actor,
                "time": made.time.timestamp(),
                "revision": revision,
            }
            connection.execute(insert(_word), [row])
            return made

        return self._database.writer.run(work)

    def word(self, exchange_id: str) -> Word | None:
        """The word that stands, if one does."""
        with self._database.read() as connection:
            row = connection.execute(select(_word).where(_word.c.exchange_id == exchange_id)).first()
        return None if row is None else _read_word(row)

    def take_back(self, exchange_id: str, *, actor: str) -> Word:
        """Withdraw the word that stands, with the evidence and the benign case that followed from it; audited.

        Raises `StoreError` when there is none.
        """

        def work(connection: Connection) -> Word:
            self._database.lock_chain(connection)
            row = connection.execute(select(_word).where(_word.c.exchange_id == exchange_id)).first()
            if row is None:
                raise StoreError(
                    f"nobody's word stands on exchange {quoted(exchange_id)}, so there is nothing to take back"
                )
            word, evidence, case = _read_word(row), schema.evidence, schema.benign_case
            connection.execute(delete(_word).where(_word.c.exchange_id == exchange_id))
            kind = _EVIDENCE[word.said].value
            sender = person_sender(word.actor)
            by_them = (evidence.c.tenant == sender.tenant, evidence.c.principal == sender.principal)
            said = (evidence.c.exchange_id == exchange_id, evidence.c.kind == kind)
            connection.execute(delete(evidence).where(*said, *by_them))
            if word.said is Said.MISTAKE:
                connection.execute(delete(case).where(case.c.exchange_id == exchange_id))
            self._audit(connection, actor, "feedback.withdrawn", exchange_id, {"said": word.said.value})
            return word

        return self._database.writer.run(work)

    def note(self, subject: str, kind: NoteKind, text: str = "", *, actor: str) -> Note:
        """Write a note on an exchange or a policy; audited."""

        def work(connection: Connection) -> Note:
            made = Note(subject, kind, plain(actor), datetime.now(UTC), plain(text))
            row = {
                "subject": subject,
                "kind": kind.value,
                "actor": made.actor,
                "time": made.time.timestamp(),
                "text": made.text,
            }
            connection.execute(insert(_note), [row])
            self._audit(connection, actor, f"note.{kind.value}", subject, {"text": made.text[:200]})
            return made

        return self._database.writer.run(work)

    def notes(self, subjects: Sequence[str]) -> Mapping[str, Sequence[Note]]:
        """The notes on each of these, oldest first."""
        found: dict[str, list[Note]] = {subject: [] for subject in subjects}
        query = select(_note).where(_note.c.subject.in_(subjects)).order_by(_note.c.seq)
        with self._database.read() as connection:
            for row in connection.execute(query):
                found[row.subject].append(_read_note(row))
        return found

    def questions(self) -> Sequence[Note]:
        """All questions that nobody answered yet, newest first."""
        last = select(func.max(_note.c.seq)).group_by(_note.c.subject)
        query = select(_note).where(_note.c.kind == NoteKind.QUESTION.value, _note.c.seq.in_(last))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_note.c.seq.desc())).all()
        return [_read_note(row) for row in rows]

    def _audit(self, connection: Connection, actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
        audit.write(self._database, connection, [audit.Entry(actor, action, subject, 0, detail)])


def _read_suspension(row: Row[Any]) -> Suspension:
    started, until = (datetime.fromtimestamp(moment, UTC) for moment in (row.started, row.until))
    return Suspension(row.id, Scope(row.scope), row.subject, started, until, row.actor, row.reason)


def _read_note(row: Row[Any]) -> Note:
    return Note(row.subject, NoteKind(row.kind), row.actor, datetime.fromtimestamp(row.time, UTC), row.text)


def _read_word(row: Row[Any]) -> Word:
    return Word(row.exchange_id, Said(row.said), row.actor, datetime.fromtimestamp(row.time, UTC), row.revision)
