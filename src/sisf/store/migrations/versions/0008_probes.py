"""The memory of the probing agent."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "probe",
        sa.Column("seq", _serial, primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("family", sa.Text, nullable=False),
        sa.Column("technique", sa.Text, nullable=False),
        sa.Column("hazard", sa.Text, nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("exchange_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("policy_id", sa.Text),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("mended", sa.Float),
    )
    op.create_index("probe_outcome", "probe", ["outcome", "seq"])


def downgrade() -> None:
    op.drop_index("probe_outcome", "probe")
    op.drop_table("probe")
