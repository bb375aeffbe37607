"""DHCP servers: ISC dhcpd, dnsmasq and Kea.

Pure. Formats: ISC dhcpd 4.4, server/dhcp.c; dnsmasq 2.8x, src/rfc2131.c (log_packet); Kea
Administrator Reference Manual, "Kea Messages Manual" and "Forensic Logging".
"""

from __future__ import annotations

import re

from traffic.decoders.syslog.lines import LeaseEvent, LeaseLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.values import address, mac, number

_MAC = r"[0-9A-Fa-f:-]{11,23}"
_ISC_ACK = re.compile(
    rf"DHCPACK on (?P<address>\S+) to (?P<mac>{_MAC})(?: \(.{{0,255}}\))? via \S+"
    r"(?: relay \S+)?(?: lease-duration (?P<seconds>\d+))?(?: \((?P<renew>RENEW|REBIND)\))?"
    r"(?: uid (?P<uid>[0-9A-Fa-f:]+))?.{0,100}"
)
_ISC_END = re.compile(
    rf"DHCP(?P<verb>RELEASE|DECLINE) of (?P<address>\S+) from (?P<mac>{_MAC})"
    r"(?: \(.{0,255}\))? via .{1,200}"
)
_DNSMASQ = re.compile(
    r"(?:\d+ )?DHCP(?P<verb>ACK|RELEASE|DECLINE)\(\S+\) (?P<address>\S+) "
    rf"(?P<mac>{_MAC})(?: .{{0,255}})?"
)
_KEA_HEAD = re.compile(
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,6} )?"
    r"(?:[A-Z]{4,5} {1,2}(?:\[[^\]\s]{1,100}\] )?)?"
)
"""What may stand before a message: a time, the severity, the logger. A message that holds a name
which a client sent holds it further on, whatever that name spells."""
_KEA_CLIENT = (
    r"\[hwtype=\d+ (?P<mac>[0-9a-fA-F:]+)\], cid=\[(?P<cid>[0-9a-fA-F:]+|no info)\], "
    r"tid=0x[0-9a-f]+"
)
_KEA = (
    (
        re.compile(
            rf"DHCP4_LEASE_ALLOC {_KEA_CLIENT}: lease (?P<address>\S+) has been allocated for "
            r"(?P<seconds>\d+) seconds"
        ),
        LeaseEvent.ASSIGN,
    ),
    (
        # A renewal so soon that Kea wrote nothing down (cache-threshold).
        re.compile(
            rf"DHCP4_LEASE_REUSE {_KEA_CLIENT}: lease (?P<address>\S+) has been reused for "
            r"(?P<seconds>\d+) seconds"
        ),
        LeaseEvent.RENEW,
    ),
    (
        re.compile(rf"DHCP4_RELEASE {_KEA_CLIENT}: address (?P<address>\S+) was released properly"),
        LeaseEvent.RELEASE,
    ),
    (
        re.compile(
            r"DHCP4_DECLINE_LEASE Received DHCPDECLINE for addr (?P<address>\S+) from client "
            + _KEA_CLIENT
        ),
        LeaseEvent.DECLINE,
    ),
    (
        re.compile(
            r"ALLOC_ENGINE_V4_LEASE_RECLAIM .{0,200}: reclaiming expired lease for address "
            r"(?P<address>\S+)"
        ),
        LeaseEvent.EXPIRE,
    ),
    (
        re.compile(
            r"Address: (?P<address>\S+) has been (?P<verb>assigned|renewed|released)"
            r"(?: for (?P<hours>\d+) hrs (?P<minutes>\d+) mins (?P<rest>\d+) secs)?"
            r"(?: to| from)? a device with hardware address: hwtype=\d+ (?P<mac>[0-9a-fA-F:]+)"
        ),
        None,
    ),
)
_KEA_VERBS = {
    "assigned": LeaseEvent.ASSIGN, "renewed": LeaseEvent.RENEW, "released": LeaseEvent.RELEASE,
}  # fmt: skip
_VERBS = {"RELEASE": LeaseEvent.RELEASE, "DECLINE": LeaseEvent.DECLINE, "ACK": LeaseEvent.ASSIGN}


def read_isc_dhcp(message: Message) -> LeaseLine | None:
    """A lease of ISC dhcpd."""
    if match := _ISC_ACK.fullmatch(message.text):
        event = LeaseEvent.RENEW if match["renew"] else LeaseEvent.ASSIGN
        return _lease("isc-dhcp", event, match["address"], match["mac"],
                      match["uid"], number(match["seconds"], 2**32 - 1))  # fmt: skip
    match = _ISC_END.fullmatch(message.text)
    if match is None:
        return None
    return _lease("isc-dhcp", _VERBS[match["verb"]], match["address"], match["mac"])


def read_dnsmasq(message: Message) -> LeaseLine | None:
    """A lease of dnsmasq, which does not tell how long it is."""
    match = _DNSMASQ.fullmatch(message.text)
    if match is None:
        return None
    return _lease("dnsmasq-dhcp", _VERBS[match["verb"]], match["address"], match["mac"])


def read_kea(message: Message) -> LeaseLine | None:
    """A lease of Kea, from its own log or from the forensic hook's."""
    text = _KEA_HEAD.sub("", message.text, count=1)
    for pattern, event in _KEA:
        match = pattern.match(text)
        if match is None:
            continue
        fields = match.groupdict()
        seconds = number(fields.get("seconds"), 2**32 - 1)
        if fields.get("hours"):
            parts = [min(int(fields[name]), 10**6) for name in ("hours", "minutes", "rest")]
            seconds = parts[0] * 3600 + parts[1] * 60 + parts[2]
        client = fields.get("cid")
        return _lease(
            "kea-dhcp4",
            event or _KEA_VERBS[fields["verb"]],
            fields["address"].rstrip("."),
            fields.get("mac"),
            None if client == "no info" else client,
            seconds,
        )
    return None


def _lease(
    form: str,
    event: LeaseEvent,
    address_text: str,
    mac_text: str | None,
    client_id: str | None = None,
    seconds: int | None = None,
) -> LeaseLine | None:
    found = address(address_text)
    if found is None:
        return None
    return LeaseLine(
        form=form,
        event=event,
        address=found,
        mac=mac(mac_text),
        client_id=client_id,
        lease_seconds=seconds,
    )
