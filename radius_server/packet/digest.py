"""MD5 as RADIUS wants it (RFC 2865 section 3): of short inputs, a handful for every packet.

CPython's own implementation has done one before OpenSSL's has set its context up; both give
the same sixteen octets. Knows nothing of secrets or packets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Protocol, Self


class Digest(Protocol):
    """A running digest, as hashlib's."""

    def update(self, octets: bytes, /) -> None:
        """Take more octets in."""

    def copy(self) -> Self:
        """Another one that goes on from here."""

    def digest(self) -> bytes:
        """The octets of the digest so far."""


def _fastest() -> Callable[[bytes], Digest]:
    try:
        fast: Callable[[bytes], Digest] = import_module("_md5").md5
    except ImportError:  # an interpreter that was built with OpenSSL's alone
        fast = partial(hashlib.md5, usedforsecurity=False)
    return fast


md5 = _fastest()
"""`md5(octets)`: a Digest of sixteen octets."""
