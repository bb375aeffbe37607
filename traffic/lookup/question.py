"""What may be asked, and the shape of the answer; both scripted against, so never renamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, TypedDict

from common.clock import to_rfc3339, utc_now
from common.errors import UsageError
from common.net import IpAddress, find_mac, parse_address
from common.thai_time import read_bound, read_time
from traffic.lookup.spans import CLOCK_ERROR_MS as CLOCK_ERROR_MS
from traffic.lookup.spans import Window

CLOCK_ERROR = timedelta(milliseconds=CLOCK_ERROR_MS)

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""No record is older or newer, and reckoning around a time in between stays in range."""

AHEAD = timedelta(minutes=5)
"""How far the asker's clock may be before ours."""

MAX_TOLERANCE_SECONDS = 7 * 86_400


class Protocol(IntEnum):
    """IANA protocol numbers that people name."""

    ICMP = 1
    TCP = 6
    UDP = 17
    ICMPV6 = 58


NUMBERS = {
    "tcp": (Protocol.TCP,),
    "udp": (Protocol.UDP,),
    "icmp": (Protocol.ICMP, Protocol.ICMPV6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who was behind this address at this time? With the case that justifies asking."""

    address: IpAddress
    port: int | None
    protocol: str | None
    at: datetime
    tolerance: timedelta
    case: str
    reason: str
    destination: IpAddress | None = None
    """Where the traffic went, when the asker knows: tells apart who shares one outside port."""
    destination_port: int | None = None

    @property
    def window(self) -> Window:
        """The time asked for, with the asker's tolerance."""
        return Window(self.at - self.tolerance, self.at + self.tolerance)

    @property
    def asked_port(self) -> int | None:
        """What of the port a translation has; ICMP has no ports."""
        return None if self.protocol == "icmp" else self.port

    @property
    def protocol_numbers(self) -> Sequence[int]:
        """The IANA numbers of the protocol asked for; empty: any."""
        return NUMBERS.get(self.protocol or "", ())


class LookupAnswer(TypedDict, total=False):
    """The JSON object of `yuenyan lookup --json`."""

    outcome: str
    asked: dict[str, Any]
    candidates: list[dict[str, Any]]
    translations: list[dict[str, Any]]
    nameless: list[dict[str, Any]]
    gaps: list[dict[str, Any]]
    warnings: list[str]
    pending_until: str | None
    truncated: bool
    clock_error_ms: int
    elapsed_ms: int
    interpretation: dict[str, str]
    tolerance: dict[str, float | None]
    sentences: dict[str, str]
    confidentiality: str
    names: bool
    withheld: int


class FlowsAnswer(TypedDict, total=False):
    """The JSON object of `yuenyan flows --json`."""

    asked: dict[str, Any]
    addresses: list[dict[str, Any]]
    flows: list[dict[str, Any]]
    truncated: bool
    gaps: list[dict[str, Any]]
    pending_until: str | None
    warnings: list[str]
    clock_error_ms: int
    elapsed_ms: int
    interpretation: dict[str, dict[str, str]]
    sentences: dict[str, str]
    confidentiality: str


def require_purpose(case: str | None, reason: str | None) -> tuple[str, str]:
    """Case and reason, neither empty.

    Raises:
        UsageError: one of them is missing; nobody looks people up without saying why.
    """
    case, reason = (case or "").strip(), (reason or "").strip()
    if not case:
        raise UsageError("give the case this is for: --case TEXT")
    if not reason:
        raise UsageError("give the reason for asking: --reason TEXT")
    return case, reason


def read_moment(text: str, zone: str, *, end: bool = False) -> datetime:
    """The time in `text`; a date alone is its first moment, with `end` its last one.

    As orders to keep records and registers read it, so that one day is one day everywhere.

    Raises:
        UsageError: the text is not a time, or one that no record can have.
    """
    return read_bound(text, zone, now=utc_now(), end=end)


def read_period(begin: Any, end: Any, zone: str) -> Window:
    """From `begin` to `end`; the day of an `end` without a time of day belongs to it.

    Raises:
        UsageError: one of them is no time, or the period has not begun yet.
    """
    from_at = _come(read_moment(str(begin or ""), zone), begin)
    return Window(from_at, read_moment(str(end or ""), zone, end=True))


def read_mac(text: str) -> str:
    """Twelve hex digits; UsageError when `text` is no MAC address."""
    mac = find_mac(text)
    if mac is None:
        raise UsageError(f"{text!r} is not a MAC address; write it like 3c:22:fb:01:02:03")
    return mac


def read_destination(text: str) -> tuple[IpAddress, int | None]:
    """Address and port of `IP`, `IP:PORT` or `[IPv6]:PORT`."""
    address, port = text.strip(), ""
    if address.startswith("["):
        address, _bracket, rest = address[1:].partition("]")
        port = rest.removeprefix(":")
    elif address.count(":") == 1:
        address, _colon, port = address.partition(":")
    if port and not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise UsageError(f"{text!r}: {port!r} is not a port; ports are 0 to 65535")
    return parse_address(address), int(port) if port else None


def format_destination(address: IpAddress, port: int | None) -> str:
    """As `read_destination` reads it."""
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def read_tolerance(value: Any) -> timedelta:
    """The asker's tolerance from seconds; UsageError when it is out of range."""
    seconds = float(value or 0)
    if not 0 <= seconds <= MAX_TOLERANCE_SECONDS:
        raise UsageError("the tolerance must be between 0 seconds and 7 days")
    return timedelta(seconds=seconds)


def read_at(value: Any, zone: str) -> datetime:
    """The asked moment: a time with hour and minute, or one read before.

    Raises:
        UsageError: it is no time, or has not come yet.
    """
    if isinstance(value, datetime):
        return _come(_recordable(value, str(value)), value)
    return _come(read_time(str(value or ""), zone, now=utc_now()).moment, value)


def _come(moment: datetime, written: Any) -> datetime:
    """`moment`, when there can be records of it: a session that is open now has no end yet."""
    now = utc_now()
    if moment > now + AHEAD:
        year = moment.year
        raise UsageError(
            f"{str(written)!r} has not come yet: that is the year {year} (B.E. {year + 543}),"
            f" and now it is {to_rfc3339(now)}; look at the year and the time"
        )
    return moment


def _recordable(moment: datetime, text: str) -> datetime:
    if not EARLIEST <= moment <= LATEST:
        raise UsageError(f"{text!r} is not a time between {EARLIEST.year} and {LATEST.year}")
    return moment


def read_question(tree: Mapping[str, Any], zone: str) -> Question:
    """The question in the keys address, port, protocol, destination, at, tolerance_seconds, case,
    reason.

    Raises:
        UsageError: a part is missing or makes no sense.
    """
    case, reason = require_purpose(tree.get("case"), tree.get("reason"))
    moment = read_at(tree.get("at"), zone)
    port = tree.get("port")
    if port is not None and not 0 <= int(port) <= 65_535:
        raise UsageError(f"{port} is not a port; ports are 0 to 65535")
    protocol = tree.get("protocol") or None
    if protocol is not None and protocol not in NUMBERS:
        raise UsageError(f"{protocol!r} is not one of tcp, udp, icmp")
    destination, destination_port = None, None
    if tree.get("destination"):
        destination, destination_port = read_destination(str(tree["destination"]))
    return Question(
        address=parse_address(str(tree.get("address") or "")),
        port=None if port is None else int(port),
        protocol=protocol,
        at=moment,
        tolerance=read_tolerance(tree.get("tolerance_seconds")),
        case=case,
        reason=reason,
        destination=destination,
        destination_port=destination_port,
    )
