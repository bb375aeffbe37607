"""Which of the collector's records a gap is missing from."""

from __future__ import annotations

from traffic.archive.entries import GapNote
from traffic.decoders.syslog.sources import PREFIX


def gap_kind(note: GapNote) -> str:
    """What is missing: flows, or log lines."""
    return "syslog" if note.source.startswith(PREFIX) else "flow"
