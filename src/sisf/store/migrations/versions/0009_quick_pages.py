"""What pages over a large store ask for is found by index: people's verdicts, the audit rows about something, policies
by hazard and by what they were learned from."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BATCH = 2_000
_PERSON = "actor LIKE 'person:%'"


def upgrade() -> None:
    person = sa.text(_PERSON)
    op.create_index("verdict_person", "verdict", ["seq"], sqlite_where=person, postgresql_where=person)
    op.create_index("audit_subject", "audit", ["subject", "sequence"])
    op.create_index("benign_case_policy", "benign_case", ["policy_id", "seq"])
    op.add_column("policy", sa.Column("hazard", sa.Text, nullable=False, server_default="other"))
    op.create_index("policy_hazard", "policy", ["status", "hazard", "seq"])
    op.drop_index("policy_status", "policy")
    op.create_table(
        "policy_breach",
        sa.Column("exchange_id", sa.Text, nullable=False),
        sa.Column("policy_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("exchange_id", "policy_id"),
    )
    _fill()


def _fill() -> None:
    """Whose hazard, and learned from what, as the stored policies and their versions say."""
    connection = op.get_bind()
    page = sa.text("SELECT seq, id, body FROM policy WHERE seq > :last ORDER BY seq LIMIT :batch")
    last = 0
    while rows := connection.execute(page, {"last": last, "batch": _BATCH}).all():
        hazards = [{"seq": row.seq, "hazard": json.loads(row.body).get("hazard", "other")} for row in rows]
        connection.execute(sa.text("UPDATE policy SET hazard = :hazard WHERE seq = :seq"), hazards)
        _link((row.id, row.body) for row in rows)
        last = rows[-1].seq
    versions = sa.text(
        "SELECT policy_id, revision, body FROM policy_version WHERE revision > :last OR "
        "(revision = :last AND policy_id > :name) ORDER BY revision, policy_id LIMIT :batch"
    )
    last, name = -1, ""
    while rows := connection.execute(versions, {"last": last, "name": name, "batch": _BATCH}).all():
        _link((row.policy_id, row.body) for row in rows)
        last, name = rows[-1].revision, rows[-1].policy_id


def _link(found) -> None:  # type: ignore[no-untyped-def]
    links = [
        {"exchange_id": breach, "policy_id": policy_id}
        for policy_id, body in found
        for breach in json.loads(body).get("provenance", {}).get("breach_ids", ())
    ]
    if links:
        statement = "INSERT INTO policy_breach (exchange_id, policy_id) VALUES (:exchange_id, :policy_id)"
        op.get_bind().execute(sa.text(f"{statement} ON CONFLICT DO NOTHING"), links)


def downgrade() -> None:
    op.drop_table("policy_breach")
    op.create_index("policy_status", "policy", ["status"])
    op.drop_index("policy_hazard", "policy")
    op.drop_column("policy", "hazard")
    op.drop_index("benign_case_policy", "benign_case")
    op.drop_index("audit_subject", "audit")
    op.drop_index("verdict_person", "verdict")
