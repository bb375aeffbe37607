"""Holds, the move of old rows into the archive, and accounts without a name."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("account") as table:
        table.add_column(sa.Column("anonymised_at", db.models.base.Instant(), nullable=True))
    op.create_table(
        "hold",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("from_at", db.models.base.Instant(), nullable=False),
        sa.Column("to_at", db.models.base.Instant(), nullable=False),
        sa.Column("account_id", _BIG, nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until_at", db.models.base.Instant(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("ended_at", db.models.base.Instant(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("from_at <= to_at", name=op.f("ck_hold_period")),
        sa.CheckConstraint("until_at <= to_at + 63072000000000", name=op.f("ck_hold_two_years")),
        sa.CheckConstraint("account_id IS NULL OR address IS NULL", name=op.f("ck_hold_one_scope")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_hold_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_table(
        "archive_move",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("begun_at", db.models.base.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_archive_move")),
    )
