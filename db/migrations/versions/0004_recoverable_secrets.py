"""Roles and accounts say how much of a password is kept in recoverable form."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("role") as table:
        table.add_column(sa.Column("recoverable", sa.Text(), nullable=False, server_default="none"))
    with op.batch_alter_table("credential") as table:
        table.add_column(sa.Column("recoverable_choice", sa.Text(), nullable=True))
