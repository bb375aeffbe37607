"""argon2 with its full costs, worked out once for what a test process has asked before.

What argon2 says about one hash and one password never changes, so it is remembered. A new hash is
the first one of its password that nobody has: those of a test are free when it is over, those that
a fixture made when the fixture is. So no two hashes that a test can meet are alike, and each is one
that argon2 made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Literal
from unittest.mock import patch

from argon2 import _password_hasher, low_level
from argon2.exceptions import VerifyMismatchError

Made = tuple[bytes, int]
"""A password, and which of its hashes."""


class Argon2Once:
    """Stands in for the two functions of argon2-cffi that its PasswordHasher calls."""

    def __init__(self) -> None:
        self._fits: dict[tuple[bytes, bytes], bool] = {}
        self._hashes: dict[tuple[bytes, tuple[object, ...], int], bytes] = {}
        self._taken: defaultdict[bytes, set[int]] = defaultdict(set)
        self._made: list[Made] = []

    def end_test(self) -> None:
        """What was made in no `kept` is free."""
        self.free(self._made)
        self._made.clear()

    @contextmanager
    def kept(self) -> Iterator[list[Made]]:
        """What is made meanwhile; it is taken until it is given to `free`."""
        outer, self._made = self._made, []
        try:
            yield self._made
        finally:
            self._made = outer

    def free(self, made: Iterable[Made]) -> None:
        """Others may have these hashes now."""
        for secret, number in made:
            self._taken[secret].discard(number)

    def hash_secret(self, *, secret: bytes, salt: bytes, **costs: Any) -> bytes:
        """As low_level.hash_secret; `salt` is used where there is no hash yet."""
        taken = self._taken[secret]
        number = next(number for number in count() if number not in taken)
        taken.add(number)
        self._made.append((secret, number))
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
