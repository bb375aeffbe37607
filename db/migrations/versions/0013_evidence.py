"""Exhibits, their way through hands, and whose identity was shown."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "exhibit",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("case_reference", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("from_at", db.models.base.Instant(), nullable=False),
        sa.Column("to_at", db.models.base.Instant(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("octets", _BIG, nullable=False),
        sa.Column("records", _BIG, nullable=False),
        sa.Column("key_fingerprint", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exhibit")),
        sa.UniqueConstraint("sha256", name=op.f("uq_exhibit_sha256")),
    )
    op.create_index(op.f("ix_exhibit_case_reference"), "exhibit", ["case_reference"])
    op.create_table(
        "custody_step",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("exhibit_id", _BIG, nullable=False),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("officer_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("prev", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["exhibit_id"], ["exhibit.id"], name=op.f("fk_custody_step_exhibit_id_exhibit")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custody_step")),
        sa.UniqueConstraint("prev", name=op.f("uq_custody_step_prev")),
    )
    op.create_index(op.f("ix_custody_step_exhibit_id"), "custody_step", ["exhibit_id"])
    op.create_table(
        "disclosure",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("shown_by", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("case_reference", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("means", sa.Text(), nullable=False),
        sa.Column("exhibit_id", _BIG, nullable=True),
        sa.Column("secret_until", db.models.base.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosure")),
    )
    op.create_index(op.f("ix_disclosure_account_id"), "disclosure", ["account_id"])
