"""Messages to be sent, and what a network device's hand-over needs."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "message",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("content_encrypted", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("next_try_at", db.models.base.Instant(), nullable=False),
        sa.Column("expires_at", db.models.base.Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", db.models.base.Instant(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("channel IN ('mail', 'sms')", name=op.f("ck_message_channel")),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'failed', 'late')", name=op.f("ck_message_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index("ix_message_due", "message", ["state", "next_try_at"])
    with op.batch_alter_table("nas_client") as table:
        table.add_column(sa.Column("portal_settings_encrypted", sa.LargeBinary(), nullable=True))
