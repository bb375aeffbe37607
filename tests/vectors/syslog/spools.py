"""Spooled log lines as a receiver would have left them."""

from __future__ import annotations

from tests.vectors.flows.spools import RECEIVED_NS, mapped
from traffic.collectors.records import Listener, RecordKind, encode_record

GATEWAY = "10.0.0.1"


def line_record(line: str | bytes, seconds: float = 0.0, sender: str = GATEWAY) -> bytes:
    """One message, received `seconds` after RECEIVED_NS."""
    octets = line.encode() if isinstance(line, str) else line
    received_ns = RECEIVED_NS + round(seconds * 1e9)
    return encode_record(
        RecordKind.DATAGRAM, Listener.SYSLOG, received_ns, 514, mapped(sender), octets
    )


def conntrack(
    event: str,
    inside: str = "10.1.2.3:40000",
    outside: str = "198.51.100.7:50000",
    far: str = "203.0.113.9:443",
    *,
    protocol: str = "tcp",
    more: str = "",
) -> str:
    """A line of `conntrack -E` of a connection that was translated."""
    number = {"tcp": 6, "udp": 17}[protocol]
    (source, source_port), (target, target_port), (translated, translated_port) = (
        one.split(":") for one in (inside, far, outside)
    )
    return (
        f"<30>conntrack: [{event}] {protocol} {number} "
        f"src={source} dst={target} sport={source_port} dport={target_port} "
        f"src={target} dst={translated} sport={target_port} dport={translated_port}{more}"
    )


def dnsmasq(address: str, mac: str, verb: str = "ACK") -> str:
    """A line of dnsmasq's DHCP server."""
    return f"<30>dnsmasq-dhcp[9]: DHCP{verb}(br0) {address} {mac} phone"
