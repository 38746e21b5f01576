"""Exchanges are searched: full text, and indexes for principal, fate, hazard and policy."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BATCH = 5_000


def upgrade() -> None:
    op.add_column("exchange", sa.Column("hazard", sa.Text))
    op.create_index("exchange_principal", "exchange", ["principal", "seq"])
    op.create_index("exchange_outcome", "exchange", ["outcome", "seq"])
    op.create_index("exchange_hazard", "exchange", ["hazard", "seq"])
    op.create_table(
        "exchange_policy",
        sa.Column("policy_id", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("policy_id", "seq"),
    )
    op.create_index("exchange_policy_seq", "exchange_policy", ["seq"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE exchange_text USING fts5(body, tokenize='unicode61 remove_diacritics 2')")
    else:
        op.execute("CREATE TABLE exchange_text (seq BIGINT PRIMARY KEY, document TSVECTOR NOT NULL)")
        op.execute("CREATE INDEX exchange_text_document ON exchange_text USING gin (document)")
    _fill()


def _fill() -> None:
    """What can be read without a key. Texts are indexed later, in the background."""
    connection, last = op.get_bind(), 0
    page = sa.text(
        "SELECT seq, decisions, verdict_body FROM exchange WHERE seq > :last AND (decisions <> '[]' OR "
        "verdict_body IS NOT NULL) ORDER BY seq LIMIT :batch"
    )
    while rows := connection.execute(page, {"last": last, "batch": _BATCH}).all():
        matched, hazards = [], []
        for seq, decisions, verdict in rows:
            ids = {match["policy_id"] for decision in json.loads(decisions) for match in decision["matches"]}
            matched += [{"policy_id": policy_id, "seq": seq} for policy_id in sorted(ids)]
            if verdict and verdict.startswith("{"):
                hazards.append({"seq": seq, "hazard": json.loads(verdict).get("hazard")})
        if matched:
            connection.execute(sa.text("INSERT INTO exchange_policy VALUES (:policy_id, :seq)"), matched)
        if hazards:
            connection.execute(sa.text("UPDATE exchange SET hazard = :hazard WHERE seq = :seq"), hazards)
        last = rows[-1].seq


def downgrade() -> None:
    op.drop_table("exchange_text")
    op.drop_index("exchange_policy_seq", "exchange_policy")
    op.drop_table("exchange_policy")
    op.drop_index("exchange_hazard", "exchange")
    op.drop_index("exchange_outcome", "exchange")
    op.drop_index("exchange_principal", "exchange")
    op.drop_column("exchange", "hazard")
