"""Keys and CA that are gone, and what hangs on them is not: `init` makes no others in silence."""

from __future__ import annotations

from sqlalchemy import inspect, text

from common.config import Config
from common.errors import Refused
from db.engine import Database
from identity.pki.folder import SERVER, CaFolder
from identity.vault import KEY_FILE
from traffic.archive.seals import KEY_FILE as SEAL_KEY
from traffic.archive.seals import NAME as SEALS
from traffic.archive.seals import PUBLIC_FILE as SEAL_PUBLIC_KEY
from yuenyan.lost import has_database

_SEALED = tuple(
    text(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608 - names of ours
    for table in ("nas_client", "voucher", "account")
)
"""Tables of the first schema, asked in text: the database may be older than the models."""

_AUTHORITY = text("SELECT 1 FROM certificate WHERE kind = 'ca' AND revoked_at IS NULL LIMIT 1")


def refuse_lost_vault_key(config: Config) -> None:
    """Raise Refused where a new vault key would lock what the database has under the lost one.

    No login works with another: the shared secrets of all equipment are sealed with it.
    """
    key = config.keys_dir / KEY_FILE
    if key.exists() or not has_database(config):
        return
    database = Database(config.database_url)
    try:
        if not database.has_tables():
            return
        with database.read() as session:
            holds = any(session.execute(one).first() for one in _SEALED)
    finally:
        database.dispose()
    if holds:
        raise Refused(
            f"there is no {key}, and the database holds secrets under it: bring it back from the"
            " backup, or from the other machine that uses this database, or begin with another key"
            " and set every secret of equipment, every voucher"
            " and every password that is kept anew: yuenyan init --new-vault-key"
        )


def refuse_lost_seal_key(config: Config) -> None:
    """Raise Refused where a new key of the seals would make every seal there is look forged."""
    key, seals = config.keys_dir / SEAL_KEY, config.data_dir / "archive" / SEALS
    if not key.exists() and seals.exists() and seals.stat().st_size:
        raise Refused(
            f"there is no {key}, and the seals of the archive are signed with it: bring it back"
            f" from the backup. Where there is none, keep {seals} and"
            f" {config.keys_dir / SEAL_PUBLIC_KEY} elsewhere, out of these folders: they go on"
            " proving what was sealed. Then run this again, and: yuenyan archive seal"
        )


def refuse_lost_authority(config: Config) -> None:
    """Raise Refused where another CA would take the place of one that devices know."""
    folder = CaFolder(config.ca_dir)
    if folder.exists() or (folder.path / SERVER).exists() or not has_database(config):
        return
    database = Database(config.database_url)
    try:
        # The table is not of the first schema.
        if not database.has_tables() or not inspect(database.engine).has_table("certificate"):
            return
        with database.read() as session:
            is_known = session.execute(_AUTHORITY).first() is not None
    finally:
        database.dispose()
    if is_known:
        raise Refused(
            f"there is no certificate authority in {folder.path}, and devices know the one of this"
            " database: bring the folder back from the backup, or from the other machine that uses"
            " this database, or begin with another authority and set every device up anew:"
            " yuenyan init --new-authority"
        )
