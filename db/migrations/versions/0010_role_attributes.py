"""What else a role tells equipment, and what equipment says when it asks for a device."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("role") as table:
        for name in ("filter_id", "vendor_role", "egress_vlans"):
            table.add_column(sa.Column(name, sa.Text(), nullable=True))
    with op.batch_alter_table("nas_client") as table:
        table.add_column(sa.Column("mab_suffix", sa.Text(), nullable=True))
        table.add_column(sa.Column("mab_password_encrypted", sa.LargeBinary(), nullable=True))
