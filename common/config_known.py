"""What a valid configuration came to, kept beside the data for the commands that cannot wait.

Reading a configuration strictly takes longer than finding a client's flows. Whoever has read it
notes its digest and the few values that `flows` needs in `<data_dir>/config.known`; as long as
file and code are the same ones, they need not be read again. Derived: may be deleted at any
time, and is believed only where none but its reader, or root, can have written it.
"""

from __future__ import annotations

import os

from common import plain_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from common.config import Config

NAME = "config.known"
_DATABASE = "YUENYAN_DATABASE_URL"
_DEFAULT = "var"
_LARGEST = 1 << 20


class Known:
    """The values of a configuration that were noted."""

    def __init__(self, tree: dict[str, Any]) -> None:
        self.data_dir: str = tree["data_dir"]
        self.zone: str = tree["zone"]
        self.database: str = tree["database"]
        """The file of the SQLite database."""
        self.segment_seconds: int = tree["segment_seconds"]
        self.second_person: bool = tree["second_person"]
        self.named: str = tree["named"]
        """The office's word for what names people."""
        self.inside: list[str] = tree["inside"]
        self.inside_digest: str = tree["inside_digest"]


def find(named: str | None) -> Known | None:
    """What is known of the configuration that a command is to use; None: it has to be read.

    Args:
        named: the file as the operator named it.
    """
    if os.environ.get(_DATABASE):
        return None
    source = named or os.environ.get("YUENYAN_CONFIG") or ""
    if not source and os.path.exists("yuenyan.toml"):  # noqa: PTH110 - pathlib is slow to load
        source = "yuenyan.toml"
    try:
        octets = _read(source) if source else b""
        data_dir = os.path.abspath(_said_data_dir(octets))  # noqa: PTH100
        tree = plain_json.loads(_believed(f"{data_dir}/{NAME}").decode())
        if tree["key"] != _key(source, octets) or tree["data_dir"] != data_dir:
            return None
        return Known(tree)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(config: Config, inside_digest: str) -> None:
    """Note what `config` came to, where `find` looks for it; who may not write there does not."""
    data_dir = str(config.data_dir)
    url = config.database.url
    if os.environ.get(_DATABASE) or config.database.url_file or not os.path.isdir(data_dir):  # noqa: PTH112
        return
    if (url and not url.startswith("sqlite:///")) or config.collector.without_destinations:
        return  # the answers of such a site are not plain
    source = str(config.source or "")
    path = f"{data_dir}/{NAME}"
    try:
        octets = _read(source) if source else b""
        if os.path.abspath(_said_data_dir(octets)) != data_dir:  # noqa: PTH100
            return
        text = plain_json.dumps(
            {
                "key": _key(source, octets),
                "data_dir": data_dir,
                "zone": config.site.timezone,
                "database": config.database_url.removeprefix("sqlite:///"),
                "segment_seconds": config.archive.segment_seconds,
                "second_person": config.lookup.second_person,
                "named": config.lookup.confidentiality[True],
                "inside": list(config.collector.inside),
                "inside_digest": inside_digest,
            }
        )
        try:
            if _believed(path).decode() == text:
                return
        except (OSError, ValueError):
            pass
        aside = f"{path}.{os.getpid()}"
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(text.encode())
            os.rename(aside, path)  # noqa: PTH104
        except OSError:
            os.unlink(aside)  # noqa: PTH108 - a full disk would get one of each command
            raise
    except (OSError, ValueError):
        return


def _said_data_dir(octets: bytes) -> str:
    """Where the data seem to be. Only a hint where to look: what is found there says itself."""
    for line in octets.decode().splitlines():
        name, equals, value = line.partition("=")
        if equals and name.strip() == "data_dir":
            value = value.strip()
            quote = value[:1]
            if quote not in ('"', "'") or "\\" in value:
                raise ValueError("written in another way")
            return value[1:].partition(quote)[0]
    return _DEFAULT


def _key(source: str, octets: bytes) -> str:
    """Tells this configuration, and the code that reads it, from all others."""
    try:  # the interpreter's own: hashlib loads OpenSSL first
        from _sha256 import sha256  # type: ignore[import-not-found]  # not described
    except ImportError:
        from hashlib import sha256
    digest = sha256(os.path.abspath(source).encode() if source else b"")  # noqa: PTH100
    digest.update(b"\0" + octets)
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    with os.scandir(here) as found:
        files = sorted((one.name, one.stat()) for one in found if one.name.endswith(".py"))
    for name, stat in files:
        digest.update(f"\0{name} {stat.st_size} {stat.st_mtime_ns}".encode())
    return str(digest.hexdigest())


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:  # noqa: PTH123
        octets = stream.read(_LARGEST)
    if len(octets) == _LARGEST:
        raise ValueError("is too long")
    return octets


def _believed(path: str) -> bytes:
    """The octets of a file that nobody but root and this user can have written."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        stat = os.fstat(handle)
        if stat.st_uid not in (0, os.geteuid()) or stat.st_mode & 0o022 or stat.st_nlink != 1:
            raise ValueError("others may write it, or have put it there")
        return os.read(handle, _LARGEST)
    finally:
        os.close(handle)
