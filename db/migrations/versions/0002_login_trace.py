"""auth_event keeps how a decision came about."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("auth_event") as table:
        table.add_column(sa.Column("trace", sa.Text(), nullable=True))
