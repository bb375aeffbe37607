"""Which worker a station logged in at last, in memory that the workers of one server share.

TLS sessions and habits stay in the worker that made them; who comes back is handed to it. This
is a hint and no more: where it is wrong, the station logs in in full.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct

_DIGEST_OCTETS = 8
_SLOT = struct.Struct(f"={_DIGEST_OCTETS}sB")
_SLOTS = 1 << 16
HOLDERS_OCTETS = _SLOTS * _SLOT.size
"""590 kB: the stations of a large school, one slot each; a clash costs a full handshake."""

HolderTable = bytearray | ctypes.Array[ctypes.c_ubyte]


class Holders:
    """A table of fixed slots, written without a lock: a torn slot fits no station."""

    def __init__(self, key: bytes, table: HolderTable | None = None) -> None:
        self._key = key
        self._table: HolderTable = bytearray(HOLDERS_OCTETS) if table is None else table

    def find(self, station: str | None) -> int | None:
        """The worker that let `station` in last; None for one that is not known."""
        if station is None:
            return None
        digest = self._digest(station)
        known, worker = _SLOT.unpack_from(self._table, self._offset(digest))
        return worker if known == digest else None

    def note(self, station: str | None, worker: int) -> None:
        """Remember that `worker` has let `station` in."""
        if station is None:
            return
        digest = self._digest(station)
        _SLOT.pack_into(self._table, self._offset(digest), digest, worker)

    def _digest(self, station: str) -> bytes:
        hasher = hashlib.blake2b(station.encode(), key=self._key, digest_size=_DIGEST_OCTETS)
        return hasher.digest()

    @staticmethod
    def _offset(digest: bytes) -> int:
        return int.from_bytes(digest, "little") % _SLOTS * _SLOT.size
