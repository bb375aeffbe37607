"""Who is heard: NAS clients last seen, and strangers that are none. Written now and then.

Memory is bounded: a flood from forged addresses fills a fixed table and is only counted.
"""

from __future__ import annotations

from datetime import datetime

from common.metrics import Counters
from db.ledger import Batch
from db.models.base import to_micros
from radius_server.packet.codes import Code
from radius_server.packet.packet import Packet

WRITE_SECONDS = 2.0
MAXIMUM_STRANGERS = 1000
_LOG_LIMIT_A_PERIOD = 20
_ACCESS_REQUEST = int(Code.ACCESS_REQUEST)
_NOTHING = (None, None, None)


class Presence:
    """Collects between commits; `fill` hands it to a batch when it is time."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._seen: dict[int, tuple[int | None, int | None, int | None]] = {}
        self._strangers: dict[str, tuple[int, int, int]] = {}
        self._at: datetime | None = None
        self._micros = 0
        self._next_write = 0.0
        self._next_logs = 0.0
        self._logged = 0

    def seen(self, nas_client_id: int, packet: Packet, at: datetime) -> None:
        """A proven packet of a NAS."""
        if at is not self._at:
            self._at, self._micros = at, to_micros(at)
        micros = self._micros
        _, without, signed = self._seen.get(nas_client_id, _NOTHING)
        if packet.code == _ACCESS_REQUEST:
            if packet.message_authenticator_at:
                signed = micros
            else:
                without = micros
        self._seen[nas_client_id] = (micros, without, signed)

    def unsigned(self, nas_client_id: int, at: datetime) -> None:
        """A request that was dropped because it should have been signed; nobody has proven it."""
        seen, _, signed = self._seen.get(nas_client_id, _NOTHING)
        self._seen[nas_client_id] = (seen, to_micros(at), signed)

    def stranger(self, address: str, at: datetime) -> None:
        """A datagram from an address that is no NAS; it gets no answer."""
        self._counters.add("radius_dropped", reason="unknown_nas")
        micros = to_micros(at)
        known = self._strangers.get(address)
        if known is not None:
            self._strangers[address] = (known[0], micros, known[2] + 1)
        elif len(self._strangers) < MAXIMUM_STRANGERS:
            self._strangers[address] = (micros, micros, 1)

    def may_log(self, address: str) -> bool:
        """Whether one more dropped packet may be logged in this period."""
        self._logged += 1
        return self._logged <= _LOG_LIMIT_A_PERIOD

    def fill(self, batch: Batch, at: datetime, now: float) -> None:
        """Put what was collected into `batch` when the period is over."""
        if now >= self._next_logs:
            self._next_logs = now + WRITE_SECONDS
            self._logged = 0
        if now < self._next_write or not (self._seen or self._strangers):
            return
        self._next_write = now + WRITE_SECONDS
        batch.nas_seen, self._seen = self._seen, {}
        batch.unknown, self._strangers = self._strangers, {}

    def keep(self, batch: Batch) -> None:
        """Take back what a failed commit did not store."""
        for address, (first, last, count) in batch.unknown.items():
            known = self._strangers.get(address)
            self._strangers[address] = (
                (first, last, count) if known is None else (first, known[1], known[2] + count)
            )
        for nas_client_id, moments in batch.nas_seen.items():
            now = self._seen.get(nas_client_id, _NOTHING)
            self._seen[nas_client_id] = (
                now[0] or moments[0],
                now[1] or moments[1],
                now[2] or moments[2],
            )
