"""A folder in the system's temporary directory that outlives nobody, not even who is killed.

Whoever uses one holds a lock on it, which the kernel gives back however they end. Who makes the
next one takes away those of the same kind that nobody holds. Never follows a link, and touches
nothing of another user.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "yuenyan-"
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def scratch_folder(kind: str, place: Path | None = None) -> Iterator[Path]:
    """A new folder for this process and those that `hold` it; deleted at the end.

    Args:
        kind: what it is for; part of its name.
        place: where it is made; None takes the system's temporary directory.
    """
    inside = Path(tempfile.gettempdir()) if place is None else place
    sweep(kind, inside)
    folder, handle = _make(kind, inside)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def hold(folder: Path) -> int:
    """Keep `folder` from being taken away as long as the descriptor is open, or this process lives.

    Raises:
        OSError: it is not there.
    """
    handle = os.open(folder, _FLAGS)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def sweep(kind: str, inside: Path) -> int:
    """Delete the folders of `kind` that nobody holds; how many there were."""
    # Before they were locked they had eight letters alone; an empty one is nobody's.
    older = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
    gone = 0
    for path in inside.glob(f"{_PREFIX}*"):
        if path.name.startswith(f"{_PREFIX}{kind}-"):
            gone += _take_away(path, shutil.rmtree)  # which follows no link either
        elif older.fullmatch(path.name):
            gone += _take_away(path, Path.rmdir)
    return gone


def _make(kind: str, inside: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-", dir=inside))
        with suppress(FileNotFoundError):
            handle = hold(folder)
            with suppress(FileNotFoundError):
                if os.path.samestat(folder.lstat(), os.fstat(handle)):
                    return folder, handle
            os.close(handle)  # somebody swept before it was held


def _take_away(path: Path, delete: Callable[[Path], None]) -> bool:
    """Whether it was a folder of ours that nobody held, and is gone."""
    try:
        handle = os.open(path, _FLAGS)
    except OSError:
        return False
    try:
        if os.fstat(handle).st_uid != os.geteuid():
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        delete(path)  # while it is locked: who has just made it waits, and makes another
    except OSError:
        return False
    finally:
        os.close(handle)
    return True
