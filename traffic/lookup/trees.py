"""Parts of an answer as JSON-ready trees, times as RFC 3339 with the site's offset."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from common.clock import to_rfc3339
from traffic.archive.records import FlowRecord
from traffic.lookup import flows_answer
from traffic.lookup.attribution import GapSpan, Holder
from traffic.moments import from_milliseconds


def held_tree(holder: Holder, zone: str) -> dict[str, Any]:
    """From when to when a session had its address; `to` is null while it is open."""
    return {
        "from": to_rfc3339(holder.from_at, zone),
        "to": None if holder.to_at is None else to_rfc3339(holder.to_at, zone),
        "last_heard_at": to_rfc3339(holder.last_heard_at, zone),
        "closed": holder.closed_by,
    }


def gap_tree(gap: GapSpan, zone: str) -> dict[str, Any]:
    """A gap as it is printed."""
    return flows_answer.gap_tree(gap, in_zone(zone))


def in_zone(zone: str) -> Callable[[datetime], datetime]:
    """Says moments in a zone."""
    known = ZoneInfo(zone)
    return lambda moment: moment.astimezone(known)


def flow_tree(flow: FlowRecord, zone: str) -> dict[str, Any]:
    """One flow as it is printed."""
    return flows_answer.flow_tree(flow, lambda value: ms_text(value, zone))


def ms_text(value: int, zone: str) -> str:
    """Milliseconds since 1970 as RFC 3339."""
    return to_rfc3339(from_milliseconds(value), zone)
