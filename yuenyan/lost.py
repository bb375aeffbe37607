"""Whether there is a database, and whether one was lost: then `init` makes no empty one."""

from __future__ import annotations

import contextlib
from pathlib import Path

from common.config import Config
from common.counting import counted
from common.errors import ArchiveError

RESTORE = (
    "restore the backup of the database; 'yuenyan init' refuses to make an empty one in its place"
)


def has_database(config: Config) -> bool:
    """False when a SQLite file is not there yet; opening it would make it."""
    return not config.is_sqlite or Path(config.database_url.removeprefix("sqlite:///")).exists()


def describe_loss(config: Config) -> str | None:
    """What is there without a database; None when the archive is empty, so that nothing is lost.

    Call it when there is no database or it has no tables.
    """
    from traffic.archive.manifest import Manifest

    with contextlib.suppress(ArchiveError):
        entries = Manifest(config.data_dir / "archive").finished()[0].count()
        if not entries:
            return None
        return f"the archive has {counted(entries, 'entry', 'entries')} but the database is gone"
    return "there is an archive but the database is gone"
