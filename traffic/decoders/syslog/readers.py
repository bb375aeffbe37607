"""Chooses the reader of a message: by its program where it names one, else by its shape.

Pure. A program's line is shown to that program's reader alone: a name that somebody typed at
a login must never be taken for the translation that it spells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from traffic.decoders.syslog import (
    cisco,
    conntrack,
    dhcp,
    fortinet,
    juniper,
    mikrotik,
    netfilter,
    pf,
    servers,
    ulogd,
)
from traffic.decoders.syslog.lines import Line
from traffic.decoders.syslog.message import Message

Reader = Callable[[Message], Line | None]

_BY_PROGRAM: dict[str, Sequence[Reader]] = {
    "conntrack": (conntrack.read_conntrack,),
    "ulogd": (ulogd.read_ulogd, netfilter.read_netfilter),
    "kernel": (netfilter.read_netfilter,),
    "filterlog": (pf.read_filterlog,),
    "pfstate": (pf.read_pf_state,),
    "dhcpd": (dhcp.read_isc_dhcp,),
    "dnsmasq-dhcp": (dhcp.read_dnsmasq,),
    "kea-dhcp4": (dhcp.read_kea,),
    "nginx": (servers.read_web,),
    "apache": (servers.read_web,),
    "apache2": (servers.read_web,),
    "httpd": (servers.read_web,),
    "postfix": (servers.read_postfix,),
    "dovecot": (servers.read_dovecot,),
    "vsftpd": (servers.read_vsftpd,),
    "sshd": (servers.read_sshd,),
    "sshd-session": (servers.read_sshd,),
    "RT_FLOW": (juniper.read_juniper,),
    "dnsmasq": (),
    "named": (),
    "unbound": (),
    "squid": (),
}
"""Programs with nothing to read have an empty list: their lines are kept without a reading."""

_BY_SHAPE: Sequence[Reader] = (fortinet.read_fortinet, cisco.read_cisco)


def read_line(message: Message) -> Line | None:
    """What the message says, or None when nobody here understands it."""
    program = message.app.partition("/")[0]
    readers = _BY_PROGRAM.get(program)
    if readers is None:
        # A process of some computer is no gateway, whatever its line looks like.
        is_process = bool(message.app) and f"{message.app}[" in message.rest
        readers = () if is_process else _BY_SHAPE
        if mikrotik.routeros_topics(message)[0]:
            readers = (mikrotik.read_mikrotik,)
    for reader in readers:
        found = reader(message)
        if found is not None:
            return found
    return None
