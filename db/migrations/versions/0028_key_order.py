"""Keys of sessions and addresses compare by their octets on PostgreSQL, not by a language's rules.

The indexes of the four columns are built again; sessions older than a week are in the archive.
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return  # SQLite compares octets anyway
    op.execute('ALTER TABLE network_session ALTER COLUMN session_key TYPE text COLLATE "C"')
    op.execute(
        'ALTER TABLE address_interval ALTER COLUMN session_key TYPE text COLLATE "C",'
        ' ALTER COLUMN address TYPE text COLLATE "C", ALTER COLUMN source TYPE text COLLATE "C"'
    )
