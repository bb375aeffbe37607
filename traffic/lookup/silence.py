"""Gaps of what is told by log lines: senders that are silent now, and what leases lack.

A silence that is over stands in the manifest; one that goes on is reckoned from the senders'
last lines, which the decoder's state holds.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta

from common.config import Config
from traffic.archive.kinds import LEASE
from traffic.archive.reading import FlowReader
from traffic.decoders.sequences import GapReason
from traffic.decoders.syslog.sources import FORGOTTEN_MS, Source, read_sources, source_name
from traffic.lookup.attribution import GapSpan, Window
from traffic.lookup.coverage import (
    LOGGED,
    NOT_RUNNING,
    find_gaps,
    find_logged_gaps,
    find_pending,
)
from traffic.lookup.store import Store
from traffic.moments import from_milliseconds

_STATE = re.compile(r"state-(\d+)\.json")


def last_lines(config: Config) -> dict[str, Source]:
    """The senders that this machine's collector knows, with their last lines."""
    states = (config.data_dir / "collector").glob("state-*.json")
    for path in sorted(states, reverse=True):
        try:
            tree = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        return read_sources(tree.get("syslog") if isinstance(tree, dict) else None)
    return {}


def find_silences(config: Config, window: Window, now: datetime) -> list[GapSpan]:
    """Senders of translations or leases that have been silent for too long, until now."""
    patience = timedelta(minutes=config.collector.silent_minutes)
    found = []
    for address, source in last_lines(config).items():
        since = from_milliseconds(source.last_ms)
        forgotten = now - since > timedelta(milliseconds=FORGOTTEN_MS)
        if not source.kinds or forgotten or now - since <= patience:
            continue
        if window.overlaps(since, now):
            found.append(
                GapSpan(
                    kind=LOGGED,
                    source=source_name(address, source.kinds),
                    reason=GapReason.SILENT,
                    from_at=since,
                    to_at=now,
                )
            )
    return found


def find_lease_gaps(
    config: Config, store: Store, reader: FlowReader, window: Window, now: datetime
) -> list[GapSpan]:
    """What is missing of leases, at a site whose DHCP servers tell of them."""
    if not reader.index.holds(LEASE.name):
        return []
    running = find_gaps(store, reader, window, now, ["collector"])
    gaps = [gap for gap in running if gap.reason == NOT_RUNNING]
    gaps += [gap for gap in find_logged_gaps(store, reader, window) if _is_of_leases(gap)]
    gaps += [gap for gap in find_silences(config, window, now) if _is_of_leases(gap)]
    pending = find_pending(config, reader, window, now)
    return gaps if pending is None else [*gaps, pending]


def _is_of_leases(gap: GapSpan) -> bool:
    """False for a sender that is known to send translations alone."""
    kinds = gap.source.split(" ")[2:]
    return not kinds or "lease" in kinds[0].split(",")
