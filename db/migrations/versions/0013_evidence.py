"""Exhibits, their way through hands, and whose identity was shown."""

from typing import Any

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _moment(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, db.models.base.Instant(), nullable=nullable)


def _text(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "exhibit",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        _moment("created_at"),
        _text("created_by"),
        _text("case_reference"),
        _text("reason"),
        _text("request", nullable=True),
        _moment("from_at"),
        _moment("to_at"),
        _text("scope"),
        _text("file_name"),
        _text("sha256"),
        sa.Column("octets", _BIG, nullable=False),
        sa.Column("records", _BIG, nullable=False),
        _text("key_fingerprint"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exhibit")),
        sa.UniqueConstraint("sha256", name=op.f("uq_exhibit_sha256")),
    )
    op.create_index(op.f("ix_exhibit_case_reference"), "exhibit", ["case_reference"])
    op.create_table(
        "custody_step",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("exhibit_id", _BIG, nullable=False),
        _moment("at"),
        _text("actor"),
        _text("step"),
        _text("person"),
        _text("officer_id"),
        _text("document"),
        _text("place"),
        _text("note"),
        _text("prev"),
        _text("hash"),
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
        _moment("at"),
        sa.Column("account_id", _BIG, nullable=False),
        _text("shown_by"),
        _text("recipient"),
        _text("case_reference"),
        _text("reason"),
        _text("means"),
        sa.Column("exhibit_id", _BIG, nullable=True),
        _moment("secret_until", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosure")),
    )
    op.create_index(op.f("ix_disclosure_account_id"), "disclosure", ["account_id"])
