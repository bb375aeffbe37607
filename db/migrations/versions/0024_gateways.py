"""Requests of gateways that speak no RADIUS, and what they are to fetch."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "gateway_nonce",
        sa.Column("nas_client_id", _BIG, autoincrement=False, nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("nas_client_id", "nonce", name=op.f("pk_gateway_nonce")),
    )
    op.create_index("ix_gateway_nonce_at", "gateway_nonce", ["at"])
    op.create_table(
        "gateway_grant",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("nas_client_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("ip", sa.Text(), nullable=False),
        sa.Column("carried", sa.Text(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("decided", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", db.models.base.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_grant")),
        sa.UniqueConstraint(
            "nas_client_id", "key", name=op.f("uq_gateway_grant_nas_client_id_key")
        ),
    )
    op.create_index("ix_gateway_grant_created_at", "gateway_grant", ["created_at"])
