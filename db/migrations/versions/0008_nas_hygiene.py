"""Whether a NAS signs its requests, and what may be known of its secret."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("nas_client") as table:
        table.add_column(
            sa.Column("last_with_message_authenticator_at", db.models.base.Instant(), nullable=True)
        )
        table.add_column(sa.Column("secret_strength", sa.Text(), nullable=True))
        table.add_column(sa.Column("secret_set_at", db.models.base.Instant(), nullable=True))
        table.add_column(sa.Column("secret_fingerprint", sa.Text(), nullable=True))
