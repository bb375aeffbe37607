"""Who is at the console."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

_NOBODY = 2**32 - 1
"""loginuid of a process that no login has started."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who is at the console: the account the command runs as, and the one that logged in."""

    runs_as: str
    logged_in: str | None

    @property
    def name(self) -> str:
        """The person, as far as the system knows: root is nobody in particular."""
        return self.logged_in or self.runs_as

    @property
    def noted(self) -> dict[str, str | int | bool | None]:
        """For the record."""
        return {"os_user": self.runs_as, "login_user": self.logged_in}


def operator() -> Operator:
    """Asked of the kernel; variables such as SUDO_USER can say anything."""
    runs_as = _name(os.getuid())
    try:
        number = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        number = _NOBODY
    return Operator(runs_as, None if number == _NOBODY else _name(number))


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
