"""Leaves out segments that have left this disk and cannot hold what a question is about.

What a segment mentions stays here when it leaves, in a file beside where it was; it counts only
if it has the SHA-256 that its line of the manifest says. Without it a large segment is asked for
that part alone, and a small one comes back whole.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from common.errors import ConfigError
from traffic.archive.about import About, FlowsOf
from traffic.archive.elsewhere import AT_ONCE, read_place
from traffic.archive.entries import Entry
from traffic.archive.mentions import Where, decode, read_where, rules_out
from traffic.archive.store import ObjectStore

SUFFIX = ".mentions"

_LARGE_OCTETS = 1 << 20
"""A part is asked for twice, as a whole object is: with less it is not worth it."""


def leave_out(archive: Path, entries: Sequence[Entry], about: About) -> list[Entry]:
    """`entries` without those that are not here and hold nothing of `about`.

    Raises:
        BackendUnavailable: the object store does not answer.
        ArchiveError: what says where that is is damaged.
    """
    away = {
        entry.path: where
        for entry in entries
        if (where := _told(entry, about)) and not (archive / entry.path).exists()
    }
    if not away:
        return list(entries)
    known = {path: _kept(archive, path, where) for path, where in away.items()}
    known.update(_fetched(archive, [entry for entry in entries if known.get(entry.path) == b""]))
    ruled_out = {path for path, octets in known.items() if octets and _is_ruled_out(octets, about)}
    return [entry for entry in entries if entry.path not in ruled_out]


def keep_mentions(archive: Path, entry: Entry) -> None:
    """Before the segment of `entry` leaves: what it mentions stays.

    Raises:
        FileNotFoundError: there is no such segment.
        OSError: the disk refused.
    """
    where = read_where(entry.mentions)
    if where is None:
        return
    with (archive / entry.path).open("rb") as stream:
        octets = os.pread(stream.fileno(), where.octets, where.at)
    if where.fits(octets):
        _keep(archive, entry.path, octets)


def mentions_file(archive: Path, path: str) -> Path:
    """Where what the segment `path` mentions lies while it is not here."""
    return (archive / path).with_suffix(SUFFIX)


def _told(entry: Entry, about: About) -> Where | None:
    """Where it stands what the segment mentions, if that can decide the question."""
    if isinstance(about, FlowsOf) and entry.inside != about.inside:
        return None  # other prefixes were inside: what it does not mention may be in it
    return read_where(entry.mentions)


def _kept(archive: Path, path: str, where: Where) -> bytes:
    with suppress(OSError), mentions_file(archive, path).open("rb") as stream:
        octets = stream.read(where.octets + 1)
        if where.fits(octets):
            return octets
    return b""


def _fetched(archive: Path, entries: Sequence[Entry]) -> dict[str, bytes]:
    """What large segments mention that is not here; none of what is not as its line says."""
    large = [entry for entry in entries if entry.octets > _LARGE_OCTETS]
    place = read_place(archive) if large else None
    if place is None:
        return {}
    store = ObjectStore(place)

    def fetch(entry: Entry) -> bytes:
        where = read_where(entry.mentions)
        if where is None:
            return b""
        try:
            octets = store.part(entry.path, where.at, where.octets)
        except (FileNotFoundError, ConfigError):
            return b""  # whoever fetches all of it says so
        return octets if where.fits(octets) else b""

    found = {}
    with ThreadPoolExecutor(AT_ONCE, "mentions") as pool:
        try:
            for entry, octets in zip(large, pool.map(fetch, large), strict=True):
                found[entry.path] = octets
                if octets:
                    with suppress(OSError):
                        _keep(archive, entry.path, octets)
        finally:
            pool.shutdown(cancel_futures=True)
    return found


def _keep(archive: Path, path: str, octets: bytes) -> None:
    """Not forced to the disk: what is torn does not fit, and is fetched again."""
    file = mentions_file(archive, path)
    aside = file.with_name(f"{file.name}.{os.getpid()}.recalled")
    file.parent.mkdir(parents=True, exist_ok=True)
    aside.write_bytes(octets)
    aside.rename(file)


def _is_ruled_out(octets: bytes, about: About) -> bool:
    try:
        return rules_out(decode(octets), about)
    except ValueError:
        return False  # a later version's: then the segment says it itself
