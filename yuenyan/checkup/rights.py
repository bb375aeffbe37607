"""What the user who asks may not look at, said once; no check ends the others. Changes nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from common.config import Config
from common.errors import NetAccessError
from common.owners import name_of, other_owner
from yuenyan.checkup.finding import Finding, error, warn

CHECK = "rights"
_SHOWN = 5
_DEEP = ("keys", "ca")
"""Folders whose files have rights of their own; of others the folder tells."""


def check_rights(config: Config) -> Iterator[Finding]:
    """Whether this user may look at all there is, and nobody may who should not.

    What is said below of the rest is not known.
    """
    closed = list(_closed(config))
    if closed:
        shown = ", ".join(str(path) for path in closed[:_SHOWN])
        more = f" and {len(closed) - _SHOWN} more" if len(closed) > _SHOWN else ""
        yield error(
            CHECK,
            f"{name_of(os.geteuid())} may not look at {shown}{more}: what is said of that below"
            " can be wrong",
            _advice(closed[0]),
        )
    yield from _check_others(config)


def _check_others(config: Config) -> Iterator[Finding]:
    """Whether every user of this machine can read who the people are, and who was where."""
    if not config.is_sqlite:
        return
    path = Path(config.database_url.removeprefix("sqlite:///")).absolute()
    with suppress(OSError):  # it is not there, or may not be seen
        ways_in = all(place.stat().st_mode & stat.S_IXOTH for place in path.parents)
        if ways_in and path.stat().st_mode & stat.S_IROTH:
            yield warn(
                "rights of others",
                f"everybody on this machine can read {path}",
                f"run: chmod o-rwx {path.parent}",
            )


def _closed(config: Config) -> Iterator[Path]:
    folder = config.data_dir
    if config.source is not None and not os.access(config.source, os.R_OK):
        yield config.source
    try:
        if not folder.is_dir():
            return  # check_disk tells
        if not os.access(folder, os.R_OK | os.X_OK):
            yield folder
            return
        for place in sorted(folder.iterdir()):
            wanted = os.R_OK | (os.X_OK if place.is_dir() else 0)
            if place.suffix == ".db":
                wanted |= os.W_OK  # SQLite reads no database that it may not lock
            if not os.access(place, wanted):
                yield place
            elif place.name in _DEEP:
                yield from (one for one in sorted(place.glob("[!.]*")) if not _readable(one))
    except PermissionError as problem:
        yield Path(problem.filename or folder)


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK)


def is_denied(problem: BaseException | None) -> bool:
    """Whether what went wrong is that this user may not read a file."""
    while problem is not None and not isinstance(problem, PermissionError):
        problem = problem.__cause__
    return problem is not None


def _advice(path: Path) -> str:
    owner = other_owner(path)
    return "run it as root" if owner is None else f"run it as {owner}"


def look(check: Callable[[Config], Iterator[Finding]], config: Config) -> Iterator[Finding]:
    """What `check` finds; what keeps it from looking on is a finding, too."""
    try:
        yield from check(config)
    except (NetAccessError, OSError, SQLAlchemyError) as problem:
        text = (str(problem).splitlines() or [type(problem).__name__])[0]
        todo = "mend that, then ask again"
        if is_denied(problem):
            path = Path(getattr(problem, "filename", None) or config.data_dir)
            todo = _advice(path)
            if isinstance(problem, PermissionError):
                text = f"{path} may not be read"
        yield error(_name(check), f"not looked at to the end: {text}", todo)


def _name(check: Callable[[Config], Iterator[Finding]]) -> str:
    return check.__name__.removeprefix("check_").replace("_", " ")
