"""Rows for what a decoding finds beside flows: blocks of ports, and datagrams as they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from traffic.archive.kinds import NAT, RAW, Kind
from traffic.archive.tables import Row

if TYPE_CHECKING:
    # The decoders take a twentieth of a second to load, and a look-up reads the words here alone.
    from traffic.decoders.blocks import PortBlock
    from traffic.decoders.decoder import Decoded
    from traffic.decoders.unread import Unread

BLOCK_FORM = "flow-block"
"""Of rows in the kind `nat` that NetFlow or IPFIX told."""

BLOCK_CREATE, BLOCK_DELETE = "block-create", "block-delete"


def rows_aside(decoded: Decoded, truncated: Sequence[Unread]) -> list[tuple[Kind, list[Row]]]:
    """(kind, its rows) for each kind that has any."""
    blocks = [block_row(one) for one in decoded.blocks]
    unread = [unread_row(one) for one in (*decoded.unread, *truncated)]
    return [(kind, rows) for kind, rows in ((NAT, blocks), (RAW, unread)) if rows]


def together(parts: Sequence[tuple[Kind, Sequence[Row]]]) -> list[tuple[Kind, list[Row]]]:
    """One part for each kind: two segments of one kind and spool would have one name."""
    kinds: dict[str, tuple[Kind, list[Row]]] = {}
    for kind, rows in parts:
        kinds.setdefault(kind.name, (kind, []))[1].extend(rows)
    return list(kinds.values())


def block_row(block: PortBlock) -> Row:
    """One event of a block of outside ports."""
    return {
        "received_at": block.received_ms,
        "event_at": block.event_ms,
        "source": block.exporter,
        "form": BLOCK_FORM,
        "event": BLOCK_DELETE if block.freed else BLOCK_CREATE,
        "protocol": block.protocol,
        "inside_address": block.inside,
        "outside_address": block.outside,
        "outside_port": block.first,
        "outside_port_to": block.last if block.last > block.first else None,
        "raw": block.record,
    }


def unread_row(unread: Unread) -> Row:
    """One datagram that was not decoded whole."""
    return {
        "received_at": unread.received_ms,
        "source": unread.exporter,
        "port": unread.port,
        "listener": unread.listener,
        "reason": ",".join(unread.reasons),
        "raw": unread.octets,
    }
