"""What `[gateway]` says: our own gateway, a Linux box in front of clients; docs/gateway.md.

`[gateway.kernel]` is what its privileged half knows; nothing else reaches the kernel.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from common.config_section import Listen, Prefix, Section
from common.net import IpNetwork

ACCOUNTING_AFTER = 1
"""The accounting port is the next one after the other: 1812 and 1813, RFC 2866 section 3."""

_ATTRIBUTE_OCTETS = 253
_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}\Z")
"""Of what Linux allows, that which needs no quoting anywhere."""
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z",
    re.IGNORECASE,
)
_API_URL = re.compile(r"https://[A-Za-z0-9._~:/?@!$&'()*+;=%-]{1,247}\Z")
"""RFC 8910 section 2: 255 octets; without what dnsmasq would take for a sign of its own."""
_NARROWEST = {4: 30, 6: 64}
"""Fewer addresses cannot be given out; IPv6 devices make their own in 64 bits (RFC 4291)."""


def _interface(text: str) -> str:
    if not _INTERFACE.match(text):
        raise ValueError(f"{text!r} is not the name of a network interface")
    return text


def _own_address(text: str) -> str:
    try:
        found = ip_interface(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: write the address with its length, as 10.7.0.1/24") from error
    if found.network.prefixlen > _NARROWEST[found.version] or found.ip in (
        found.network.network_address,
        found.network.broadcast_address if found.version == 4 else None,
    ):
        raise ValueError(f"{text!r} is not one address of a network with room for devices")
    return str(found)


def _destination(text: str) -> str:
    """A name, an address or a prefix."""
    if not re.fullmatch(r"[0-9.]+(/[0-9]+)?|.*:.*", text):
        if not _HOST_NAME.match(text):
            raise ValueError(f"{text!r} is neither a name nor an address nor a prefix")
        return text.lower()
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an address or a prefix: {error}") from error


def _host_name(text: str) -> str:
    if not _HOST_NAME.match(text):
        raise ValueError(f"{text!r} is not a name such as login.school.example")
    return text.lower()


def _server(text: str) -> str:
    parse_server(text)
    return text


def _origin(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query):
        raise ValueError(f"{text!r} is no address of a page; write it like http://10.77.0.1:8090")
    return text


def _one_attribute(text: str) -> str:
    if len(text.encode()) > _ATTRIBUTE_OCTETS:
        raise ValueError(f"an attribute of RADIUS holds {_ATTRIBUTE_OCTETS} octets")
    return text


def parse_server(text: str) -> tuple[str, int]:
    """`host:port` as (host, port); the host is a name or an address, an IPv6 one in brackets.

    Raises:
        ValueError: it is something else.
    """
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port is None or parts.path or "@" in text or "?" in text:
        raise ValueError(f"{text!r} is no server; write it like radius.example.go.th:1812")
    return parts.hostname, parts.port


Interface = Annotated[str, AfterValidator(_interface)]
OwnAddress = Annotated[str, AfterValidator(_own_address)]
Destination = Annotated[str, AfterValidator(_destination)]
HostName = Annotated[str, AfterValidator(_host_name)]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Server = Annotated[str, AfterValidator(_server)]
OneAttribute = Annotated[str, AfterValidator(_one_attribute)]
Origin = Annotated[str, AfterValidator(_origin)]


class GatewayKernel(Section):
    """What the privileged half does, and to what; it believes nobody else about it."""

    inside: tuple[Interface, ...] = ()
    """Where the clients are; empty: this machine is no gateway."""
    outside: tuple[Interface, ...] = ()
    """Where the way out is; rates of uploads are kept there."""
    addresses: tuple[OwnAddress, ...] = ()
    """Ours on the inside, with their lengths; nobody is admitted who lies outside of them."""
    portal_hosts: tuple[Destination, ...] = ()
    """Reached by everybody: the portal, and who tells whether its certificate is revoked."""
    garden: tuple[Destination, ...] = ()
    """Whatever else may be reached without a login. Hosts of connection checks never belong
    here: a phone would take itself for online."""
    dns: tuple[Destination, ...] = ()
    """Resolvers whom devices without a login are sent to, whatever they ask; the first of each
    family; empty: dnsmasq on this machine, which the names in `garden` need."""
    capture_port: PortNumber = 8090
    """Where the unprivileged half answers port 80 of whoever has not logged in."""
    open_ports: tuple[PortNumber, ...] = (80, 443)
    """TCP ports of this machine itself that the inside reaches; all others are refused to it,
    because a school's gateway has more running than its portal."""
    own_names: tuple[HostName, ...] = ()
    """Names that dnsmasq answers with this machine's inside address."""
    api_url: str = ""
    """What devices are told by DHCP and RA to ask about the portal (RFC 8910); https alone."""
    lease_minutes: int = Field(default=60, ge=2, le=7 * 24 * 60)
    """An hour: a school day's visitors with random addresses do not use up the range."""
    nat: bool = True
    """Clients go out by IPv4 as this machine."""
    nat6: bool = False
    """By IPv6, too: for a line that has one prefix only. Otherwise it is routed."""
    ntp: bool = True
    """Clocks may be set without a login: with a wrong one no certificate is valid."""
    from_outside: bool = False
    """Let connections to admitted devices begin outside; off, because a phone is no server."""
    collector: Listen | None = None
    """Where the log of translations goes by IPFIX; None: none is kept."""
    socket: Path = Path("/run/yuenyan-gateway/helper.sock")
    socket_user: str = "yuenyan"
    """Whose processes may ask for admissions, beside root's."""
    socket_group: str = ""
    """Empty: that user's own group."""

    @model_validator(mode="after")
    def _some_of_each(self) -> GatewayKernel:
        if self.inside and not (self.outside and self.addresses):
            raise ValueError("with inside, name outside and addresses too")
        if set(self.inside) & set(self.outside):
            raise ValueError("an interface is either inside or outside")
        if self.api_url and not _API_URL.match(self.api_url):
            raise ValueError("api_url begins with https:// and has 255 plain characters at most")
        if self.collector is not None and self.collector.endswith(":0"):
            raise ValueError("the collector listens on a port, such as 192.0.2.1:4739")
        if not all("/" in one and ip_network(one).num_addresses == 1 for one in self.dns):
            raise ValueError("dns names addresses alone")
        return self

    @property
    def own(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        """`addresses` as values."""
        return tuple(ip_interface(text) for text in self.addresses)

    @property
    def prefixes(self) -> tuple[IpNetwork, ...]:
        """Where the devices are."""
        return tuple(own.network for own in self.own)


class Gateway(Section):
    radius_servers: tuple[Server, ...] = ()
    """Who decides on logins: the first that answers; with none there is no gateway here."""
    accounting_servers: tuple[Server, ...] = ()
    """Who is told of sessions; empty: the same hosts at the next port."""
    secret_file: Path | None = None
    """The shared secret of this gateway, as registered with `yuenyan nas add`."""
    nas_identifier: OneAttribute = ""
    """The name this gateway goes by; the one it is registered under is the easiest to find."""
    called_station_id: OneAttribute = ""
    """What devices are connected to, as MAC:SSID; empty: the name of the gateway."""
    portal_url: Origin = ""
    """Where caught browsers are sent: https://PORTAL/p/NAME/, with the name registered there."""
    key_file: Path | None = None
    """Signs what the portal is told of a device; the same text is the portal's setting `key`."""
    public_url: Origin = ""
    """How browsers on the inside reach this gateway; with /login it is the --login-url."""
    listen: tuple[Listen, ...] = ("[::]:8090",)
    """For caught browsers and sign-ins, IPv4 and IPv6; its port is kernel.capture_port."""
    coa: tuple[Listen, ...] = ("0.0.0.0:3799",)
    """For Disconnect- and CoA-Requests, RFC 5176."""
    coa_clients: tuple[Prefix, ...] = ()
    """Who may send them; empty: the hosts of radius_servers."""
    session_seconds: int = Field(default=8 * 3600, ge=60, le=7 * 86400)
    """Where the server sets no Session-Timeout: a school day."""
    idle_seconds: int = Field(default=1800, ge=0, le=86400)
    """Where it sets no Idle-Timeout; a phone that sleeps is heard every few minutes. 0: never."""
    interim_seconds: int = Field(default=300, ge=60, le=3600)
    """Where it sets no Acct-Interim-Interval; what our own server counts on."""
    tick_seconds: float = Field(default=5.0, ge=0.2, le=60)
    """How often neighbours and counters are read: so late may a time-out or quota be noticed."""
    threads: int = Field(default=64, ge=4, le=256)
    """Browsers answered at the same time; a sign-in holds one while RADIUS is asked, and a whole
    class may sign in at once."""
    state_file: Path | None = None
    """Who is admitted, and what is still to be told; empty: gateway.db in the data directory."""
    kernel: GatewayKernel = GatewayKernel()

    @property
    def is_configured(self) -> bool:
        """Whether this machine is to be a gateway."""
        return bool(self.radius_servers)

    @property
    def accounting(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each accounting server."""
        if self.accounting_servers:
            return tuple(parse_server(text) for text in self.accounting_servers)
        return tuple((host, port + ACCOUNTING_AFTER) for host, port in self.access)

    @property
    def access(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each server that decides on logins."""
        return tuple(parse_server(text) for text in self.radius_servers)

    @model_validator(mode="after")
    def _complete(self) -> Gateway:
        if not self.is_configured:
            return self
        for name in ("secret_file", "nas_identifier", "portal_url", "key_file", "public_url"):
            if not getattr(self, name):
                raise ValueError(f"{name} is missing; see docs/gateway-setup.md")
        return self
