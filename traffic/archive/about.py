"""What a question is about, as far as segments can be left out for it, and what rows are named.

Pure, and loads nothing: most archives have all their segments here.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network


@dataclass(frozen=True, slots=True)
class FlowsOf:
    """Flows with an address of a network, which lies inside, on any side."""

    network: IPv4Network | IPv6Network
    inside: str
    """Digest of the inside prefixes by which it does."""


@dataclass(frozen=True, slots=True)
class RowsOf:
    """Rows of the kind `nat` that bear one of these names."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventsOf:
    """Records of translations made or ended, for an outside address and, unless None, a port."""

    address: IPv4Address | IPv6Address
    port: int | None


About = FlowsOf | RowsOf | EventsOf


def asked_names(address: str, port: int | None) -> tuple[str, ...]:
    """What rows that may be about an outside address and port are named."""
    return (address,) if port is None else (f"{address} {port}", f"{address} *")


def outside_names(address: str, port: int | None, port_to: int | None) -> tuple[str, str]:
    """What a row that names an outside address is called; one without a single port holds any."""
    single = port is not None and port_to in (None, port)
    return address, f"{address} {port}" if single else f"{address} *"


def inside_name(inside: str) -> str:
    """What a row that names an inside address is called."""
    return f"< {inside}"


def freed_name(inside: str | None) -> str:
    """What a row without an outside address is called."""
    return f"- {inside}"


def form_name(form: str | None, address: str | None = None) -> str:
    """What rows of one form are called: all of them, or those of an outside address."""
    return f"~{form}" if address is None else f"{address} ~{form}"
