"""Evidence is counted by sender, tenant and principal, not by the name of a principal alone."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _rebuild(
        [sa.Column("tenant", sa.Text, nullable=False)],
        "tenant, principal",
        # Persons are of no tenant; whose exchange is gone belongs to the tenant that all had who named none.
        "CASE WHEN e.principal LIKE 'person:%' THEN '' ELSE COALESCE(x.tenant, 'default') END, e.principal",
        "evidence AS e LEFT JOIN exchange AS x ON x.id = e.exchange_id",
        "policy_id",
        "kind",
        "tenant",
        "principal",
    )


def downgrade() -> None:
    first = (
        "SELECT policy_id, kind, principal, MIN(exchange_id) AS exchange_id, MIN(time) AS time FROM evidence "
        "GROUP BY policy_id, kind, principal"
    )
    _rebuild([], "principal", "e.principal", f"({first}) AS e", "policy_id", "kind", "principal")


def _rebuild(more: list[sa.Column[str]], names: str, values: str, source: str, *key: str) -> None:
    """Neither database changes a primary key in place in a way that both know."""
    op.create_table(
        "evidence_new",
        sa.Column("policy_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        *more,
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("exchange_id", sa.Text, nullable=False),
        sa.Column("time", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint(*key),
    )
    op.execute(
        f"INSERT INTO evidence_new (policy_id, kind, {names}, exchange_id, time) "  # noqa: S608 - words of ours
        f"SELECT e.policy_id, e.kind, {values}, e.exchange_id, e.time FROM {source}"
    )
    op.drop_table("evidence")
    op.rename_table("evidence_new", "evidence")
