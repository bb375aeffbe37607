"""Turns spooled syslog into rows of the archive: translations, leases, accesses.

The rows of one spool file are committed with its flows, by the archivist. A line that no
reader understands is kept too, as an access without a form: only known senders are spooled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from common.config import Config
from common.logging import get_logger
from common.metrics import Counters
from traffic.archive.kinds import ACCESS, LEASE, NAT, Kind
from traffic.archive.tables import Row
from traffic.collectors.records import format_address
from traffic.decoders.sequences import FlowGap
from traffic.decoders.syslog.lines import AccessLine, LeaseLine, Line, NatLine
from traffic.decoders.syslog.message import Message, parse_message
from traffic.decoders.syslog.readers import read_line
from traffic.decoders.syslog.sources import SourceWatch

LOGGED_KINDS = (NAT, LEASE, ACCESS)
"""What syslog is turned into."""

_SEQUENCE = "sequenceId"

log = get_logger(__name__)


class LineDesk:
    """Reads the lines of one commit; `rows` and `gaps` are what they came to."""

    def __init__(self, config: Config, counters: Counters) -> None:
        self._zone = ZoneInfo(config.site.timezone)
        self._counters = counters
        self.watch = SourceWatch(config.collector.silent_minutes * 60_000)
        self._rows: dict[str, list[Row]] = {}
        self._newest_ms = 0

    def begin(self) -> None:
        """Start a new commit."""
        self._rows = {}

    def add(self, received_ns: int, packed: bytes, octets: bytes) -> None:
        """Read one message."""
        received_ms = received_ns // 1_000_000
        source = format_address(packed)
        try:
            message = parse_message(octets, received_ms, self._zone)
            line = read_line(message)
        except Exception:
            # A line that no test foresaw is kept as it came, and must not stop the others.
            log.exception("line_not_read", source=source)
            message, line = Message(text="", rest="", parameters={}), None
        self._counters.add("collector_lines", form=line.form if line else "")
        kind = _kind_of(line)
        number = message.parameters.get(_SEQUENCE, "")
        self.watch.observe(
            *(source, received_ms, kind.name if kind in (NAT, LEASE) else None, message.host),
            int(number) if number.isdigit() and len(number) < 11 else None,
        )
        self._newest_ms = max(self._newest_ms, received_ms)
        told_ms = getattr(line, "told_ms", None) or message.told_ms
        row: dict[str, Any] = {
            "received_at": received_ms,
            "event_at": told_ms if told_ms is not None and 0 <= told_ms < _LATEST_MS else None,
            "source": source,
            "form": line.form if line else "",
            "raw": octets,
        }
        row |= _columns(line, received_ms)
        self._rows.setdefault(kind.name, []).append(row)

    @property
    def lines(self) -> int:
        """How many were read since `begin`."""
        return sum(map(len, self._rows.values()))

    def rows(self) -> list[tuple[Kind, Sequence[Row]]]:
        """The rows since `begin`, by kind; kinds without any are left out."""
        return [(kind, self._rows[kind.name]) for kind in LOGGED_KINDS if kind.name in self._rows]

    def gaps(self) -> list[FlowGap]:
        """What is known to be missing of the lines since `begin`."""
        return self.watch.take_gaps(self._newest_ms)


_LATEST_MS = 7_258_118_400_000
"""The year 2200: a device whose clock says more has none."""


def _kind_of(line: Line | None) -> Kind:
    match line:
        case NatLine():
            return NAT
        case LeaseLine():
            return LEASE
    return ACCESS


def _columns(line: Line | None, received_ms: int) -> dict[str, Any]:
    """The columns of a kind that the reader filled; their names are the fields' names."""
    match line:
        case NatLine():
            started = None if line.duration_ms is None else received_ms - line.duration_ms
            return {
                "event": str(line.event),
                "protocol": line.protocol,
                "inside_address": line.inside_address,
                "inside_port": line.inside_port,
                "outside_address": line.outside_address,
                "outside_port": line.outside_port,
                "outside_port_to": line.outside_port_to,
                "destination_address": line.destination_address,
                "destination_port": line.destination_port,
                "mac": line.mac,
                "started_at": None if started is None or started < 0 else started,
            }
        case LeaseLine():
            return {
                "event": str(line.event),
                "address": line.address,
                "mac": line.mac,
                "client_id": line.client_id,
                "lease_seconds": line.lease_seconds,
            }
        case AccessLine():
            return {
                "service": line.service,
                "method": line.method,
                "user_name": line.user_name,
                "client_address": line.client_address,
                "mac": line.mac,
                "outcome": line.outcome,
                "reason": line.reason,
                "session_ref": line.session_ref,
                "octets": line.octets,
                "detail": line.detail,
            }
    return {"service": "unread"}
