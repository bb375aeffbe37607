"""Terms of vouchers, the shared count of failed codes, and visits that are still open."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = db.models.base.Instant


def upgrade() -> None:
    with op.batch_alter_table("voucher_batch") as table:
        for name, default in (
            ("receiver", ""),
            ("note", ""),
            ("language", "th"),
            ("validity", "from_first_use"),
            ("ssid", ""),
            ("prefix", ""),
        ):
            table.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=default))
        table.add_column(sa.Column("not_before", _INSTANT(), nullable=True))
        for name in ("uses", "quota_mb", "down_kbps", "up_kbps", "idle_seconds"):
            table.add_column(sa.Column(name, sa.Integer(), nullable=True))
        table.add_column(sa.Column("hours", sa.Text(), nullable=True))
        table.add_column(sa.Column("nas_client_id", _BIG, nullable=True))
        table.add_column(sa.Column("organisation_id", _BIG, nullable=True))
        table.add_column(
            sa.Column("code_length", sa.Integer(), nullable=False, server_default="10")
        )
        table.add_column(
            sa.Column("digits_only", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        table.create_check_constraint(
            op.f("ck_voucher_batch_validity"),
            "validity IN ('from_first_use', 'from_creation', 'fixed_window', 'minutes_of_use')",
        )
        for name, other in (("nas_client_id", "nas_client"), ("organisation_id", "organisation")):
            table.create_foreign_key(
                op.f(f"fk_voucher_batch_{name}_{other}"), other, [name], ["id"]
            )
    with op.batch_alter_table("voucher_batch") as table:
        for name in (
            "receiver", "note", "language", "validity", "ssid", "prefix", "code_length",
            "digits_only",
        ):  # fmt: skip
            table.alter_column(name, server_default=None)
    with op.batch_alter_table("voucher") as table:
        table.drop_constraint(op.f("ck_voucher_state"), type_="check")
        table.add_column(sa.Column("exhausted_by", sa.Text(), nullable=True))
        for name in ("use_count", "extra_minutes", "extra_mb"):
            table.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("hard_expiry", _INSTANT(), nullable=True))
        table.add_column(sa.Column("guest_released_at", _INSTANT(), nullable=True))
        table.create_check_constraint(
            op.f("ck_voucher_state"), "state IN ('unused', 'active', 'exhausted', 'revoked')"
        )
        table.create_check_constraint(
            op.f("ck_voucher_exhausted_by"), "exhausted_by IN ('time', 'data')"
        )
    with op.batch_alter_table("voucher") as table:
        for name in ("use_count", "extra_minutes", "extra_mb"):
            table.alter_column(name, server_default=None)
    with op.batch_alter_table("voucher_device") as table:
        table.add_column(sa.Column("last_used_at", _INSTANT(), nullable=True))
        table.add_column(sa.Column("released_at", _INSTANT(), nullable=True))
    op.create_table(
        "voucher_guess",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("level", _BIG, nullable=False),
        sa.Column("at", _INSTANT(), nullable=False),
        sa.Column("closed_at", _INSTANT(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_voucher_guess")),
    )
    op.create_index(op.f("ix_voucher_guess_at"), "voucher_guess", ["at"])
    op.create_table(
        "open_visit",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("visit", sa.Text(), nullable=False),
        sa.Column("at", _INSTANT(), nullable=False),
        sa.PrimaryKeyConstraint("address", "mac", name=op.f("pk_open_visit")),
    )
    op.create_index("ix_open_visit_at", "open_visit", ["at"])
