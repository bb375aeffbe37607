"""What `yuenyan init` does: data directory, keys, database, lab certificates, first admin.

Safe to repeat: what is there stays as it is.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.config import Config
from common.errors import BackendUnavailable, ConfigError, Refused
from common.secret import write_secret_file
from db.engine import OPERATOR, Database
from db.migrate import alone, upgrade
from identity.domain.levels import FIRST_OFFICER
from identity.office import Office
from identity.services import certificate_setup, nas_hygiene, people, roles
from identity.services.audit import CONSOLE
from identity.vault import make_key
from traffic.archive.seals import KEY_FILE as SEAL_KEY
from traffic.archive.seals import PUBLIC_FILE as SEAL_PUBLIC_KEY
from traffic.archive.seals import write_public_key
from traffic.evidence import keys as evidence_keys
from yuenyan.commands.console import operator
from yuenyan.lost import describe_loss, has_database
from yuenyan.lost_keys import refuse_lost_authority, refuse_lost_seal_key, refuse_lost_vault_key

PORTAL_SESSION_KEY = "portal-session.key"
ADMIN_SESSION_KEY = "admin-session.key"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was made this time; empty when everything was there."""

    made: tuple[str, ...]


def initialise(
    config: Config,
    admin: str | None,
    admin_password: str | None,
    *,
    may_be_empty: bool = False,
    may_lose_secrets: bool = False,
    may_lose_authority: bool = False,
) -> Outcome:
    """Make whatever is missing.

    Args:
        may_be_empty: make an empty database although the archive says there was another one.
        may_lose_secrets: make a vault key although the database holds secrets under another.
        may_lose_authority: make a CA although devices know another, which the database names.

    Raises:
        ConfigError: the data directory cannot be written.
        BackendUnavailable: its disk is full, or the database does not answer.
        Refused: the database of an archive is gone, or the key of its seals, or the vault key or
            the CA of a database; nothing was made then.
        UsageError: the admin's name or password cannot be used.
    """
    if not may_be_empty:
        _refuse_lost_database(config)
    if not may_lose_secrets:
        refuse_lost_vault_key(config)
    if not may_lose_authority:
        refuse_lost_authority(config)
    refuse_lost_seal_key(config)
    with _writing(config):
        config.data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    with _by_itself(config.data_dir):
        with _writing(config):
            made = _make_files(config)
        database = Database(config.database_url, {OPERATOR: operator().noted})
        try:
            with alone(database):
                made += _fill(config, database, admin, admin_password)
        finally:
            database.dispose()
    return Outcome(tuple(made))


@contextmanager
def _writing(config: Config) -> Iterator[None]:
    """What the system refuses in the block, in our words."""
    try:
        yield
    except OSError as error:
        where = error.filename or config.data_dir
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BackendUnavailable("disk", f"{where}: {error.strerror}", "make room") from error
        raise ConfigError(f"cannot write {where}: {error.strerror}", "site.data_dir") from error


@contextmanager
def _by_itself(folder: Path) -> Iterator[None]:
    """No other `init` of this folder goes on while the block runs: it would meet half a key."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make_files(config: Config) -> list[str]:
    """Folders, keys and an empty database of SQLite; what was made."""
    made: list[str] = []
    config.keys_dir.mkdir(mode=0o700, exist_ok=True)
    if make_key(config.keys_dir):
        made.append("vault key")
    for name in (PORTAL_SESSION_KEY, ADMIN_SESSION_KEY):
        if write_secret_file(config.keys_dir / name, secrets.token_hex(32).encode()):
            made.append(name)
    if _make_seal_key(config.keys_dir):
        made.append("seal key")
    if evidence_keys.make_key(config.keys_dir):
        made.append("evidence key")
    config.ca_dir.mkdir(mode=0o755, exist_ok=True)
    _make_database_file(config)
    return made


def _fill(
    config: Config, database: Database, admin: str | None, admin_password: str | None
) -> list[str]:
    """Tables, roles, certificates and the first administrator; what was made."""
    upgrade(database)
    office = Office.open(config, database)
    with database.write() as session:
        roles.seed(session)
        nas_hygiene.note_strengths(session, office)
    made = list(certificate_setup.set_up(office, CONSOLE))
    if admin is not None and _make_admin(office, admin, admin_password or ""):
        made.append(f"admin account {admin}")
    return made


def _refuse_lost_database(config: Config) -> None:
    """Raise Refused where an empty database would take the place of one that was lost.

    The archive's sessions and look-ups name accounts by numbers that the new one would give to
    other people.
    """
    loss = describe_loss(config)
    if loss is None:
        return
    database = Database(config.database_url)
    try:
        is_lost = not database.has_tables()
    finally:
        database.dispose()
    if is_lost:
        raise Refused(
            f"{loss}: restore the backup of the database (docs/retention.md), or begin with an"
            " empty one, which knows nobody of the archive: yuenyan init --empty-database"
        )


def _make_database_file(config: Config) -> None:
    """An empty file of SQLite that others on this machine may not read, whatever their umask is."""
    if has_database(config):
        return
    path = Path(config.database_url.removeprefix("sqlite:///"))
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))


def _make_seal_key(keys_dir: Path) -> bool:
    """Make the key of the seals; its public half as well where that alone is missing."""
    seed = Ed25519PrivateKey.generate().private_bytes_raw().hex()
    made = write_secret_file(keys_dir / SEAL_KEY, seed.encode())
    if made or not (keys_dir / SEAL_PUBLIC_KEY).exists():
        write_public_key(keys_dir)
    return made


def _make_admin(office: Office, name: str, password: str) -> bool:
    with office.database.read() as session:
        if people.find(session, name) is not None:
            return False
    office.passwords.check_strength(password)
    hashed = office.passwords.hash(password)
    with office.database.write() as session:
        people.add_user(
            session,
            office,
            people.NewUser(
                username=name,
                password_hash=hashed,
                role="staff",
                levels=FIRST_OFFICER,
                password=password,
            ),
            actor=CONSOLE,
        )
    return True
