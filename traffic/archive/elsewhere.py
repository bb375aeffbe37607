"""Segments that have left this disk for an object store come back when somebody reads them.

`archive/elsewhere.json` says where the store is, so that every reader of the archive knows
without being told. A segment is compared with its line of the manifest before it is here:
nobody ever reads what the store made of it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from common.disk import Level, room_of
from common.errors import ArchiveError, BackendUnavailable, ConfigError
from traffic.archive.entries import Entry
from traffic.archive.manifest import ELSEWHERE as NAME
from traffic.archive.manifest import Manifest
from traffic.archive.store import ObjectStore, Place

_AT_ONCE = 8
"""Requests to the store at a time; a day of minutes is 1,440 objects."""

_BATCH = 64
"""Segments that take their places together."""


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
    store = ObjectStore(place)
    _check_room(archive, missing)
    for start in range(0, len(missing), _BATCH):
        some = missing[start : start + _BATCH]
        _check_room(archive, some)
        asides = [_aside(archive, entry) for entry in some]
        try:
            _fetch_all(store, some, asides)
            _take_places(archive, some, asides)
        finally:
            for aside in asides:
                aside.unlink(missing_ok=True)
    return len(missing)


def _check_room(archive: Path, entries: Sequence[Entry]) -> None:
    """A question about last spring must not cost the records of today."""
    room = room_of(archive)
    if room is None:
        return
    octets = sum(entry.octets for entry in entries)
    if room.level is Level.FULL or octets > room.free_octets:
        raise BackendUnavailable(
            "archive",
            f"the disk is too full to bring {len(entries)} segments back, {octets / 2**30:.1f} GiB "
            f"({room.text}); ask about a shorter time or make room",
        )


def _fetch_all(store: ObjectStore, entries: Sequence[Entry], asides: Sequence[Path]) -> None:
    """Fetch them, several at a time; after a failure none is begun, and none is under way."""
    with ThreadPoolExecutor(_AT_ONCE, "recall") as pool:
        under_way = [
            pool.submit(_fetch, store, entry, aside)
            for entry, aside in zip(entries, asides, strict=True)
        ]
        try:
            for one in under_way:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)


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
    return final.with_name(f"{final.name}.{os.getpid()}-{threading.get_ident()}.recalled")


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


def _take_places(archive: Path, entries: Sequence[Entry], asides: Sequence[Path]) -> None:
    manifest = Manifest(archive)
    with manifest.locked():
        # A purge holds this lock from its line to the deletion: nothing comes back after it.
        gone = manifest.committed().purged()
        for entry, aside in zip(entries, asides, strict=True):
            if entry.path not in gone:
                aside.rename(archive / entry.path)
