"""What a line says, in the words of the archive: a translation, a lease, an access.

Pure values; a reader makes them, traffic.collectors writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NatEvent(StrEnum):
    """What happened to a translation."""

    CREATE = "create"
    DELETE = "delete"
    SESSION = "session"
    """Told once, at its end, with its duration."""
    SEEN = "seen"
    """It existed at that moment; nothing is said of its beginning or end."""
    BLOCK_CREATE = "block-create"
    BLOCK_DELETE = "block-delete"


class LeaseEvent(StrEnum):
    """What happened to a lease."""

    ASSIGN = "assign"
    RENEW = "renew"
    RELEASE = "release"
    EXPIRE = "expire"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True, kw_only=True)
class NatLine:
    """One translation."""

    form: str
    event: NatEvent
    protocol: int | None = None
    inside_address: str
    inside_port: int | None = None
    outside_address: str
    outside_port: int | None = None
    outside_port_to: int | None = None
    destination_address: str | None = None
    destination_port: int | None = None
    mac: str | None = None
    duration_ms: int | None = None
    """How long it had existed when it was told."""
    told_ms: int | None = None
    """The time in the text itself, where it is better than the header's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLine:
    """One lease."""

    form: str
    event: LeaseEvent
    address: str
    mac: str | None = None
    client_id: str | None = None
    lease_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLine:
    """One access to a server, or one connection that a firewall let through or not."""

    form: str
    service: str
    """web | mail | ftp | login | firewall"""
    method: str | None = None
    user_name: str | None = None
    client_address: str | None = None
    mac: str | None = None
    outcome: str | None = None
    reason: str | None = None
    session_ref: str | None = None
    octets: int | None = None
    detail: str | None = None


Line = NatLine | LeaseLine | AccessLine
