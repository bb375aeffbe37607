"""Accounting that waits for a home server."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "relay_outbox",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("received_at", db.models.base.Instant(), nullable=False),
        sa.Column("realm", sa.Text(), nullable=False),
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("octets", sa.LargeBinary(), nullable=False),
        sa.Column("next_try_at", db.models.base.Instant(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_relay_outbox"),
    )
    op.create_index("ix_relay_outbox_due", "relay_outbox", ["realm", "next_try_at"])
    op.create_index("ix_relay_outbox_session", "relay_outbox", ["session_key", "id"])
    op.create_index("ix_relay_outbox_received_at", "relay_outbox", ["received_at"])
