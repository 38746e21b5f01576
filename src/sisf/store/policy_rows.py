"""Policies as rows and back. Decoded policies and conditions are cached: their keys are their content."""

import contextlib
import dataclasses
import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, func, select, update

from sisf.errors import StoreError
from sisf.policy import Evidence, Policy, Snapshot, Status
from sisf.policy.codec import condition_from_dict, from_dict, to_dict, validate
from sisf.policy.model import Condition
from sisf.store import schema
from sisf.store.codec import dumps, plain
from sisf.store.database import Database
from sisf.store.records import ExchangeRecord

_policy, _version, _evidence = schema.policy, schema.policy_version, schema.evidence
_IN_FORCE = (Status.ACTIVE.value, Status.SHADOW.value)
_CACHED = 32_768
_AT_ONCE = 5_000
SEALED: Final = "sealed_examples"
"""Where a stored condition keeps its examples when they are sealed."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A policy as rows: its condition apart, because conditions are large and seldom change."""

    policy: Policy
    fields: Mapping[str, Any]
    """Everything but the condition and the evidence, as plain data."""
    hash: str
    condition: str


def encode(database: Database, policy: Policy) -> Encoded:
    """Prepare a policy for writing, with the examples that may be kept. Raises `PolicyError` when it is malformed."""
    validate(policy, f"policy {policy.id}")
    policy = database.privacy.reduce_policy(policy)
    fields = to_dict(policy)
    condition = dumps(fields.pop("condition"))
    fields.pop("evidence")
    # Through JSON, so that what is written now compares equal with what was read (tuples become lists).
    fields = json.loads(dumps(fields))
    return Encoded(policy, fields, hashlib.sha256(condition.encode("ascii")).hexdigest(), condition)


def stamp(item: Encoded, before: Row[Any] | None, number: int) -> Encoded:
    """The policy as it enters revision `number`."""
    now = datetime.now(UTC)
    changed = before is None or before.status != item.policy.status.value
    policy = dataclasses.replace(item.policy, updated=now, revision=number if changed else item.policy.revision)
    fields = {**item.fields, "updated": now.isoformat(), "revision": policy.revision}
    if before is not None:
        fields["created"] = json.loads(before.body)["created"]
    return dataclasses.replace(item, policy=policy, fields=fields)


def differs(item: Encoded, before: Row[Any] | None) -> bool:
    """Whether writing the policy would alter anything but times."""
    if before is None:
        return True
    known = json.loads(before.body)
    names = item.fields.keys() - {"created", "updated", "revision"}
    return before.condition != item.hash or any(item.fields[name] != known.get(name) for name in names)


def columns(item: Encoded, *, origin: str) -> dict[str, Any]:
    """One row of the policy table. `origin` is the exchange whose plan stage proposed the policy."""
    return {
        "id": item.policy.id,
        "status": item.policy.status.value,
        "origin": origin,
        "body": dumps(item.fields),
        "condition": item.hash,
        "hazard": item.policy.hazard.value,
    }


def write_conditions(database: Database, connection: Connection, items: Sequence[Encoded]) -> None:
    """Write the conditions that are not there yet."""
    conditions = {item.hash: item.condition for item in items}
    rows = [{"hash": key, "body": _sealed(database, key, body)} for key, body in conditions.items()]
    connection.execute(database.insert_new(schema.condition), rows)


def _sealed(database: Database, key: str, body: str) -> str:
    """The condition with its examples sealed; all else stays readable: without the key a policy still enforces."""
    if not database.privacy.keys or '"examples":[]' in body:
        return body
    condition = json.loads(body)
    examples = condition.get("examples")
    if not examples:
        return body
    return dumps({**condition, "examples": [], SEALED: database.vault.seal_text(dumps(examples), key)})


def _opened(database: Database, key: str, body: str) -> Condition:
    condition = json.loads(body)
    sealed = condition.pop(SEALED, None)
    if sealed is not None:
        with contextlib.suppress(StoreError):  # without the key: no examples
            condition["examples"] = json.loads(database.vault.open_text(sealed, key))
    return condition_from_dict(condition, f"stored condition {key[:12]}")


def link_breaches(database: Database, connection: Connection, items: Sequence[Encoded]) -> None:
    """Write which exchanges these policies were learned from, to be found by."""
    links = [
        {"exchange_id": plain(exchange_id), "policy_id": item.policy.id}
        for item in items
        for exchange_id in dict.fromkeys(item.policy.provenance.breach_ids)
    ]
    if links:
        connection.execute(database.insert_new(schema.policy_breach), links)


def stored(connection: Connection, policy_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """The present rows of these policies, by id."""
    found = [connection.execute(select(_policy).where(_policy.c.id.in_(some))).all() for some in _few(policy_ids)]
    return {row.id: row for rows in found for row in rows}


def latest_number(connection: Connection) -> int:
    """The latest revision; 0 before the first."""
    return connection.execute(select(func.max(schema.revision.c.number))).scalar() or 0


def read_snapshot(
    database: Database, connection: Connection, revision: int, latest: int, known: Snapshot | None = None
) -> Snapshot:
    """The policy set at a revision; `known` is the one at `latest`, if it was read before. Raises `StoreError` for an
    unknown revision."""
    if not 0 <= revision <= latest:
        raise StoreError(f"there is no revision {revision}; the latest is {latest}")
    if known is None or known.revision != latest:
        query = select(_policy).where(_policy.c.status.in_(_IN_FORCE)).order_by(_policy.c.seq)
        known = Snapshot(latest, tuple(read(database, connection, query)))
    return known if revision == latest else _before(database, connection, revision, known)


def _before(database: Database, connection: Connection, revision: int, known: Snapshot) -> Snapshot:
    """The policy set at an earlier revision: what changed since then is read, and no more."""
    since = select(_version.c.policy_id).where(_version.c.revision > revision).distinct()
    changed = set(connection.execute(since).scalars())
    newest = (
        select(_version.c.policy_id, func.max(_version.c.revision).label("revision"))
        .where(_version.c.revision <= revision, _version.c.policy_id.in_(since))
        .group_by(_version.c.policy_id)
        .subquery()
    )
    same = and_(newest.c.policy_id == _version.c.policy_id, newest.c.revision == _version.c.revision)
    query = (
        select(_policy.c.id, _policy.c.hits, _version.c.body, _version.c.condition)
        .select_from(_version)
        .join(newest, same)
        .join(_policy, _policy.c.id == _version.c.policy_id)
        .where(_version.c.status.in_(_IN_FORCE))
    )
    found = {policy.id: policy for policy in known.policies if policy.id not in changed}
    found |= {policy.id: policy for policy in read(database, connection, query)}
    order = connection.execute(select(_policy.c.id).order_by(_policy.c.seq)).scalars()
    return Snapshot(revision, tuple(found[policy_id] for policy_id in order if policy_id in found))


def read(database: Database, connection: Connection, query: Any) -> list[Policy]:
    """The policies of a query that yields `id`, `hits`, `body` and `condition`."""
    rows = connection.execute(query).all()
    conditions = _conditions(database, connection, {row.condition for row in rows})
    evidence = _counts(connection, [row.id for row in rows])
    policies = []
    for row in rows:
        policy = _decode(row.body, row.condition, conditions[row.condition])
        confirmations, false_positives = evidence.get(row.id, (0, 0))
        if row.hits or confirmations or false_positives:
            policy = dataclasses.replace(policy, evidence=Evidence(confirmations, false_positives, row.hits))
        policies.append(policy)
    return policies


class _Cache(dict[Any, Any]):
    """A bounded cache whose keys are content, so that an entry can never be stale. Emptied when full."""

    def keep(self, key: Any, value: Any) -> None:
        """Add an entry."""
        if len(self) >= _CACHED:
            self.clear()
        self[key] = value


_decoded: Final = _Cache()
_known: Final = _Cache()


def forget() -> None:
    """Drop what is cached: texts were deleted."""
    _decoded.clear()
    _known.clear()


def _decode(body: str, key: str, condition: Condition) -> Policy:
    policy: Policy | None = _decoded.get((body, key))
    if policy is None:
        fields = json.loads(body)
        policy = from_dict(fields, f"stored policy {fields.get('id')}", condition=condition)
        _decoded.keep((body, key), policy)
    return policy


def _conditions(database: Database, connection: Connection, hashes: Iterable[str]) -> dict[str, Condition]:
    found: dict[str, Condition] = {}
    missing = []
    for key in hashes:
        condition = _known.get(key)
        if condition is None:
            missing.append(key)
        else:
            found[key] = condition
    for some in _few(missing):
        query = select(schema.condition).where(schema.condition.c.hash.in_(some))
        for row in connection.execute(query):
            found[row.hash] = _opened(database, row.hash, row.body)
            _known.keep(row.hash, found[row.hash])
    return found


def _few(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many values at once as every database takes in one statement."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def _counts(connection: Connection, policy_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    kind, policy_id = _evidence.c.kind, _evidence.c.policy_id
    counts: dict[str, dict[str, int]] = {}
    for some in _few(policy_ids):
        query = select(policy_id, kind, func.count()).where(policy_id.in_(some)).group_by(policy_id, kind)
        for found, name, count in connection.execute(query):
            counts.setdefault(found, {})[name] = count
    return {found: (c.get("confirmation", 0), c.get("false_positive", 0)) for found, c in counts.items()}


def count_hits(connection: Connection, records: Iterable[ExchangeRecord]) -> None:
    """Count for each policy the exchanges that it matched, and note when it last did."""
    hits = Counter(
        policy_id
        for record in records
        for policy_id in {match.policy_id for decision in record.decisions for match in decision.matches}
    )
    for policy_id, count in sorted(hits.items()):
        values = {"hits": _policy.c.hits + count, "last_hit": time.time()}
        connection.execute(update(_policy).where(_policy.c.id == policy_id).values(**values))
