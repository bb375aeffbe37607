"""What the archive holds, from the manifest alone: no segment is opened."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from common.clock import to_rfc3339
from common.errors import ConfigError
from traffic.archive.checkpoint import read_checkpoint, sum_up
from traffic.archive.manifest import Manifest
from traffic.archive.seals import read_public_key, read_seals
from traffic.archive.selftest import last_result
from traffic.archive.set_aside import set_aside
from traffic.archive.summary import KindSum
from traffic.archive.verification import verified_at_ms
from traffic.moments import from_milliseconds


def time_text(milliseconds: int | None, zone: str) -> str | None:
    """A moment in milliseconds as RFC 3339 with the site's offset."""
    if milliseconds is None:
        return None
    return to_rfc3339(from_milliseconds(milliseconds), zone)


def archive_status(archive: Path, zone: str, keys: Path | None = None) -> dict[str, Any]:
    """Kinds, seals, verification and gaps, ready to be printed as JSON.

    Args:
        keys: where the seals' public key lies; with it only lines since the last seal are read.
    """
    lines, seals = Manifest(archive).committed(), read_seals(archive)
    known = None
    if keys is not None:
        with suppress(ConfigError):
            known = read_checkpoint(archive, lines, seals, read_public_key(keys))
    summary = sum_up(lines, known)
    sealed = seals[-1] if seals else None
    return {
        "kinds": {kind: _kind_tree(held, zone) for kind, held in summary.kinds.items()},
        "entries": summary.entries,
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
            for gap in summary.gaps
        ],
        "gaps_total": summary.gaps_total,
        "purged_segments": summary.purged,
        "set_aside": set_aside(archive),
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


def _kind_tree(held: KindSum, zone: str) -> dict[str, Any]:
    return {
        "records": held.records,
        "octets": held.octets,
        "segments": held.segments,
        "oldest": time_text(held.oldest_ms, zone),
        "newest": time_text(held.newest_ms, zone),
    }
