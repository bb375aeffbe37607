"""Who must wait before another password is tried: penalties in a fixed piece of memory.

A device that fails pays, nobody else: penalties are kept by account and device, and by
device, where a device is a station as one NAS sees it. Nobody can fail on behalf of a
device elsewhere. Time is passed in.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
from dataclasses import dataclass

_DIGEST_OCTETS = 16
_SLOT = struct.Struct(f"={_DIGEST_OCTETS}sddd")
_HEADER = struct.Struct("=d")
_SLOTS = 1 << 15
PENALTY_OCTETS = _HEADER.size + _SLOTS * _SLOT.size
"""1.3 MB: room for every device of a large school at once. A clash forgives somebody."""

Who = int | str
"""Whose password is tried: the number of an account, or a name that no account has."""

PenaltyTable = bytearray | ctypes.Array[ctypes.c_ubyte]

_UNNAMED_SECONDS = 5.0
"""The longest wait where the NAS does not name the device: others stand behind the same NAS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much failure is human."""

    account_failures: int = 10
    """Wrong passwords of one device at one account before it waits; 0: it never waits."""
    device_failures: int = 100
    """Wrong passwords of one device, whatever the account: many share the one at the desk."""
    first_seconds: float = 1.0
    """The first wait; each further failure doubles it."""
    longest_seconds: float = 60.0
    forget_seconds: float = 60.0
    """One failure is forgotten in this time."""


class Penalties:
    """Failures and waits that the workers of one server share.

    A table of fixed slots, written without a lock: a torn slot fits nobody, which forgives.
    Its first octets tell until when anybody may have to wait at all, so that a login costs
    one comparison while nothing has failed lately.
    """

    def __init__(
        self,
        key: bytes,
        table: PenaltyTable | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self._key = key
        self._table: PenaltyTable = bytearray(PENALTY_OCTETS) if table is None else table
        self._slots = (len(self._table) - _HEADER.size) // _SLOT.size
        self._limits = limits

    def are_idle(self, now: float) -> bool:
        """Whether nobody has failed lately, so that nobody waits."""
        (until,) = _HEADER.unpack_from(self._table)
        return bool(until <= now)

    def holds_back(self, who: Who, station: str | None, nas: int, now: float) -> bool:
        """Whether this device must wait before it tries this account again."""
        return self._wait(self._of_account(who, station, nas), now) > 0

    def holds_back_device(self, station: str | None, nas: int, now: float) -> bool:
        """Whether this device must wait before it tries any name; one without a name never."""
        return station is not None and self._wait(self._of_device(station, nas), now) > 0

    def failed(self, who: Who, station: str | None, nas: int, now: float) -> None:
        """Note a wrong password at `who`, which need not exist."""
        limits = self._limits
        longest = limits.longest_seconds if station is not None else _UNNAMED_SECONDS
        self._count(self._of_account(who, station, nas), limits.account_failures, longest, now)
        if station is not None:
            self._count(
                self._of_device(station, nas),
                limits.device_failures,
                limits.longest_seconds,
                now,
            )

    def succeeded(self, who: Who, station: str | None, nas: int) -> None:
        """Forgive this device what it did wrong at this account, but not at others."""
        digest = self._of_account(who, station, nas)
        offset = self._offset(digest)
        if _SLOT.unpack_from(self._table, offset)[0] == digest:
            _SLOT.pack_into(self._table, offset, bytes(_DIGEST_OCTETS), 0.0, 0.0, 0.0)

    def take_back(self, station: str | None, nas: int) -> None:
        """One failure that was noted ahead was none: forgive the device that one."""
        if station is None:
            return
        digest = self._of_device(station, nas)
        offset = self._offset(digest)
        known, failures, at, until = _SLOT.unpack_from(self._table, offset)
        if known == digest:
            _SLOT.pack_into(self._table, offset, digest, max(0.0, failures - 1.0), at, until)

    def _wait(self, digest: bytes, now: float) -> float:
        """Seconds this digest still has to wait; 0 when it need not."""
        known, _failures, _at, until = _SLOT.unpack_from(self._table, self._offset(digest))
        return max(0.0, until - now) if known == digest else 0.0

    def _count(self, digest: bytes, allowed: int, longest: float, now: float) -> None:
        if allowed == 0:
            return
        forget = self._limits.forget_seconds
        offset = self._offset(digest)
        known, failures, at, until = _SLOT.unpack_from(self._table, offset)
        if known != digest:
            if until > now:
                # Whoever waits keeps the slot: a flood of new names must not set it free.
                return
            failures, at = 0.0, now
        failures = max(0.0, failures - (now - at) / forget) + 1.0
        until = 0.0
        if failures > allowed:
            # Bounded before it is raised: a device may fail for years.
            doublings = min(failures - allowed - 1.0, 30.0)
            until = now + min(longest, self._limits.first_seconds * 2.0**doublings)
        _SLOT.pack_into(self._table, offset, digest, failures, now, until)
        # Any failure wakes the checks up until the last of them is forgotten.
        (busy,) = _HEADER.unpack_from(self._table)
        _HEADER.pack_into(self._table, 0, max(busy, now + forget * min(failures + 1, 60), until))

    def _of_account(self, who: Who, station: str | None, nas: int) -> bytes:
        name = f"#{who}" if isinstance(who, int) else f"@{who.strip().casefold()}"
        return self._digest(f"{nas}\n{station or ''}\n{name}")

    def _of_device(self, station: str, nas: int) -> bytes:
        return self._digest(f"{nas}\n{station}")

    def _digest(self, text: str) -> bytes:
        octets = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(octets, key=self._key, digest_size=_DIGEST_OCTETS).digest()

    def _offset(self, digest: bytes) -> int:
        number = int.from_bytes(digest[:8], "little") % self._slots
        return _HEADER.size + number * _SLOT.size
