"""Passwords that argon2 or a directory has confirmed, remembered for an hour in memory.

A password is kept as a keyed hash together with the stored hash it was checked against: a
changed password cannot match.
"""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import secrets
import struct

from identity.domain.access import AccountSnapshot

VERIFIED_SECONDS = 3600.0

_DIGEST_OCTETS = 32
_SLOT = struct.Struct(f"={_DIGEST_OCTETS}sd")
_SLOTS = 1 << 17
TABLE_OCTETS = _SLOTS * _SLOT.size
"""5 MB: room for the accounts of a province, one slot each; a clash costs one argon2."""

VerifiedTable = bytearray | ctypes.Array[ctypes.c_ubyte]


class VerifiedPasswords:
    """Passwords that argon2 has confirmed, so that it need not again for a while.

    A table of fixed slots in memory that the workers of one server share; nothing is
    written anywhere, and the key is random in each start. Workers write without a lock: a
    torn slot holds no digest that fits, and then argon2 is asked.
    """

    def __init__(self, key: bytes, table: VerifiedTable) -> None:
        self._key = key
        self._table = table
        self._slots = len(table) // _SLOT.size

    @classmethod
    def of_this_process(cls) -> VerifiedPasswords:
        """A table of its own, with a key nobody else has."""
        return cls(secrets.token_bytes(32), bytearray(TABLE_OCTETS))

    def confirms(self, account: AccountSnapshot, password: bytes, now: float) -> bool:
        """Whether this very password was confirmed for this very stored hash."""
        if (account.password_hash is None and not account.origin) or account.to_keep != "none":
            return False  # what is to be kept is kept where argon2 has confirmed it
        digest, until = _SLOT.unpack_from(self._table, self._offset(account))
        return until > now and hmac.compare_digest(digest, self._digest(account, password))

    def remember(
        self,
        account: AccountSnapshot,
        password: bytes,
        now: float,
        seconds: float = VERIFIED_SECONDS,
    ) -> None:
        """Note that argon2, or a directory, confirmed `password`; `now` is monotonic seconds."""
        digest = self._digest(account, password)
        _SLOT.pack_into(self._table, self._offset(account), digest, now + seconds)

    def _offset(self, account: AccountSnapshot) -> int:
        return account.account_id % self._slots * _SLOT.size

    def _digest(self, account: AccountSnapshot, password: bytes) -> bytes:
        stored = (account.password_hash or "").encode()
        hasher = hashlib.blake2b(stored, key=self._key, digest_size=_DIGEST_OCTETS)
        hasher.update(account.account_id.to_bytes(8, "big") + password)
        return hasher.digest()
