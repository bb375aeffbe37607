"""Keys of sessions and addresses compare by their octets on PostgreSQL, not by a language's rules.

Also where they are joined with one: PostgreSQL uses an index for the order alone that the comparison
has, and of two columns the one whose order is named decides. The indexes of these columns are built
again; sessions older than a week are in the archive.
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
    for table in ("granted_session", "coa_request"):
        op.execute(f'ALTER TABLE {table} ALTER COLUMN session_key TYPE text COLLATE "C"')
