"""The outbox of dynamic authorization, and where a NAS takes its requests."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "coa_request",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("nas_client_id", sa.Integer(), nullable=False),
        sa.Column("account_id", _BIG, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("not_before", db.models.base.Instant(), nullable=False),
        sa.Column("next_try_at", db.models.base.Instant(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error_cause", sa.Integer(), nullable=True),
        sa.Column("finished_at", db.models.base.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coa_request")),
    )
    op.create_index("ix_coa_request_session_key", "coa_request", ["session_key"])
    op.create_index("ix_coa_request_created_at", "coa_request", ["created_at"])
    queued = sa.text("state = 'queued'")
    op.create_index(
        "ix_coa_request_due",
        "coa_request",
        ["next_try_at"],
        postgresql_where=queued,
        sqlite_where=queued,
    )
    disconnect = sa.text("state = 'queued' AND kind = 'disconnect'")
    op.create_index(
        "uq_coa_request_open_disconnect",
        "coa_request",
        ["session_key"],
        unique=True,
        postgresql_where=disconnect,
        sqlite_where=disconnect,
    )
    with op.batch_alter_table("nas_client") as table:
        table.add_column(sa.Column("coa_address", sa.Text(), nullable=True))
        table.add_column(sa.Column("coa_port", sa.Integer(), nullable=True))
