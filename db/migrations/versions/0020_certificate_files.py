"""Files with client certificates that wait for their devices."""

import sqlalchemy as sa
from alembic import op

import db.models.base

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "certificate_file",
        sa.Column("id", _BIG, autoincrement=True, nullable=False),
        sa.Column("key_digest", sa.Text(), nullable=False),
        sa.Column("account_id", _BIG, nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("ends_at", db.models.base.Instant(), nullable=False),
        sa.Column("file_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", db.models.base.Instant(), nullable=False),
        sa.Column("expires_at", db.models.base.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_certificate_file_account_id_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate_file")),
        sa.UniqueConstraint("key_digest", name=op.f("uq_certificate_file_key_digest")),
    )
    op.create_index("ix_certificate_file_account_id", "certificate_file", ["account_id"])
    op.create_index("ix_certificate_file_expires_at", "certificate_file", ["expires_at"])
