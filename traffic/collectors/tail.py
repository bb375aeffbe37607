"""Whether the manifest still reaches as far as this node's collector has written.

A chain that was cut at its end, or thrown away whole, is whole in itself; the decoder's
state, which lies elsewhere and names the last spool it took in, says what should be there.
"""

from __future__ import annotations

import re

from common.errors import ArchiveError
from traffic.archive.entries import Entry
from traffic.archive.lines import Lines
from traffic.archive.manifest import NAME, Manifest
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.spool import closed_files, spool_number

_STATE = re.compile(r"state-(\d+)\.json")


def last_own(lines: Lines, node: str) -> Entry | None:
    """The newest line by which this node's collector took in spool files.

    It names the highest number: one is never given again.
    """
    return next((one for one in lines.backward() if one.node == node and one.spools), None)


def check_tail(paths: CollectorPaths) -> None:
    """Compare the end of the manifest with the decoder's state.

    Raises:
        ArchiveError: the manifest ends before the last spool that was archived.
    """
    manifest = Manifest(paths.archive)
    with manifest.locked():
        last = last_own(manifest.committed(), paths.node)
        waiting = {spool_number(path) for path in closed_files(paths.spool)}
        states = [_STATE.fullmatch(path.name) for path in paths.state.glob("state-*.json")]
    consumed = max(last.spools) if last else 0
    for number in sorted(int(state[1]) for state in states if state is not None):
        # A state without its line is a commit that did not happen, while its spool is there.
        if number > consumed and number not in waiting:
            raise ArchiveError(
                NAME, f"ends at spool {consumed}, but spool {number} was archived on this machine"
            )
