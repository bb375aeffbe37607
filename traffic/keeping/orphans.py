"""Sets aside segments of rows that a crash left without a line.

Their rows were never acknowledged as stored: they are still where they came from.
"""

from __future__ import annotations

from pathlib import Path

from traffic.archive.kinds import KINDS
from traffic.archive.manifest import Manifest
from traffic.archive.seals import read_seals


def set_orphans_aside(archive: Path, node: str) -> int:
    """Rename this node's segments that no line names to `.orphan`; how many there were.

    A manifest that ends before its last seal was cut: then the files are evidence of lines
    that were there, and stay for `archive verify` to name.
    """
    manifest = Manifest(archive)
    with manifest.locked():
        manifest.recover()
        last, seals = manifest.last(), read_seals(archive)
        if seals and seals[-1].seq > (last.seq if last else 0):
            return 0
        own = f"/{node}-t".encode()
        listed = {entry.path for entry in manifest.committed().having(own)}
        found = 0
        for kind in (*KINDS, "flow"):
            # Writers hold the lock from the rename to the line, so none is at work here.
            # `-t`: moved out of the database; `-r`: decoded again from what was kept.
            for path in (archive / kind).rglob(f"{node}-[tr]*.parquet"):
                if str(path.relative_to(archive)) not in listed:
                    path.rename(path.with_suffix(".orphan"))
                    found += 1
    return found
