"""One table for codes that are sent, proven telephones, and what the portal's pages count."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _codes()
    _contacts()
    op.create_table(
        "page_count",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("level", _BIG, nullable=False),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_page_count")),
    )
    op.create_index(op.f("ix_page_count_at"), "page_count", ["at"])


def _codes() -> None:
    op.create_table(
        "sent_code",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("account_id", _BIG, nullable=True),
        sa.Column("registration_id", _BIG, nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("code_hmac", sa.Text(), nullable=False),
        sa.Column("client_address", sa.Text(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("expires_at", db.models.base.Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("used_at", db.models.base.Instant(), nullable=True),
        sa.CheckConstraint(
            "purpose IN ('reset', 'contact', 'registration')", name=op.f("ck_sent_code_purpose")
        ),
        sa.CheckConstraint("channel IN ('mail', 'sms')", name=op.f("ck_sent_code_channel")),
        sa.CheckConstraint(
            "(purpose = 'registration') = (registration_id IS NOT NULL)"
            " AND (purpose = 'registration') = (account_id IS NULL)",
            name=op.f("ck_sent_code_owner"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_sent_code_account_id_account")
        ),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["registration.id"],
            name=op.f("fk_sent_code_registration_id_registration"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sent_code")),
    )
    for column in ("account_id", "registration_id", "code_hmac"):
        op.create_index(op.f(f"ix_sent_code_{column}"), "sent_code", [column])
    # Codes that are on their way while this runs stay good.
    op.execute(
        "INSERT INTO sent_code (purpose, account_id, channel, recipient, code_hmac,"
        " client_address, created_at, expires_at, attempts, used_at)"
        " SELECT purpose, account_id, 'mail', mailbox, code_hmac, client_address, created_at,"
        " expires_at, 0, used_at FROM mailed_code ORDER BY id"
    )
    op.execute(
        "INSERT INTO sent_code (purpose, registration_id, channel, recipient, code_hmac,"
        " client_address, created_at, expires_at, attempts, used_at)"
        " SELECT 'registration', c.registration_id,"
        " CASE WHEN r.way = 'sms-code' THEN 'sms' ELSE 'mail' END, r.contact, c.code_hmac,"
        " coalesce(r.client_address, ''), c.created_at, c.expires_at, c.attempts, c.used_at"
        " FROM contact_code c JOIN registration r ON r.id = c.registration_id ORDER BY c.id"
    )
    op.drop_table("mailed_code")
    op.drop_table("contact_code")


def _contacts() -> None:
    with op.batch_alter_table("verified_contact") as table:
        table.alter_column("mailbox", new_column_name="address")
        table.add_column(sa.Column("channel", sa.Text(), nullable=False, server_default="mail"))
    with op.batch_alter_table("verified_contact") as table:
        table.alter_column("channel", server_default=None)
        table.drop_constraint(op.f("pk_verified_contact"), type_="primary")
        table.create_primary_key(op.f("pk_verified_contact"), ["account_id", "channel"])
        table.create_check_constraint(
            op.f("ck_verified_contact_channel"), "channel IN ('mail', 'sms')"
        )
    op.create_index(op.f("ix_verified_contact_address"), "verified_contact", ["address"])
