"""The database refuses to change or delete rows of evidence."""

import sqlalchemy as sa
from alembic import op

from db.append_only import install

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    table = op.create_table(
        "append_only",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lifted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_append_only")),
    )
    op.bulk_insert(table, [{"id": 1, "lifted": False}])
    install(op.get_bind())
