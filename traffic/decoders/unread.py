"""Datagrams that were not decoded whole, with the reason, so that their octets can be kept.

Bounded: each is kept for good, and datagrams cost a forger nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_UNREAD = 100_000
"""Datagrams kept of one call; those beyond become a gap."""

MAX_UNREAD_OCTETS = 48 << 20
"""Of them all, before compression."""


HOUR_OCTETS_EXPORTER = 16 << 20
"""Of one exporter in an hour: 12,000 full datagrams show well enough what it sends."""

HOUR_OCTETS = 64 << 20
"""Of all in an hour, as addresses can be forged: 140 GB is the most that strangers can leave in the
90 days for which it is kept."""

_ROW_OCTETS = 256
"""What a row takes beside its datagram."""


class Flaw(StrEnum):
    """Why a datagram was not decoded whole, as stored."""

    NO_TEMPLATE = "no-template"
    """Decoded when the template comes within two hours; see traffic.decoders.templates."""
    MALFORMED = "malformed"
    """A length or count disagrees with the octets present. What stood before it is decoded."""
    VERSION = "version"
    """Neither NetFlow 5 or 9 nor IPFIX."""
    UNKNOWN_SET = "unknown-set"
    """A set id that is reserved."""
    TEMPLATE = "template"
    """A template that cannot be used."""
    REST = "rest"
    """Octets other than zero after the last record of a set."""
    TRUNCATED = "truncated"
    """Longer than any datagram may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """One datagram as received."""

    received_ms: int
    exporter: str
    port: int
    listener: str
    reasons: tuple[Flaw, ...]
    octets: bytes


class UnreadHour:
    """What was kept in the present hour, by exporter."""

    def __init__(self) -> None:
        self._hour = 0
        self._all = 0
        self._octets: dict[str, int] = {}

    def take(self, unread: Unread) -> bool:
        """Count one in; False when the hour has no room for it."""
        hour = unread.received_ms // 3_600_000
        if hour != self._hour:
            self._hour, self._all, self._octets = hour, 0, {}
        octets = len(unread.octets) + _ROW_OCTETS
        mine = self._octets.get(unread.exporter, 0) + octets
        if mine > HOUR_OCTETS_EXPORTER or self._all + octets > HOUR_OCTETS:
            return False
        self._octets[unread.exporter] = mine
        self._all += octets
        return True


class UnreadList:
    """Collects the unread datagrams of one call, as many as the limits allow."""

    def __init__(self, hour: UnreadHour) -> None:
        self._hour = hour
        self.kept: list[Unread] = []
        self.refused = 0
        self._octets = 0

    def add(self, unread: Unread) -> bool:
        """Keep one more; False when there is no room left."""
        self._octets += len(unread.octets)
        is_full = len(self.kept) >= MAX_UNREAD or self._octets > MAX_UNREAD_OCTETS
        if is_full or not self._hour.take(unread):
            self.refused += 1
            return False
        self.kept.append(unread)
        return True
