"""Who is at the console. Loads next to nothing: see yuenyan.at_once."""

from __future__ import annotations

import os
import pwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yuenyan.context import Context

_NOBODY = 2**32 - 1
"""loginuid of a process that no login has started."""


class Operator:
    """Who is at the console: the account the command runs as, and the one that logged in."""

    __slots__ = ("logged_in", "runs_as")

    def __init__(self, runs_as: str, logged_in: str | None) -> None:
        self.runs_as = runs_as
        self.logged_in = logged_in

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
        with open("/proc/self/loginuid", encoding="ascii") as stream:  # noqa: PTH123
            number = int(stream.read())
    except (OSError, ValueError):
        number = _NOBODY
    return Operator(runs_as, None if number == _NOBODY else _name(number))


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def note_reading(
    context: Context, action: str, target: str, /, **detail: str | int | bool | None
) -> None:
    """Put on record what was read of people at the console, and by whom (R50).

    Before it is printed: what could not be recorded is not read.
    """
    # Not at the top: `flows` of an address starts without the database layer.
    from common.clock import utc_now
    from identity.services import audit

    with context.database.write() as session:
        audit.record(
            session, utc_now(), context.actor, action, target, **operator().noted, **detail
        )
