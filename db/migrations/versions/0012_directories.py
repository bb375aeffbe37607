"""Accounts may come from a directory."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("account") as table:
        table.add_column(sa.Column("origin", sa.Text(), nullable=True))
    op.create_table(
        "directory_entry",
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("dn", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unique_id", sa.Text(), nullable=True),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.Column("refreshed_at", db.models.base.Instant(), nullable=False),
        sa.Column("proven_at", db.models.base.Instant(), nullable=True),
        sa.Column("verifier", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_directory_entry_account_id_account"),
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_directory_entry")),
        sa.UniqueConstraint(
            "directory", "unique_id", name=op.f("uq_directory_entry_directory_unique_id")
        ),
    )
    op.create_index(
        op.f("ix_directory_entry_refreshed_at"), "directory_entry", ["refreshed_at"], unique=False
    )
