"""The certificates the site has issued."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "certificate",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("account_id", _BIG, nullable=True),
        sa.Column("nas_client_id", _BIG, nullable=True),
        sa.Column("not_before", db.models.base.Instant(), nullable=False),
        sa.Column("not_after", db.models.base.Instant(), nullable=False),
        sa.Column("issued_at", db.models.base.Instant(), nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", db.models.base.Instant(), nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.Column("revocation_reason", sa.Text(), nullable=True),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('ca', 'server', 'client', 'nas')", name=op.f("ck_certificate_kind")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_certificate_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate")),
        sa.UniqueConstraint("serial", name=op.f("uq_certificate_serial")),
    )
    op.create_index("ix_certificate_authority", "certificate", ["authority"])
    op.create_index("ix_certificate_name", "certificate", ["name"])
    op.create_index("ix_certificate_account_id", "certificate", ["account_id"])
