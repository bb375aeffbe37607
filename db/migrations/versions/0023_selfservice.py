"""What people do for themselves: passwords to be changed, proven mailboxes, texts accepted."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("credential") as table:
        table.add_column(
            sa.Column("must_change", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("role") as table:
        table.add_column(sa.Column("own_devices", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "verified_contact",
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("verified_at", db.models.base.Instant(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_verified_contact_account_id_account")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_verified_contact")),
    )
    op.create_table(
        "mailed_code",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("code_hmac", sa.Text(), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("client_address", sa.Text(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("expires_at", db.models.base.Instant(), nullable=False),
        sa.Column("used_at", db.models.base.Instant(), nullable=True),
        sa.CheckConstraint("purpose IN ('reset', 'contact')", name=op.f("ck_mailed_code_purpose")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_mailed_code_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailed_code")),
        sa.UniqueConstraint("code_hmac", name=op.f("uq_mailed_code_code_hmac")),
    )
    op.create_index(op.f("ix_mailed_code_account_id"), "mailed_code", ["account_id"])
    op.create_table(
        "device_name",
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("named_at", db.models.base.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_device_name_account_id_account")
        ),
        sa.PrimaryKeyConstraint("account_id", "mac", name=op.f("pk_device_name")),
    )
    op.create_table(
        "published_text",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("published_at", db.models.base.Instant(), nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('acceptable-use', 'privacy')", name=op.f("ck_published_text_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_published_text")),
        sa.UniqueConstraint(
            "kind",
            "audience",
            "language",
            "version",
            name=op.f("uq_published_text_kind_audience_language_version"),
        ),
    )
    op.create_table(
        "text_accepted",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("at", db.models.base.Instant(), nullable=False),
        sa.Column("client_address", sa.Text(), nullable=False),
        sa.Column("client_mac", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_accepted")),
        sa.UniqueConstraint(
            "account_id", "kind", "version", name=op.f("uq_text_accepted_account_id_kind_version")
        ),
    )
