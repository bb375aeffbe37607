"""Sets aside segments of rows that a crash left without a line.

Their rows were never acknowledged as stored: they are still where they came from.
"""

from __future__ import annotations

from pathlib import Path

from common.logging import get_logger
from traffic.archive.durable import digest_file
from traffic.archive.kinds import KINDS
from traffic.archive.manifest import Manifest
from traffic.archive.seals import read_seals
from traffic.archive.set_aside import SUFFIX, note_set_aside

_MADE = "tr"
"""Who names segments of this node: `-t` moved rows out of the database, `-r` decoded again from
what was kept."""

_log = get_logger(__name__)


def set_orphans_aside(archive: Path, node: str) -> int:
    """Rename this node's segments that no line names to `.orphan`; how many there were.

    One that was set aside and has a line takes its place again, if it is what the line says.
    A manifest that ends before its last seal was cut: then the files are evidence of lines
    that were there, and stay for `archive verify` to name.
    """
    manifest = Manifest(archive)
    with manifest.locked():
        manifest.recover()
        last, seals = manifest.last(), read_seals(archive)
        if seals and seals[-1].seq > (last.seq if last else 0):
            return 0
        lines = manifest.committed()
        own = [f"/{node}-{made}".encode() for made in _MADE]
        listed = {entry.path: entry.sha256 for entry in lines.having(*own)}
        gone = lines.purged()
        found, aside = 0, list[Path]()
        for kind in (*KINDS, "flow"):
            # Writers hold the lock from the rename to the line, so none is at work here.
            for path in sorted((archive / kind).rglob(f"{node}-[{_MADE}]*")):
                named = str(path.relative_to(archive).with_suffix(".parquet"))
                if path.suffix == ".parquet" and named not in listed:
                    path.rename(path.with_suffix(SUFFIX))
                    aside.append(path.with_suffix(SUFFIX))
                    found += 1
                elif path.suffix == SUFFIX:
                    sha256 = "" if named in gone else listed.get(named, "")
                    if not _put_back(path, archive / named, sha256):
                        aside.append(path)
        note_set_aside(archive, aside)
    return found


def _put_back(path: Path, place: Path, sha256: str) -> bool:
    """Rename what is the segment of a line to what the line calls it; False when it is not."""
    if not sha256 or place.exists() or digest_file(path) != sha256:
        return False
    path.rename(place)
    _log.warning("segment_put_back", path=str(place))
    return True
