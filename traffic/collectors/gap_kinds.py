"""Which of the collector's records a gap is missing from. Loads next to nothing."""

from __future__ import annotations

from traffic.decoders.syslog.prefix import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from traffic.archive.entries import GapNote


def gap_kind(note: GapNote) -> str:
    """What is missing: flows, or log lines."""
    return kind_of_source(note.source)


def kind_of_source(source: str) -> str:
    """What a gap of this source in the manifest is missing."""
    return "syslog" if source.startswith(PREFIX) else "flow"
