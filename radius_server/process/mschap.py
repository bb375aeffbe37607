"""MS-CHAP version 1 and 2 and the keys made from them: what is computed from a password.

RFC 2433, RFC 2759 and RFC 3079. Octets in, octets out; whose password it is and whether
they may come in is decided elsewhere (see `known_secrets`).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

from common.errors import MalformedPacket
from identity.domain.recoverable import hash_nt_hash

CHALLENGE_OCTETS = 16
"""Version 2; version 1 has half of it."""

RESPONSE_OCTETS = 50
"""Of an MS-CHAP-Response and an MS-CHAP2-Response, RFC 2548 sections 2.1.3 and 2.3.2."""

CHALLENGE1_OCTETS = 8
NT_RESPONSE_OCTETS = 24
_USE_NT_RESPONSE = 1
_KEY_OCTETS = 16

# The fixed texts of RFC 2759 section 8.7 and RFC 3079 section 3.3.
_SERVER_SIGNING = b"Magic server to client signing constant"
_MORE_ITERATIONS = b"Pad to make it do more than one iteration"
_MASTER_KEY = b"This is the MPPE Master Key"
_CLIENT_SENDS = (
    b"On the client side, this is the send key; on the server side, it is the receive key."
)
_SERVER_SENDS = (
    b"On the client side, this is the receive key; on the server side, it is the send key."
)
_ECB = ECB()  # noqa: S305 - single blocks
_PAD1, _PAD2 = bytes(40), b"\xf2" * 40


@dataclass(frozen=True, slots=True)
class Response1:
    """What a peer of version 1 answers. RFC 2433 section 5."""

    nt_response: bytes = field(repr=False)
    identifier: int = 0
    uses_nt: bool = True
    """False when only the LAN Manager response is to count, which is not supported."""

    @classmethod
    def of_attribute(cls, value: bytes) -> Response1:
        """The response in an MS-CHAP-Response; MalformedPacket unless it has 50 octets."""
        _check_size("MS-CHAP-Response", value)
        return cls(value[26:], value[0], bool(value[1] & _USE_NT_RESPONSE))

    def fits(self, challenge: bytes, nt_hash: bytes) -> bool:
        """Whether it answers `challenge` (8 octets) with the password of this NT hash."""
        return (
            self.uses_nt
            and len(challenge) == CHALLENGE1_OCTETS
            and hmac.compare_digest(challenge_response(challenge, nt_hash), self.nt_response)
        )


@dataclass(frozen=True, slots=True)
class Response2:
    """What a peer of version 2 answers. RFC 2759 section 4."""

    peer_challenge: bytes
    nt_response: bytes = field(repr=False)
    identifier: int = 0

    @classmethod
    def of_attribute(cls, value: bytes) -> Response2:
        """The response in an MS-CHAP2-Response; MalformedPacket unless it has 50 octets."""
        _check_size("MS-CHAP2-Response", value)
        return cls(value[2:18], value[26:], value[0])

    def fits(self, challenge: bytes, user_name: bytes, nt_hash: bytes) -> bool:
        """Whether it answers `challenge` (16 octets) with the password of this NT hash."""
        if len(challenge) != CHALLENGE_OCTETS or len(self.peer_challenge) != CHALLENGE_OCTETS:
            return False
        joint = challenge_hash(self.peer_challenge, challenge, user_name)
        return hmac.compare_digest(challenge_response(joint, nt_hash), self.nt_response)


def without_domain(user_name: bytes) -> bytes:
    """The user name that is hashed: RFC 2759 section 4 leaves `DOMAIN\\` out."""
    return user_name.rpartition(b"\\")[2]


def challenge_hash(peer_challenge: bytes, challenge: bytes, user_name: bytes) -> bytes:
    """The 8 octets both sides' challenges come to: ChallengeHash, RFC 2759 section 8.2."""
    joined = peer_challenge + challenge + without_domain(user_name)
    return hashlib.sha1(joined, usedforsecurity=False).digest()[:CHALLENGE1_OCTETS]


def challenge_response(challenge: bytes, nt_hash: bytes) -> bytes:
    """24 octets: the 8-octet challenge under the hash as three DES keys. RFC 2759 8.5."""
    keys = nt_hash.ljust(21, b"\0")
    return b"".join([_des(keys[at : at + 7], challenge) for at in (0, 7, 14)])


def nt_response(challenge: bytes, peer_challenge: bytes, user_name: bytes, nt_hash: bytes) -> bytes:
    """GenerateNTResponse, RFC 2759 section 8.1."""
    return challenge_response(challenge_hash(peer_challenge, challenge, user_name), nt_hash)


def authenticator_response(
    response: Response2, challenge: bytes, user_name: bytes, nt_hash: bytes
) -> str:
    """`S=` and 40 hex digits, by which the peer knows that we know the password too.

    GenerateAuthenticatorResponse, RFC 2759 section 8.7.
    """
    return authenticator_response_by(response, challenge, user_name, hash_nt_hash(nt_hash))


def authenticator_response_by(
    response: Response2, challenge: bytes, user_name: bytes, nt_key: bytes
) -> str:
    """The same from MD4 of the NT hash, PasswordHashHash of RFC 2759 section 8.4."""
    digest = hashlib.sha1(
        nt_key + response.nt_response + _SERVER_SIGNING, usedforsecurity=False
    ).digest()
    joint = challenge_hash(response.peer_challenge, challenge, user_name)
    signature = hashlib.sha1(digest + joint + _MORE_ITERATIONS, usedforsecurity=False)
    return f"S={signature.hexdigest().upper()}"


def session_keys(nt_hash: bytes, response: bytes) -> tuple[bytes, bytes]:
    """(receive key, send key) of the authenticator, 16 octets each. RFC 3079 section 3.

    Args:
        response: the peer's NT-Response of version 2.
    """
    return session_keys_by(hash_nt_hash(nt_hash), response)


def session_keys_by(nt_key: bytes, response: bytes) -> tuple[bytes, bytes]:
    """The same from MD4 of the NT hash, PasswordHashHash of RFC 3079 section 3.4."""
    master = hashlib.sha1(nt_key + response + _MASTER_KEY, usedforsecurity=False).digest()[
        :_KEY_OCTETS
    ]
    return _start_key(master, _CLIENT_SENDS), _start_key(master, _SERVER_SENDS)


def session_keys1(nt_hash: bytes) -> bytes:
    """LM-Key (8 octets, none) and NT-Key (16) of MS-CHAP-MPPE-Keys. RFC 2548 section 2.4.1.

    The LM-Key comes from the LAN Manager hash, which is not kept; the 40 and 56 bit
    encryption that needs it is refused by whoever cares.
    """
    return bytes(8) + hash_nt_hash(nt_hash)


def failure_message(code: int, challenge: bytes, version: int) -> str:
    """What a refused peer is told. RFC 2433 section 8, RFC 2759 section 6.

    R=0: nobody waits for another try. C is demanded all the same, and repeats what was asked.

    Args:
        code: 691 wrong, 646 restricted hours, 647 disabled, 649 no permission.
        version: 2 with MS-CHAP, 3 with MS-CHAPv2.
    """
    return f"E={code} R=0 C={challenge.hex().upper()} V={version}"


def _check_size(name: str, value: bytes) -> None:
    if len(value) != RESPONSE_OCTETS:
        raise MalformedPacket(f"{name} has {len(value)} octets instead of {RESPONSE_OCTETS}")


def _start_key(master: bytes, text: bytes) -> bytes:
    """GetAsymmetricStartKey for 128 bits, RFC 3079 section 3.3."""
    digest = hashlib.sha1(master + _PAD1 + text + _PAD2, usedforsecurity=False).digest()
    return digest[:_KEY_OCTETS]


def _des(key: bytes, block: bytes) -> bytes:
    """One block under a DES key of 56 bits: triple DES with one key thrice is that."""
    cipher = Cipher(TripleDES(_des_key(key) * 3), _ECB)
    return cipher.encryptor().update(block)


def _des_key(key: bytes) -> bytes:
    """56 bits with room for a parity bit, which nobody looks at, after every seven."""
    a, b, c, d, e, f, g = key
    return bytes(
        (
            a & 0xFE,
            (a << 7 | b >> 1) & 0xFE,
            (b << 6 | c >> 2) & 0xFE,
            (c << 5 | d >> 3) & 0xFE,
            (d << 4 | e >> 4) & 0xFE,
            (e << 3 | f >> 5) & 0xFE,
            (f << 2 | g >> 6) & 0xFE,
            g << 1 & 0xFE,
        )
    )
