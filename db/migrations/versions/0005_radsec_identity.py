"""A NAS may be known by the name in its certificate."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("nas_client") as table:
        table.add_column(sa.Column("radsec_identity", sa.Text(), nullable=True))
    op.create_index(
        op.f("ix_nas_client_radsec_identity"), "nas_client", ["radsec_identity"], unique=True
    )
