"""Jobs have a rank, by which the urgent ones go first; exchanges of one tenant are found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("rank", sa.Float, nullable=False, server_default="0"))
    op.execute("UPDATE job SET rank = created")
    op.drop_index("job_state_due", "job")
    op.create_index("job_state_rank", "job", ["state", "rank", "due"])
    op.create_index("exchange_tenant", "exchange", ["tenant", "seq"])


def downgrade() -> None:
    op.drop_index("exchange_tenant", "exchange")
    op.drop_index("job_state_rank", "job")
    op.create_index("job_state_due", "job", ["state", "due"])
    op.drop_column("job", "rank")
