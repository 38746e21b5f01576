"""The tables. Migrations create them; a test holds both to the same schema."""

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from sisf.verdict import PERSON

metadata = MetaData()
_Serial = BigInteger().with_variant(Integer, "sqlite")
BY_PERSON = text(f"actor LIKE '{PERSON}%'")
"""Which verdicts a person spoke: the words of an index, which a query must repeat to be answered by it."""


def is_person(actor: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a column names a person, for queries that need no index."""
    return actor.startswith(PERSON, autoescape=True)


revision = Table(
    "revision",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("breach_ids", Text, nullable=False),
)

# Conditions are kept once, by the hash of their JSON: a change of status does not copy a 64 kB probe.
condition = Table(
    "condition",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

policy = Table(
    "policy",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("status", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("condition", Text, nullable=False),
    Column("hazard", Text, nullable=False, server_default="other"),
    Column("hits", BigInteger, nullable=False, server_default="0"),
    Column("last_hit", Float),
    Index("policy_hazard", "status", "hazard", "seq"),
    Index("policy_origin", "origin"),
)

policy_version = Table(
    "policy_version",
    metadata,
    Column("policy_id", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("condition", Text, nullable=False),
    PrimaryKeyConstraint("policy_id", "revision"),
    Index("policy_version_revision", "revision"),
)

# Which exchanges a policy, in any of its versions, was learned from.
policy_breach = Table(
    "policy_breach",
    metadata,
    Column("exchange_id", Text, nullable=False),
    Column("policy_id", Text, nullable=False),
    PrimaryKeyConstraint("exchange_id", "policy_id"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("policy_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("exchange_id", Text, nullable=False),
    Column("time", Float, nullable=False),
    PrimaryKeyConstraint("policy_id", "kind", "tenant", "principal"),
)

exchange = Table(
    "exchange",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("time", Float, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("decisions", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("verdict", Text),
    Column("verdict_body", Text),
    Column("hazard", Text),
    Index("exchange_verdict", "verdict", "seq"),
    Index("exchange_principal", "principal", "seq"),
    Index("exchange_outcome", "outcome", "seq"),
    Index("exchange_hazard", "hazard", "seq"),
    Index("exchange_time", "time"),
    Index("exchange_tenant", "tenant", "seq"),
)

# Which policies matched an exchange, also as shadows. The words of its texts stand in `exchange_text`, which is of
# another form on each database: `sisf.store.search`.
exchange_policy = Table(
    "exchange_policy",
    metadata,
    Column("policy_id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    PrimaryKeyConstraint("policy_id", "seq"),
    Index("exchange_policy_seq", "seq"),
)

verdict = Table(
    "verdict",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("exchange_id", Text, nullable=False),
    Column("time", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("verdict_exchange", "exchange_id"),
    Index("verdict_person", "seq", sqlite_where=BY_PERSON, postgresql_where=BY_PERSON),
)

breach = Table(
    "breach",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("exchange_id", Text, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

job = Table(
    "job",
    metadata,
    Column("exchange_id", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Float, nullable=False),
    Column("rank", Float, nullable=False, server_default="0"),
    Column("lease", Text),
    Column("error", Text),
    Column("created", Float, nullable=False),
    # The whole exchange, for as long as the loop works on it; what is kept of it for longer stands in its own row.
    Column("body", LargeBinary),
    Index("job_state_rank", "state", "rank", "due"),
)

# What a person reported as blocked by mistake: kept for ever, whatever becomes of its exchange.
benign_case = Table(
    "benign_case",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("exchange_id", Text, nullable=False, unique=True),
    Column("policy_id", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("text", LargeBinary, nullable=False),
    Column("actor", Text, nullable=False),
    Column("time", Float, nullable=False),
    Index("benign_case_policy", "policy_id", "seq"),
)

# The newest bundle taken from each origin: an older or replayed one never activates.
bundle = Table(
    "bundle",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("time", Float, nullable=False),
)

# Gateways and workers that share this store.
node = Table(
    "node",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("started", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

# Where enforcement is suspended, until when: one row a decision, ended by moving `until` to the past.
suspension = Table(
    "suspension",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("started", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("suspension_until", "until"),
)

# What a person says of a stopped exchange now; it can be taken back.
word = Table(
    "word",
    metadata,
    Column("exchange_id", Text, primary_key=True),
    Column("said", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("time", Float, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

# What reviewers write to each other: comments, who takes a case, approvals.
note = Table(
    "note",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("time", Float, nullable=False),
    Column("text", Text, nullable=False),
    Index("note_subject", "subject", "seq"),
)

# What webhooks could not deliver yet.
message = Table(
    "message",
    metadata,
    Column("id", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Float, nullable=False),
    Column("dead", Integer, nullable=False),
    Column("created", Float, nullable=False),
    PrimaryKeyConstraint("id", "target"),
    Index("message_due", "dead", "due"),
    Index("message_created", "created"),
)

# Digests of texts that no policy blocked: a digest is of a text and of who said it.
passed = Table(
    "passed",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("time", Float, nullable=False),
    Index("passed_sender", "tenant", "principal"),
    Index("passed_time", "tenant", "time"),
)

# What the probing agent tried, and what came of it: its memory. The texts stand with their exchanges.
probe = Table(
    "probe",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("time", Float, nullable=False),
    Column("family", Text, nullable=False),
    Column("technique", Text, nullable=False),
    Column("hazard", Text, nullable=False),
    Column("recipe", Text, nullable=False),
    Column("exchange_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("policy_id", Text),
    Column("revision", BigInteger, nullable=False),
    Column("mended", Float),
    Index("probe_outcome", "outcome", "seq"),
)

audit = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("audit_subject", "subject", "sequence"),
)
