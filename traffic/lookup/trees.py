"""Parts of an answer as JSON-ready trees, times as RFC 3339 with the site's offset."""

from __future__ import annotations

from typing import Any

from common.clock import to_rfc3339
from traffic.archive.reading import FlowRecord
from traffic.lookup.attribution import GapSpan, Holder
from traffic.moments import from_milliseconds

_PROTOCOL_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


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
    return {
        "kind": gap.kind,
        "source": gap.source,
        "reason": gap.reason,
        "from": to_rfc3339(gap.from_at, zone),
        "to": to_rfc3339(gap.to_at, zone),
        "lost": gap.lost,
    }


def flow_tree(flow: FlowRecord, zone: str) -> dict[str, Any]:
    """One flow as it is printed."""
    return {
        "start": ms_text(flow.start_ms, zone),
        "end": ms_text(flow.end_ms, zone),
        "received": ms_text(flow.received_ms, zone),
        "protocol": _PROTOCOL_NAMES.get(flow.protocol, str(flow.protocol)),
        "src": flow.src,
        "src_port": flow.src_port,
        "dst": flow.dst,
        "dst_port": flow.dst_port,
        "nat_src": flow.nat_src,
        "nat_src_port": flow.nat_src_port or None,
        "nat_dst": flow.nat_dst,
        "nat_dst_port": flow.nat_dst_port or None,
        "octets": flow.octets,
        "packets": flow.packets,
        "reverse_octets": flow.reverse_octets,
        "reverse_packets": flow.reverse_packets,
        "tcp_flags": flow.tcp_flags,
        "nat_event": flow.nat_event,
        "exporter": flow.exporter,
        "record": flow.record,
    }


def ms_text(value: int, zone: str) -> str:
    """Milliseconds since 1970 as RFC 3339."""
    return to_rfc3339(from_milliseconds(value), zone)
