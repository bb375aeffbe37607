"""A site whose archive is there and whose database is not: `init` refuses to make an empty one."""

from __future__ import annotations

import contextlib

from common.config import Config
from common.counting import counted
from common.errors import ArchiveError

RESTORE = (
    "restore the backup of the database; 'yuenyan init' refuses to make an empty one in its place"
)


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
