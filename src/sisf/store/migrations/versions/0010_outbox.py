"""Messages that receivers did not take yet."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("dead", sa.Integer, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", "target"),
    )
    op.create_index("message_due", "message", ["dead", "due"])
    op.create_index("message_created", "message", ["created"])


def downgrade() -> None:
    op.drop_index("message_created", "message")
    op.drop_index("message_due", "message")
    op.drop_table("message")
