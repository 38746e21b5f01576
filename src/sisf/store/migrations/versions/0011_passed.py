"""Digests of texts that passed, for conversations whose old turns are not judged anew."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "passed",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("passed_sender", "passed", ["tenant", "principal"])
    op.create_index("passed_time", "passed", ["tenant", "time"])


def downgrade() -> None:
    op.drop_index("passed_time", "passed")
    op.drop_index("passed_sender", "passed")
    op.drop_table("passed")
