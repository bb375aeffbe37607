"""The kernel's packet log: nftables `log`, iptables LOG and ulogd2's LOGEMU.

Pure. Format: Linux, net/netfilter/nf_log_syslog.c. It sees a packet before the source is
translated, so it tells of no translation; it does tell which MAC address sent from an address.
"""

from __future__ import annotations

from traffic.decoders.syslog.lines import AccessLine
from traffic.decoders.syslog.message import Message
from traffic.decoders.syslog.tuples import Side, connection
from traffic.decoders.syslog.values import address, mac, pairs, port, protocol

_SOURCE_MAC = slice(18, 35)
"""MAC= is the Ethernet header: destination, source, type."""


def read_netfilter(message: Message) -> AccessLine | None:
    """A packet that a rule logged."""
    begins = message.text.find("IN=")
    if begins < 0 or " SRC=" not in message.text:
        return None
    fields = pairs(message.text[begins:])
    source, target = address(fields.get("SRC")), address(fields.get("DST"))
    if source is None or target is None or "OUT" not in fields:
        return None
    side = Side(source, port(fields.get("SPT")), target, port(fields.get("DPT")))
    prefix = message.text[:begins].rpartition("] ")[2].strip(" :")[:64]
    return connection(
        "netfilter-log",
        prefix or "logged",
        protocol(fields.get("PROTO")),
        side,
        mac(fields.get("MAC", "")[_SOURCE_MAC]),
    )
