"""An object store that holds copies of segments: S3-compatible, or a folder of another disk.

The same paths as in the archive. Whoever reads from it compares what comes with the manifest;
nothing in it is believed. Does not know which segments belong there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from common.config_store import Store as StoreSection
from common.errors import ArchiveError, BackendUnavailable, ConfigError
from common.secret import read_secret_text

_PIECE_OCTETS = 8 << 20
_SILENT = ("NETWORK_CONNECTION", "REQUEST_TIMEOUT", "curlCode")
"""What the library says, among much else, when nobody is there."""

_SMALL_OCTETS = 1024
"""Of what `read` brings into memory: an identifier."""

_ATTEMPTS = 3
"""A 503 or a lost connection is tried again twice, within a second or so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a store is, and where its keys are to be found; no key itself."""

    url: str
    endpoint: str = ""
    region: str = ""
    credentials_file: str = ""
    ca: str = ""
    timeout_seconds: int = 10


def place_of(section: StoreSection) -> Place | None:
    """The place that the configuration names, or None."""
    if not section.url:
        return None
    return Place(
        url=section.url,
        endpoint=section.endpoint,
        region=section.region,
        credentials_file=str(section.credentials_file.absolute())
        if section.credentials_file
        else "",
        ca=str(section.ca.absolute()) if section.ca else "",
        timeout_seconds=section.timeout_seconds,
    )


class ObjectStore:
    """One place; connects when it is first asked. Every method may raise BackendUnavailable."""

    def __init__(self, place: Place) -> None:
        self.place = place
        parts = urlsplit(place.url)
        self._is_folder = parts.scheme == "file"
        self._root = parts.path if self._is_folder else f"{parts.netloc}{parts.path}"
        self._filesystem: Any = None
        self._hidden: tuple[str, ...] = ()

    def put(self, path: str, file: Path, octets: int) -> None:
        """Copy the first `octets` of `file`; whole and in its place when this returns.

        What a cut-off upload has left is never in its place, or has another size.

        Raises:
            FileNotFoundError: there is no such file.
            ArchiveError: it is shorter; nothing of it takes a place.
        """
        with file.open("rb") as source, self._asked():
            if os.fstat(source.fileno()).st_size < octets:
                raise ArchiveError(path, f"is shorter than its {octets} octets")
            target = self._name(path)
            aside = f"{target}.aside" if self._is_folder else target
            if self._is_folder:
                self._must_be_there()
                self._fs.create_dir(str(Path(aside).parent))
            left = octets
            with self._fs.open_output_stream(aside, compression=None) as stream:
                while left and (piece := source.read(min(left, _PIECE_OCTETS))):
                    stream.write(piece)
                    left -= len(piece)
            if self._is_folder:
                _sync(Path(aside))
                self._fs.move(aside, target)
                _sync(Path(target).parent)
        if self.size(path) != octets:
            raise BackendUnavailable("object store", f"{path} did not arrive whole")

    def size(self, path: str) -> int | None:
        """Octets of an object; None when there is none."""
        from pyarrow.fs import FileType

        with self._asked():
            info = self._fs.get_file_info(self._name(path))
        return int(info.size) if info.type is FileType.File else None

    def sizes(self) -> dict[str, int]:
        """Path -> octets of every segment there."""
        from pyarrow.fs import FileSelector, FileType

        with self._asked():
            self._must_be_there()
            selector = FileSelector(self._root, allow_not_found=True, recursive=True)
            found = self._fs.get_file_info(selector)
        return {
            info.path[len(self._root) + 1 :]: int(info.size)
            for info in found
            if info.type is FileType.File and info.path.endswith(".parquet")
        }

    def digest(self, path: str, most: int) -> str:
        """SHA-256, in hex, of an object as it comes back.

        Raises:
            FileNotFoundError: there is none.
            ArchiveError: more than `most` octets come.
        """
        digest = hashlib.sha256()
        for piece in self._pieces(path, most):
            digest.update(piece)
        return digest.hexdigest()

    def fetch(self, path: str, target: Path, most: int) -> str:
        """Copy an object into the file `target`, on the disk when this returns; its SHA-256.

        Raises:
            FileNotFoundError: there is none.
            ArchiveError: more than `most` octets come; no more of them is written.
        """
        digest = hashlib.sha256()
        with target.open("wb") as stream:
            for piece in self._pieces(path, most):
                digest.update(piece)
                stream.write(piece)
            stream.flush()
            os.fsync(stream.fileno())
        return digest.hexdigest()

    def part(self, path: str, at: int, octets: int) -> bytes:
        """Some octets of an object from `at` on; fewer where it ends before.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._asked(), self._fs.open_input_file(self._name(path)) as one:
            if at >= one.size():
                return b""
            return bytes(one.read_at(octets, at))

    def read(self, path: str) -> bytes | None:
        """A small object, or None.

        Raises:
            ArchiveError: it is not small.
        """
        try:
            return b"".join(self._pieces(path, _SMALL_OCTETS))
        except FileNotFoundError:
            return None

    def write(self, path: str, octets: bytes) -> None:
        """Put a small object in its place."""
        with self._asked():
            if self._is_folder:
                self._must_be_there()
            with self._fs.open_output_stream(self._name(path), compression=None) as stream:
                stream.write(octets)

    def delete(self, path: str) -> None:
        """Take an object away; that it is gone already is as good."""
        with suppress(FileNotFoundError), self._asked():
            self._fs.delete_file(self._name(path))

    def _pieces(self, path: str, most: int) -> Iterator[bytes]:
        left = most
        with self._asked(), self._fs.open_input_stream(self._name(path), compression=None) as one:
            while piece := one.read(min(_PIECE_OCTETS, left + 1)):
                if len(piece) > left:
                    raise ArchiveError(
                        path, f"was altered in the object store: it has more than {most} octets"
                    )
                left -= len(piece)
                yield piece

    @staticmethod
    def check_path(path: str) -> None:
        """Raise ConfigError for a path that leads out of the archive, whatever a line says."""
        if ".." in Path(path).parts or Path(path).is_absolute():
            raise ConfigError(f"{path} is no path of the archive")

    def _name(self, path: str) -> str:
        self.check_path(path)
        return f"{self._root}/{path}"

    def _must_be_there(self) -> None:
        """A folder is never made: while its disk is away it would lie on this one."""
        if self._is_folder and not Path(self._root).is_dir():
            raise BackendUnavailable("object store", f"there is no folder {self._root}")

    @property
    def _fs(self) -> Any:
        if self._filesystem is None:
            self._filesystem = self._connect()
        return self._filesystem

    def _connect(self) -> Any:
        try:
            from pyarrow import fs
        except ImportError as error:
            raise ConfigError(
                "an object store needs the package pyarrow; run: pip install 'yuenyan[s3]'",
                "store.url",
            ) from error
        if self._is_folder:
            return fs.LocalFileSystem()
        access, secret = _credentials(self.place)
        self._hidden = (access, secret)
        endpoint = urlsplit(self.place.endpoint)
        options: dict[str, Any] = {}
        if endpoint.netloc:
            options = {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme}
        if self.place.ca:
            options["tls_ca_file_path"] = self.place.ca
        return fs.S3FileSystem(
            access_key=access,
            secret_key=secret,
            region=self.place.region or "us-east-1",
            connect_timeout=self.place.timeout_seconds,
            request_timeout=self.place.timeout_seconds,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            background_writes=False,
            **options,
        )

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            detail = str(error).splitlines()[0] if str(error) else type(error).__name__
            if any(word in detail for word in _SILENT):
                where = self.place.endpoint or self.place.url
                detail = f"{where} does not answer; see [store] endpoint"
            for hidden in self._hidden:
                detail = detail.replace(hidden, "…")
            raise BackendUnavailable("object store", detail) from None


def _credentials(place: Place) -> tuple[str, str]:
    """(access key, secret key).

    Raises:
        ConfigError: there are none, or others can read their file.
    """
    if not place.credentials_file:
        found = [
            os.environ.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
        ]
        if not all(found):
            raise ConfigError(
                "name a file with access key and secret key, or set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY",
                "store.credentials_file",
            )
        return found[0], found[1]
    advice = "write access key and secret key into it, a line each"
    lines = read_secret_text(Path(place.credentials_file), advice).split()
    if len(lines) != 2:
        raise ConfigError(
            f"{place.credentials_file} must hold access key and secret key, a line each",
            "store.credentials_file",
        )
    return lines[0], lines[1]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
