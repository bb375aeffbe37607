"""Quotas by day, week and month, school hours, and what was used on each day."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("role") as table:
        for name in (
            "quota_mb_week",
            "quota_mb_month",
            "quota_minutes_day",
            "quota_minutes_week",
            "quota_minutes_month",
        ):
            table.add_column(sa.Column(name, sa.Integer(), nullable=True))
        table.add_column(sa.Column("hours", sa.Text(), nullable=True))
    op.create_table(
        "usage_day",
        sa.Column("session_key", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("octets", _BIG, nullable=False),
        sa.Column("seconds", _BIG, nullable=False),
        sa.Column("counted_octets", _BIG, nullable=False),
        sa.Column("counted_seconds", _BIG, nullable=False),
        sa.Column("counted_until", db.models.base.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("session_key", "day", name=op.f("pk_usage_day")),
    )
    op.create_index("ix_usage_day_account_id_day", "usage_day", ["account_id", "day"])
