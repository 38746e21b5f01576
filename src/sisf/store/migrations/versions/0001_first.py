"""The first schema: policies, revisions, exchanges, verdicts, jobs, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "revision",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("breach_ids", sa.Text, nullable=False),
    )
    op.create_table(
        "condition",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "policy",
        sa.Column("seq", _SERIAL, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("condition", sa.Text, nullable=False),
        sa.Column("hits", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("policy_status", "policy", ["status"])
    op.create_index("policy_origin", "policy", ["origin"])
    op.create_table(
        "policy_version",
        sa.Column("policy_id", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("condition", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("policy_id", "revision"),
    )
    op.create_index("policy_version_revision", "policy_version", ["revision"])
    op.create_table(
        "evidence",
        sa.Column("policy_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("exchange_id", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("policy_id", "kind", "principal"),
    )
    op.create_table(
        "exchange",
        sa.Column("seq", _SERIAL, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("decisions", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("verdict", sa.Text),
        sa.Column("verdict_body", sa.Text),
    )
    op.create_index("exchange_verdict", "exchange", ["verdict", "seq"])
    op.create_index("exchange_time", "exchange", ["time"])
    op.create_table(
        "verdict",
        sa.Column("seq", _SERIAL, primary_key=True),
        sa.Column("exchange_id", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("verdict_exchange", "verdict", ["exchange_id"])
    op.create_table(
        "breach",
        sa.Column("seq", _SERIAL, primary_key=True),
        sa.Column("exchange_id", sa.Text, nullable=False, unique=True),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job",
        sa.Column("exchange_id", sa.Text, primary_key=True),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("lease", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_index("job_state_due", "job", ["state", "due"])
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )


def downgrade() -> None:
    for table in (
        "audit",
        "job",
        "breach",
        "verdict",
        "exchange",
        "evidence",
        "policy_version",
        "policy",
        "condition",
        "revision",
    ):
        op.drop_table(table)
