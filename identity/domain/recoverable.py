"""What of a password may be kept so that it can be read again, and what is kept.

PAP and whatever carries a password to us needs nothing of this. CHAP, MS-CHAP, EAP-MD5 and
EAP-pwd prove it without telling it, and the server must then know it too.
"""

from __future__ import annotations

from enum import StrEnum

from Crypto.Hash import MD4

NT_HASH_OCTETS = 16


class Recoverable(StrEnum):
    """How much is kept beside the argon2id hash, encrypted with a key outside the database."""

    NONE = "none"
    NT_HASH = "nt-hash"
    """Enough for MS-CHAP, MS-CHAPv2, EAP-MSCHAPv2 and EAP-pwd."""
    PASSWORD = "password"  # noqa: S105 - the name of a kind
    """Enough for CHAP and EAP-MD5 as well."""


_RANK = {Recoverable.NONE: 0, Recoverable.NT_HASH: 1, Recoverable.PASSWORD: 2}


def lesser(one: Recoverable, other: Recoverable) -> Recoverable:
    """Whichever of the two keeps less."""
    return min(one, other, key=_RANK.__getitem__)


def nt_hash(password: str) -> bytes:
    """MD4 of the password in UTF-16LE, 16 octets. RFC 2759 section 8.3.

    What was no UTF-8 on its way here ("surrogateescape") is hashed as it is.
    """
    return hash_nt_hash(password.encode("utf-16-le", "surrogatepass"))


def hash_nt_hash(octets: bytes) -> bytes:
    """MD4 of octets, most often of an NT hash: HashNtPasswordHash, RFC 2759 section 8.4."""
    return MD4.new(octets).digest()  # noqa: S303 - MS-CHAP is defined with it


def kept(kind: Recoverable, password: str) -> bytes:
    """What of `password` is to be sealed; nothing for NONE."""
    if kind is Recoverable.PASSWORD:
        return password.encode("utf-8", "surrogateescape")
    return nt_hash(password) if kind is Recoverable.NT_HASH else b""
