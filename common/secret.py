"""Secret values that do not show themselves, and files that hold them.

Comparison is in constant time. Key files are made once, mode 0600.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from common.errors import ConfigError
from common.owners import other_owner

_FROM_BACKUP = "bring it back from the backup; on a new site run 'yuenyan init' first"
"""`init` makes a key that is missing, and nothing that the lost one has locked is read again."""


class Secret:
    """Octets that never appear in a repr, a log line or a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The octets themselves; call only where they are used."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)


def write_secret_file(path: Path, value: bytes) -> bool:
    """Write `value` to a new file of mode 0600; False when the file was already there.

    What could not be written whole is taken away: the next try would take it for the key.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(value)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def read_secret_file(path: Path, advice: str = _FROM_BACKUP) -> Secret:
    """The octets of a key file without surrounding white space.

    Args:
        advice: what to do when the file is missing; the keys of a site come from `init`.

    Raises:
        ConfigError: the file is missing, empty, readable by others, or not by this user.
    """
    try:
        mode = path.stat().st_mode & 0o077
        value = path.read_bytes()
    except OSError as error:
        if isinstance(error, PermissionError) and (owner := other_owner(path)) is not None:
            advice = f"run it as {owner}"
        raise ConfigError(f"cannot read {path} ({error.strerror}); {advice}") from error
    if mode:
        raise ConfigError(f"{path} can be read by others; run: chmod 600 {path}")
    if not value.strip():
        raise ConfigError(f"{path} is empty; a key file must hold a key")
    return Secret(value)


def read_secret_text(path: Path, advice: str = _FROM_BACKUP) -> str:
    """The text of a key file without its line ends, for whoever needs it as a text.

    Raises:
        ConfigError: as `read_secret_file`, or it holds no text.
    """
    try:
        return read_secret_file(path, advice).reveal().decode("utf-8").strip("\r\n")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} holds no text (UTF-8); bring the file back that was there"
        ) from error
