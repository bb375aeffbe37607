"""argon2id hashes: make, check, and check nothing in the same time.

Costs come from the configuration; a hash made with weaker costs is renewed at the next login.
"""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from common.config import Passwords
from common.errors import UsageError

MAXIMUM_OCTETS = 128
"""RFC 2865 section 5.2: the longest User-Password."""

_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
"""No letters or digits that look alike."""
_GROUP = 4


class PasswordVault:
    """Hashes passwords with the site's costs. Safe to use from many threads."""

    def __init__(self, costs: Passwords) -> None:
        self._minimum_length = costs.minimum_length
        self._hasher = PasswordHasher(
            time_cost=costs.passes, memory_cost=costs.memory_kib, parallelism=costs.lanes
        )
        self._dummy = _dummy(costs.passes, costs.memory_kib, costs.lanes)

    def suggest(self) -> str:
        """A password that can be read aloud, typed on a phone and is long enough here."""
        groups = max(3, -(-(self._minimum_length + 1) // (_GROUP + 1)))
        return "-".join(
            "".join(secrets.choice(_READABLE) for _ in range(_GROUP)) for _ in range(groups)
        )

    def check_strength(self, password: str) -> None:
        """Raise UsageError, saying what to do, when `password` may not be chosen by a person."""
        if len(password) < self._minimum_length:
            raise UsageError(f"use a password of at least {self._minimum_length} characters")
        self.check_usable(password)

    def check_usable(self, password: str) -> None:
        """Raise UsageError when no login could ever present `password`."""
        if not password:
            raise UsageError("a password is needed")
        if len(password.encode()) > MAXIMUM_OCTETS:
            raise UsageError("a password may have at most 128 octets")
        if "\0" in password or "\n" in password or "\r" in password:
            raise UsageError("a password may hold no line break or NUL")

    def hash(self, password: str | bytes) -> str:
        """The argon2id hash of `password` in its standard text form."""
        return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str | bytes) -> bool:
        """Whether `password` fits; an absent hash costs the same time and is always False."""
        try:
            return self._hasher.verify(password_hash or self._dummy, password) and bool(
                password_hash
            )
        except (VerificationError, InvalidHashError):
            return False

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(password_hash)


@cache
def _dummy(passes: int, memory_kib: int, lanes: int) -> str:
    """The hash of what nobody knows, with these costs."""
    hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
    return hasher.hash(secrets.token_hex(16))
