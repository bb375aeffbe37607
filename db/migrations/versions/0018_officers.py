"""Several levels an officer, organisations under organisations, requests to unlock names.

Who was administrator keeps everything that worked, and so becomes custodian and coordinator
too; `yuenyan doctor` says that these should be different people.
"""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "officer_level",
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.Column("granted_at", db.models.base.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_officer_level_account_id_account")
        ),
        sa.PrimaryKeyConstraint("account_id", "level", name=op.f("pk_officer_level")),
    )
    op.execute(
        "INSERT INTO officer_level (account_id, level, granted_by, granted_at)"
        " SELECT id, admin_level, 'migration', created_at FROM account"
        " WHERE admin_level IS NOT NULL"
    )
    op.execute(
        "INSERT INTO officer_level (account_id, level, granted_by, granted_at)"
        " SELECT id, duty, 'migration', created_at FROM account"
        " CROSS JOIN (SELECT 'custodian' AS duty UNION SELECT 'coordinator') AS duties"
        " WHERE admin_level = 'admin'"
    )
    # Not in a batch: that would copy the table, which others refer to.
    op.execute("ALTER TABLE account DROP COLUMN admin_level")
    with op.batch_alter_table("organisation") as table:
        table.add_column(sa.Column("parent_id", _BIG, nullable=True))
    op.create_index(op.f("ix_organisation_parent_id"), "organisation", ["parent_id"], unique=False)
    op.create_table(
        "unlock_request",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("asked_at", db.models.base.Instant(), nullable=False),
        sa.Column("asker", sa.Text(), nullable=False),
        sa.Column("asker_id", _BIG, nullable=True),
        sa.Column("os_user", sa.Text(), nullable=True),
        sa.Column("organisation_id", _BIG, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("case_reference", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", db.models.base.Instant(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("expires_at", db.models.base.Instant(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("last_used_at", db.models.base.Instant(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'refused')", name=op.f("ck_unlock_request_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unlock_request")),
    )
    op.create_index(
        "ix_unlock_request_state_asked_at",
        "unlock_request",
        ["state", "asked_at"],
        unique=False,
    )
