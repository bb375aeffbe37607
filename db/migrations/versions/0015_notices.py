"""Notices by version, and who was given which."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "notice_text",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("first_at", db.models.base.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_notice_text")),
    )
    op.create_table(
        "notice_given",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"], ["notice_text.sha256"], name=op.f("fk_notice_given_sha256_notice_text")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_given")),
        sa.UniqueConstraint("account_id", "sha256", name=op.f("uq_notice_given_account_id_sha256")),
    )
    op.create_index(op.f("ix_notice_given_account_id"), "notice_given", ["account_id"])
