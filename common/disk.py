"""How full the disk of the records is, and whether newcomers are let in while it is full.

Nothing is ever deleted here to make room: what the law wants kept is kept.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from common.logging import get_logger

_log = get_logger(__name__)


class Level(IntEnum):
    """Per cent of the disk from which on it is worse."""

    ROOMY = 0
    FILLING = 70
    NEARLY = 85
    FULL = 95


@dataclass(frozen=True, slots=True)
class Room:
    """The disk below one path."""

    used_percent: int
    free_octets: int
    total_octets: int = 0
    """0: not known."""

    @property
    def level(self) -> Level:
        """The worst level that is reached."""
        return max(level for level in Level if self.used_percent >= level)

    def without(self, octets: int) -> Room:
        """What is left when so many more are written; free octets below zero: they do not fit."""
        free = self.free_octets - octets
        used = _used(self.total_octets, free) if self.total_octets else self.used_percent
        return Room(used, free, self.total_octets)

    @property
    def text(self) -> str:
        """In words, for findings and logs."""
        return f"{self.used_percent} % used, {self.free_octets / 2**30:.1f} GiB free"


def room_of(path: Path) -> Room | None:
    """The room below `path`; None when nobody can tell."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return Room(_used(usage.total, usage.free), usage.free, usage.total)


def _used(total: int, free: int) -> int:
    return round(100 * (1 - free / total))


class Gate:
    """Closed while the disk is full and the site has chosen to refuse logins then."""

    def __init__(self, path: Path, policy: str) -> None:
        """Take the data directory and `archive.disk_full`."""
        self._path = path
        self._refuses = policy == "refuse-logins"
        self._was_closed = False

    def is_closed(self) -> bool:
        """Look now; one system call. A change is logged."""
        if not self._refuses:
            return False
        room = room_of(self._path)
        closed = room is not None and room.level is Level.FULL
        if closed != self._was_closed:
            self._was_closed = closed
            event = "disk_full_logins_refused" if closed else "disk_has_room_logins_admitted"
            _log.error(event, room="" if room is None else room.text)
        return closed
