"""Whose a file is, for who may not read it. Loads nothing but the list of this machine's users."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def other_owner(path: str | Path) -> str | None:
    """Who owns `path`, or the nearest folder above it that can be seen; None: this user does."""
    path = Path(path).absolute()
    for place in (path, *path.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue
        return None if owner == os.geteuid() else name_of(owner)
    return None


def name_of(number: int) -> str:
    """The name of a user of this machine, or the number of one who has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
