"""The answer of `flows` as a JSON-ready tree, whoever has found what is in it.

Loads next to nothing, and reads nothing: times are said by whoever asks.
"""

from __future__ import annotations

from traffic.lookup.sentences import NOT_A_PERSON, said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from typing import Any

    from traffic.archive.records import FlowRecord
    from traffic.lookup.question import FlowsAnswer
    from traffic.lookup.spans import GapSpan, Window

PROTOCOL_NAMES = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}


def flows_answer(
    *,
    address: str | None,
    user: str | None,
    session: str | None,
    window: Window,
    limit: int,
    offset: int,
    addresses: Sequence[dict[str, Any]],
    flows: Sequence[dict[str, Any]],
    truncated: bool,
    gaps: Iterable[GapSpan],
    pending: Sequence[GapSpan],
    warnings: Sequence[str],
    clock_error_ms: int,
    confidentiality: str,
    local: Callable[[datetime], datetime],
) -> FlowsAnswer:
    """The whole answer but the time it took.

    Args:
        window: the period asked, not widened.
        flows: a `flow_tree` of each.
        local: a moment in the zone of the site.
    """
    return {
        "asked": {
            "address": address,
            "user": user,
            "session": session,
            "from": local(window.from_at).isoformat(),
            "to": local(window.to_at).isoformat(),
            "limit": limit,
            "offset": offset,
        },
        "addresses": list(addresses),
        "flows": list(flows),
        "truncated": truncated,
        "gaps": [gap_tree(gap, local) for gap in [*gaps, *pending]],
        "pending_until": local(pending[0].to_at).isoformat() if pending else None,
        "warnings": list(warnings),
        "clock_error_ms": clock_error_ms,
        "interpretation": {
            "from": said(window.from_at, local(window.from_at)),
            "to": said(window.to_at, local(window.to_at)),
        },
        "sentences": dict(NOT_A_PERSON),
        "confidentiality": confidentiality,
    }


def reading_detail(
    case: str, reason: str, window: Window, flows: int, truncated: bool
) -> dict[str, str | int | bool | None]:
    """What is put on record of a reading of flows."""
    return {
        "case": case,
        "reason": reason,
        "window_from": window.from_at.isoformat(),
        "window_to": window.to_at.isoformat(),
        "flows": flows,
        "truncated": truncated,
    }


def gap_tree(gap: GapSpan, local: Callable[[datetime], datetime]) -> dict[str, Any]:
    """A gap as it is printed."""
    return {
        "kind": gap.kind,
        "source": gap.source,
        "reason": gap.reason,
        "from": local(gap.from_at).isoformat(),
        "to": local(gap.to_at).isoformat(),
        "lost": gap.lost,
    }


def flow_tree(flow: FlowRecord, text: Callable[[int], str]) -> dict[str, Any]:
    """One flow as it is printed; traffic.lookup.flow_lines says the same as text.

    Args:
        text: milliseconds since 1970 as RFC 3339 in the zone of the site.
    """
    return {
        "start": text(flow.start_ms),
        "end": text(flow.end_ms),
        "received": text(flow.received_ms),
        "protocol": PROTOCOL_NAMES.get(flow.protocol) or str(flow.protocol),
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
