"""Deletion that really deletes: exchanges, verdicts, work, evidence, and the examples in what was learned from them."""

import hashlib
import json
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from sisf.store import audit, policy_rows, schema, search
from sisf.store.codec import dumps
from sisf.store.database import Database

BATCH = 500
"""Exchanges deleted in one transaction: deletion must not hold up what is being served."""


def delete_exchanges(database: Database, connection: Connection, where: Any, *, actor: str, reason: str) -> int:
    """Delete up to `BATCH` exchanges that fulfil `where`, with all that holds their texts. Returns how many."""
    table = schema.exchange
    rows = connection.execute(select(table.c.id, table.c.seq).where(where).order_by(table.c.seq).limit(BATCH)).all()
    if not rows:
        return 0
    found, numbers = [row.id for row in rows], [row.seq for row in rows]
    search.remove(connection, numbers)
    connection.execute(delete(schema.exchange_policy).where(schema.exchange_policy.c.seq.in_(numbers)))
    for related in (schema.verdict, schema.breach, schema.job, schema.evidence, schema.word):
        connection.execute(delete(related).where(related.c.exchange_id.in_(found)))
    connection.execute(delete(schema.note).where(schema.note.c.subject.in_(found)))
    connection.execute(delete(table).where(table.c.id.in_(found)))
    stripped = _strip_examples(connection, set(found))
    connection.execute(delete(schema.policy_breach).where(schema.policy_breach.c.exchange_id.in_(found)))
    entry = audit.Entry(
        actor, "exchange.delete", f"{len(found)} exchanges", 0, {"reason": reason, "policies": stripped}
    )
    audit.write(database, connection, [entry])
    return len(found)


def _strip_examples(connection: Connection, deleted: set[str]) -> list[str]:
    """Take the examples out of every version of the policies that were learned from these exchanges."""
    affected: set[str] = set()
    gone: set[str] = set()
    renamed: dict[str, str] = {}
    for table in (schema.policy, schema.policy_version):
        for row in _learned(connection, table, deleted):
            affected.add(row.key)
            replacement = renamed.get(row.condition) or _without_examples(connection, row.condition)
            if replacement is not None and replacement != row.condition:
                renamed[row.condition] = replacement
                gone.add(row.condition)
    for table in (schema.policy, schema.policy_version):
        for old, new in renamed.items():
            connection.execute(update(table).where(table.c.condition == old).values(condition=new))
    if gone:
        connection.execute(delete(schema.condition).where(schema.condition.c.hash.in_(gone)))
        policy_rows.forget()
    return sorted(affected)


def _learned(connection: Connection, table: Table, deleted: set[str]) -> list[Any]:
    key, link = table.c["id" if table is schema.policy else "policy_id"], schema.policy_breach
    policies = select(link.c.policy_id).where(link.c.exchange_id.in_(deleted))  # in one of their versions
    rows = connection.execute(select(key.label("key"), table.c.condition, table.c.body).where(key.in_(policies))).all()
    return [row for row in rows if deleted & set(json.loads(row.body)["provenance"]["breach_ids"])]


def _without_examples(connection: Connection, key: str) -> str | None:
    body = connection.execute(select(schema.condition.c.body).where(schema.condition.c.hash == key)).scalar()
    if body is None:
        return None
    condition = json.loads(body)
    if not condition.get("examples") and condition.pop(policy_rows.SEALED, None) is None:
        return key
    stripped = dumps({**condition, "examples": []})
    name = hashlib.sha256(stripped.encode("ascii")).hexdigest()
    if connection.execute(select(schema.condition.c.hash).where(schema.condition.c.hash == name)).first() is None:
        connection.execute(schema.condition.insert(), {"hash": name, "body": stripped})
    return name
