"""Keys of sessions that are joined with those of 0028 compare by their octets, too.

PostgreSQL uses an index for the order alone that the comparison has, and of two columns the one
whose order is named decides: for each such question it read these tables from end to end.
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return  # SQLite compares octets anyway
    for table in ("granted_session", "coa_request"):
        op.execute(f'ALTER TABLE {table} ALTER COLUMN session_key TYPE text COLLATE "C"')
