"""The office's registers."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "register_entry",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("received_at", db.models.base.Instant(), nullable=False),
        sa.Column("due_at", db.models.base.Instant(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("entered_by", sa.Text(), nullable=False),
        sa.Column("entered_at", db.models.base.Instant(), nullable=False),
        sa.Column("decided_at", db.models.base.Instant(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("finished_at", db.models.base.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register_entry")),
        sa.UniqueConstraint(
            "register", "year", "running", name=op.f("uq_register_entry_register_year_running")
        ),
        sa.UniqueConstraint("number", name=op.f("uq_register_entry_number")),
    )
    op.create_index(
        "ix_register_entry_register_state_due_at",
        "register_entry",
        ["register", "state", "due_at"],
        unique=False,
    )
    op.create_table(
        "register_step",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("entry_id", _BIG, nullable=False),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("to_whom", sa.Text(), nullable=True),
        sa.Column("document_number", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["register_entry.id"],
            name=op.f("fk_register_step_entry_id_register_entry"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register_step")),
    )
    op.create_index(op.f("ix_register_step_entry_id"), "register_step", ["entry_id"], unique=False)
