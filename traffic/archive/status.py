"""What the archive holds, from the manifest alone: no segment is opened."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from common.clock import to_rfc3339
from traffic.archive.entries import Entry, present
from traffic.archive.manifest import Manifest
from traffic.archive.seals import read_seals
from traffic.archive.selftest import last_result
from traffic.archive.verification import verified_at_ms
from traffic.moments import from_milliseconds

SHOWN_GAPS = 100
"""The newest gaps listed; their whole number is always told."""


def time_text(milliseconds: int | None, zone: str) -> str | None:
    """A moment in milliseconds as RFC 3339 with the site's offset."""
    if milliseconds is None:
        return None
    return to_rfc3339(from_milliseconds(milliseconds), zone)


def archive_status(archive: Path, zone: str) -> dict[str, Any]:
    """Kinds, seals, verification and gaps, ready to be printed as JSON."""
    entries = Manifest(archive).entries()
    seals = read_seals(archive)
    kinds: dict[str, list[Entry]] = {}
    for entry in present(entries):
        kinds.setdefault(entry.kind, []).append(entry)
    gaps = [gap for entry in entries for gap in entry.gaps]
    sealed = seals[-1] if seals else None
    return {
        "kinds": {kind: _sum(held, zone) for kind, held in kinds.items()},
        "entries": len(entries),
        "sealed_to": time_text(sealed.at_ms, zone) if sealed else None,
        "sealed_entries": sealed.seq if sealed else 0,
        "seals": len(seals),
        "verified_at": time_text(verified_at_ms(archive), zone),
        "self_test": _self_test(archive, zone),
        "gaps": [
            {
                "source": gap.source,
                "from": time_text(gap.from_ms, zone),
                "to": time_text(gap.to_ms, zone),
                "lost": gap.lost,
                "reason": gap.reason,
            }
            for gap in gaps[-SHOWN_GAPS:]
        ],
        "gaps_total": len(gaps),
        "purged_segments": sum(len(entry.removed) for entry in entries),
    }


def _self_test(archive: Path, zone: str) -> dict[str, Any] | None:
    last = last_result(archive)
    if last is None:
        return None
    return {
        "at": time_text(last.at_ms, zone),
        "good": last.good,
        "ways": last.ways,
        "missed": list(last.missed),
        "error": last.error,
    }


def _sum(entries: Iterable[Entry], zone: str) -> dict[str, Any]:
    held = list(entries)
    return {
        "records": sum(entry.records for entry in held),
        "octets": sum(entry.octets for entry in held),
        "segments": len(held),
        "oldest": time_text(min(entry.received_min_ms for entry in held), zone),
        "newest": time_text(max(entry.received_max_ms for entry in held), zone),
    }
