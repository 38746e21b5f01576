"""Jobs carry the whole exchange until they are done, so that its own row can keep less."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("body", sa.LargeBinary))


def downgrade() -> None:
    op.drop_column("job", "body")
