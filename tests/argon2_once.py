"""argon2 with its full costs, worked out once for what a test process has asked before.

What argon2 says about one hash and one password never changes, so it is remembered. A new hash
takes the salt that the same password got in the test before: the first hash of a test the salt
of the first one there, the second that of the second. Within a test no two hashes are alike, and
each is one that argon2 made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from unittest.mock import patch

from argon2 import _password_hasher, low_level
from argon2.exceptions import VerifyMismatchError


class Argon2Once:
    """Stands in for the two functions of argon2-cffi that its PasswordHasher calls."""

    def __init__(self) -> None:
        self._fits: dict[tuple[bytes, bytes], bool] = {}
        self._hashes: dict[tuple[bytes, tuple[object, ...], int], bytes] = {}
        self._asked: Counter[bytes] = Counter()

    def begin_test(self) -> None:
        """The next hash of a password is its first."""
        self._asked.clear()

    def hash_secret(self, *, secret: bytes, salt: bytes, **costs: Any) -> bytes:
        """As low_level.hash_secret; `salt` is used where there is no hash yet."""
        number = self._asked[secret]
        self._asked[secret] += 1
        key = (secret, (len(salt), *costs.values()), number)
        if key not in self._hashes:
            self._hashes[key] = low_level.hash_secret(secret=secret, salt=salt, **costs)
        return self._hashes[key]

    def verify_secret(self, hash: bytes, secret: bytes, type: low_level.Type) -> Literal[True]:
        """As low_level.verify_secret; an error that says nothing about the password stays one."""
        key = (hash, secret)
        if key not in self._fits:
            try:
                self._fits[key] = low_level.verify_secret(hash, secret, type)
            except VerifyMismatchError:
                self._fits[key] = False
        if not self._fits[key]:
            raise VerifyMismatchError("The password does not match the supplied hash")
        return True

    @contextmanager
    def in_place(self) -> Iterator[Argon2Once]:
        """While it stands in."""
        with (
            patch.object(_password_hasher, "hash_secret", self.hash_secret),
            patch.object(_password_hasher, "verify_secret", self.verify_secret),
        ):
            yield self
