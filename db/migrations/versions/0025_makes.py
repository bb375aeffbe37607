"""Whom the portal let in where no accounting tells: by a controller's call, or by its asking again."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = db.models.base.Instant()


def upgrade() -> None:
    op.create_table(
        "web_grant",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("nas_client_id", sa.Integer(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("connection", sa.Text(), nullable=False),
        sa.Column("is_renewed", sa.Boolean(), nullable=False),
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("calling", sa.Text(), nullable=False),
        sa.Column("nas_address", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("used_at", _INSTANT, nullable=True),
        sa.Column("ends_at", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_grant")),
        sa.UniqueConstraint("nas_client_id", "mac", name=op.f("uq_web_grant_nas_client_id_mac")),
    )
    op.create_index("ix_web_grant_ends_at", "web_grant", ["ends_at"])
    op.create_table(
        "granted_session",
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("nas_client_id", sa.Integer(), nullable=False),
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("began_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=False),
        sa.Column("seen_at", _INSTANT, nullable=True),
        sa.Column("next_look_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("session_key", name=op.f("pk_granted_session")),
    )
    op.create_index("ix_granted_session_next_look_at", "granted_session", ["next_look_at"])
    op.create_index("ix_granted_session_account_id", "granted_session", ["account_id"])


def downgrade() -> None:
    op.drop_table("granted_session")
    op.drop_table("web_grant")
