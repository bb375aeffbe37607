"""Segments that have left this disk for an object store come back when somebody reads them.

`archive/elsewhere.json` says where the store is, so that every reader of the archive knows
without being told. A segment is compared with its line of the manifest before it is here:
nobody ever reads what the store made of it.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Container, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from common.disk import Level, room_of
from common.errors import ArchiveError, BackendUnavailable, ConfigError
from traffic.archive.entries import Entry
from traffic.archive.lines import PathSet
from traffic.archive.manifest import ELSEWHERE as NAME
from traffic.archive.manifest import Manifest
from traffic.archive.store import ObjectStore, Place

AT_ONCE = 16
"""Objects on their way at a time. A day of minutes is 1,440 objects, and each is asked for twice
(is it there, what is in it): at 30 ms an answer not quite six seconds."""

_UNDER_WAY = ".recalled"
"""Ends the name of what is on its way."""

_BATCH = 64
"""Segments that take their places together; those of the next are under way meanwhile."""


def read_place(archive: Path) -> Place | None:
    """Where segments of this archive lie beside this disk, or None.

    Raises:
        ArchiveError: the file is damaged.
    """
    try:
        return Place(**json.loads((archive / NAME).read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BackendUnavailable("archive", f"{NAME}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise ArchiveError(NAME, "is damaged; delete it, the housekeeper writes it anew") from error


def note_place(archive: Path, place: Place) -> None:
    """Say where segments lie; call it before the first of them leaves this disk."""
    with suppress(ArchiveError):
        if read_place(archive) == place:
            return
    aside = archive / f"{NAME}.{os.getpid()}"
    aside.write_text(json.dumps(asdict(place)) + "\n", encoding="utf-8")
    aside.rename(archive / NAME)


def recall(archive: Path, entries: Sequence[Entry]) -> int:
    """Bring those of `entries`' segments back that are not here; how many.

    Raises:
        ArchiveError: naming a segment that is nowhere, or that the store has altered.
        BackendUnavailable: the store does not answer, its keys are missing, or the disk has no
            room.
    """
    place = read_place(archive)
    if place is None:
        return 0
    missing = [entry for entry in entries if not _is_here(archive / entry.path)]
    if not missing:
        return 0
    _check_room(archive, missing)
    _Recalling(archive, ObjectStore(place)).bring(missing)
    return len(missing)


class _Recalling:
    """Segments on their way back into one archive."""

    def __init__(self, archive: Path, store: ObjectStore) -> None:
        self._archive = archive
        self._store = store
        self._manifest = Manifest(archive)
        self._gone = _Gone(self._manifest)

    def bring(self, missing: Sequence[Entry]) -> None:
        """Fetch several at a time; after a failure none is begun, and none is under way."""
        batches = [missing[start : start + _BATCH] for start in range(0, len(missing), _BATCH)]
        if _is_under_way(self._archive, missing[0]):
            batches.reverse()  # somebody wants the same and began in front: they meet half way
        under_way: deque[_Batch] = deque()
        with ThreadPoolExecutor(AT_ONCE, "recall") as pool:
            try:
                for some in batches:
                    try:
                        to_come = sum(batch.to_come() for batch in under_way)
                        _check_room(self._archive, some, to_come)
                    except BackendUnavailable:
                        self._end_but(0, under_way)  # there was room for these
                        raise
                    under_way.append(self._begin(pool, some))
                    self._end_but(1, under_way)
                self._end_but(0, under_way)
            finally:
                pool.shutdown(cancel_futures=True)
                for batch in under_way:
                    batch.clear()

    def _begin(self, pool: ThreadPoolExecutor, entries: Sequence[Entry]) -> _Batch:
        asides = [_aside(self._archive, entry) for entry in entries]
        fetches = [
            pool.submit(self._fetch_missing, entry, aside)
            for entry, aside in zip(entries, asides, strict=True)
        ]
        return _Batch(entries, asides, fetches)

    def _end_but(self, left: int, under_way: deque[_Batch]) -> None:
        while len(under_way) > left:
            self._end(under_way[0])
            under_way.popleft()

    def _end(self, batch: _Batch) -> None:
        """All of it takes its place, but for what was purged meanwhile."""
        came = [one.result() for one in batch.fetches]
        self._gone.read_on()  # a long manifest is read before anybody is kept waiting
        with self._manifest.locked():
            # A purge holds this lock from its line to the deletion: nothing comes back after it.
            self._gone.read_on()
            for entry, aside, is_new in zip(batch.entries, batch.asides, came, strict=True):
                if is_new and entry.path not in self._gone:
                    aside.rename(self._archive / entry.path)
        batch.clear()

    def _fetch_missing(self, entry: Entry, aside: Path) -> bool:
        """Whether it is in `aside` now; not, where somebody else has brought it meanwhile."""
        if _is_here(self._archive / entry.path):
            return False
        _fetch(self._store, entry, aside)
        return True


@dataclass(frozen=True, slots=True)
class _Batch:
    entries: Sequence[Entry]
    asides: Sequence[Path]
    fetches: Sequence[Future[bool]]

    def to_come(self) -> int:
        """Octets that are not on the disk yet."""
        return sum(
            max(0, entry.octets - _size(aside))
            for entry, aside in zip(self.entries, self.asides, strict=True)
        )

    def clear(self) -> None:
        """Take away what has not taken its place; nothing of it is under way any more."""
        for aside in self.asides:
            aside.unlink(missing_ok=True)


class _Gone(Container[str]):
    """Paths that purges took away, by lines that are each read once: a manifest may be long."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._octets = 0
        self._found: list[PathSet] = []

    def read_on(self) -> None:
        """Take in the lines that have come since."""
        lines = replace(self._manifest.committed(), begin=self._octets)
        self._octets = lines.octets
        if found := lines.purged():
            self._found.append(found)

    def __contains__(self, path: object) -> bool:
        return any(path in found for found in self._found)


def _check_room(archive: Path, entries: Sequence[Entry], to_come: int = 0) -> None:
    """A question about last spring must not cost the records of today.

    Args:
        to_come: octets for which there was room before, and that will take it.
    """
    room = room_of(archive)
    if room is None:
        return
    octets = sum(entry.octets for entry in entries)
    left = room.without(octets + to_come)
    if Level.FULL in (room.level, left.level) or left.free_octets < 0:
        raise BackendUnavailable(
            "archive",
            f"the disk is too full to bring {len(entries)} segments back, {octets / 2**30:.1f} GiB "
            f"({room.text}); ask about a shorter time or make room",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _is_here(path: Path) -> bool:
    """Whether the file is there; it is marked as read, and so stays for another day."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except OSError:
        return path.exists()
    return True


def _aside(archive: Path, entry: Entry) -> Path:
    final = archive / entry.path
    return final.with_name(f"{final.name}.{os.getpid()}-{threading.get_ident()}{_UNDER_WAY}")


def _is_under_way(archive: Path, entry: Entry) -> bool:
    final = archive / entry.path
    return any(final.parent.glob(f"{final.name}.*{_UNDER_WAY}"))


def _fetch(store: ObjectStore, entry: Entry, aside: Path) -> None:
    try:
        store.check_path(entry.path)
        aside.parent.mkdir(parents=True, exist_ok=True)
        digest = store.fetch(entry.path, aside, entry.octets)
    except ConfigError as error:
        raise BackendUnavailable("object store", str(error)) from error
    except FileNotFoundError as error:
        message = "is missing, here and in the object store"
        raise ArchiveError(entry.path, message) from error
    except OSError as error:
        raise BackendUnavailable("archive", f"{entry.path}: {error.strerror}") from error
    if digest != entry.sha256:
        raise ArchiveError(
            entry.path, "was altered in the object store: its SHA-256 is not the recorded one"
        )
