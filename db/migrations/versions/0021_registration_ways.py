"""How visitors register: ways by role, codes, provisional minutes, hosts and the roster."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "role_registration",
        sa.Column("role_id", _BIG, nullable=False),
        sa.Column("way", sa.Text(), server_default="closed", nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.Column("provisional_minutes", sa.Integer(), nullable=False),
        sa.Column("answerable_id", _BIG, nullable=True),
        sa.Column("may_sponsor", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "way IN ('closed', 'approval', 'sponsor', 'mail-code', 'sms-code', 'roster')",
            name=op.f("ck_role_registration_way"),
        ),
        sa.ForeignKeyConstraint(
            ["role_id"], ["role.id"], name=op.f("fk_role_registration_role_id_role")
        ),
        sa.ForeignKeyConstraint(
            ["answerable_id"],
            ["account.id"],
            name=op.f("fk_role_registration_answerable_id_account"),
        ),
        sa.PrimaryKeyConstraint("role_id", name=op.f("pk_role_registration")),
    )
    op.create_table(
        "contact_code",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("registration_id", _BIG, nullable=False),
        sa.Column("code_hmac", sa.Text(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("expires_at", db.models.base.Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("used_at", db.models.base.Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["registration.id"],
            name=op.f("fk_contact_code_registration_id_registration"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_code")),
    )
    op.create_index("ix_contact_code_registration_id", "contact_code", ["registration_id"])
    op.create_table(
        "provisional_grant",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("registration_id", _BIG, nullable=False),
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("contact_hmac", sa.Text(), nullable=False),
        sa.Column("granted_at", db.models.base.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["registration_id"],
            ["registration.id"],
            name=op.f("fk_provisional_grant_registration_id_registration"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_provisional_grant_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provisional_grant")),
        sa.UniqueConstraint("registration_id", name=op.f("uq_provisional_grant_registration_id")),
    )
    op.create_index(op.f("ix_provisional_grant_mac"), "provisional_grant", ["mac"])
    op.create_index(
        op.f("ix_provisional_grant_contact_hmac"), "provisional_grant", ["contact_hmac"]
    )
    with op.batch_alter_table("message") as table:
        table.add_column(sa.Column("asked_from", sa.Text(), nullable=True))
    op.create_index("ix_message_recipient", "message", ["recipient", "created_at"])
    with op.batch_alter_table("person") as table:
        table.add_column(sa.Column("birth_hmac", sa.Text(), nullable=True))
    with op.batch_alter_table("registration") as table:
        table.add_column(sa.Column("way", sa.Text(), server_default="approval", nullable=False))
        for name in ("contact_verified_at", "host_decided_at"):
            table.add_column(sa.Column(name, db.models.base.Instant(), nullable=True))
        table.add_column(
            sa.Column("birth_proven", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        table.add_column(sa.Column("host_id", _BIG, nullable=True))
        table.add_column(sa.Column("person_id", _BIG, nullable=True))
        table.add_column(sa.Column("granted_seconds", sa.Integer(), nullable=True))
        table.create_foreign_key(
            op.f("fk_registration_host_id_account"), "account", ["host_id"], ["id"]
        )
        table.create_foreign_key(
            op.f("fk_registration_person_id_person"), "person", ["person_id"], ["id"]
        )
        table.create_index(op.f("ix_registration_host_id"), ["host_id"])
