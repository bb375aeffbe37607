"""Who is at the console. Loads next to nothing: see yuenyan.at_once."""

from __future__ import annotations

import os
import pwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from yuenyan.context import Context

_NOBODY = 2**32 - 1
"""loginuid of a process that no login has started."""


_LOGIN = "/proc/self/loginuid"


class Operator:
    """Who is at the console: the account the command runs as, and the one that logged in.

    `sudo_user` is who sudo says has called it, where the kernel knows of no person.
    """

    __slots__ = ("logged_in", "runs_as", "sudo_user")

    def __init__(self, runs_as: str, logged_in: str | None, sudo_user: str | None = None) -> None:
        self.runs_as = runs_as
        self.logged_in = logged_in
        self.sudo_user = sudo_user

    @property
    def name(self) -> str:
        """The person, as far as the system knows: root is nobody in particular."""
        return self.sudo_user or self.logged_in or self.runs_as

    @property
    def noted(self) -> dict[str, str | int | bool | None]:
        """For the record."""
        noted: dict[str, str | int | bool | None] = {
            "os_user": self.runs_as,
            "login_user": self.logged_in,
        }
        if self.sudo_user:
            noted["sudo_user"] = self.sudo_user
        return noted


def operator() -> Operator:
    """Asked of the kernel, which says who logged in whatever became of them since.

    SUDO_USER can say anything, so it is a word beside what the kernel says, and counts only where
    that is nobody but root: in a container, or where no login sets the number.
    """
    number = os.getuid()
    runs_as = _name(number)
    try:
        with open(_LOGIN, "rb") as stream:  # noqa: PTH123 - nor does it load an encoding
            login = int(stream.read())
    except (OSError, ValueError):
        login = _NOBODY
    sudo_user = _sudo_user() if number == 0 and login in (0, _NOBODY) else None
    return Operator(runs_as, None if login == _NOBODY else _name(login), sudo_user)


def _sudo_user() -> str | None:
    """Who has called sudo, if it is somebody of this machine and not root."""
    said = os.environ.get("SUDO_USER")
    if not said:  # or every source of names would be loaded, and asked for nobody
        return None
    try:
        found = pwd.getpwnam(said)
    except (KeyError, ValueError):
        return None
    return found.pw_name if found.pw_uid else None


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
