"""The arithmetic of EAP-pwd: groups, the password element, scalars, shared keys. RFC 5931.

Slow (milliseconds) and pure; the dialogue is in `pwd`. The elliptic curves themselves are
pycryptodome's, whose multiplication does not tell the scalar by its time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from Crypto.PublicKey.ECC import EccPoint  # type: ignore[attr-defined]  # its documented place

HASH_OCTETS = 32
_HUNTING = b"EAP-pwd Hunting And Pecking"
_ITERATIONS = 40
"""Always as many, found or not: how soon it is found tells of the password. RFC 5931 2.8.3.1
leaves the number open; all of 40 fail once in 10^12 passwords, and then it goes on."""

_MOST_ITERATIONS = 255
Point = EccPoint
Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Group:
    """A curve y² = x³ - 3x + b over a prime that is 3 modulo 4, with cofactor 1.

    `number` is IANA's "Group Description" of IKE.
    """

    number: int
    curve: str
    prime: int
    b: int
    order: int

    @property
    def prime_octets(self) -> int:
        return (self.prime.bit_length() + 7) // 8

    @property
    def order_octets(self) -> int:
        return (self.order.bit_length() + 7) // 8

    @property
    def ciphersuite(self) -> bytes:
        """Group, random function 1 and PRF 1 (HMAC-SHA-256). RFC 5931 section 3.2.1."""
        return self.number.to_bytes(2, "big") + b"\x01\x01"


def _number_of(hexadecimal: str) -> int:
    return int(hexadecimal, 16)


GROUPS = {
    group.number: group
    for group in (
        Group(
            19,
            "p256",
            2**256 - 2**224 + 2**192 + 2**96 - 1,
            _number_of("5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B"),
            _number_of("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"),
        ),
        Group(
            20,
            "p384",
            2**384 - 2**128 - 2**96 + 2**32 - 1,
            _number_of(
                "B3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE814112"
                "0314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF"
            ),
            _number_of("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973"),
        ),
        Group(
            21,
            "p521",
            2**521 - 1,
            _number_of(
                "51953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109"
                "E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00"
            ),
            _number_of(
                "1"
                + "F" * 64
                + "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409"
            ),
        ),
    )
}
"""RFC 5931 demands 19; the others are stronger, and slower."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """One side's secret and what it sends of it. RFC 5931 section 2.8.4.1."""

    private: int = field(repr=False)
    scalar: int
    element: Point

    def octets(self, group: Group) -> bytes:
        """Element and Scalar as they travel and are hashed."""
        return encode_element(group, self.element) + encode_scalar(group, self.scalar)


def prf(*parts: bytes) -> bytes:
    """H of RFC 5931 section 2.4: HMAC-SHA-256 with 32 octets of zero as the key."""
    return hmac.digest(bytes(HASH_OCTETS), b"".join(parts), hashlib.sha256)


def stretch(key: bytes, label: bytes, bits: int) -> bytes:
    """KDF of RFC 5931 section 2.5: as many octets as hold `bits`, the last ones cut to zero."""
    length = bits.to_bytes(2, "big")
    stream = block = b""
    number = 0
    while len(stream) * 8 < bits:
        number += 1
        block = hmac.digest(key, block + number.to_bytes(2, "big") + label + length, "sha256")
        stream += block
    octets = (bits + 7) // 8
    unused = octets * 8 - bits
    value = int.from_bytes(stream[:octets], "big") >> unused << unused
    return value.to_bytes(octets, "big")


def password_element(
    group: Group, token: bytes, peer: bytes, server: bytes, password: bytes
) -> Point:
    """The point that this password comes to in this conversation. RFC 5931 section 2.8.3.1.

    Each round costs the same whether or not it, or one before it, finds the point.
    """
    found: list[tuple[int, int, int]] = []
    for counter in range(1, _MOST_ITERATIONS + 1):
        if found and counter > _ITERATIONS:
            break
        seed = prf(token, peer, server, password, bytes((counter,)))
        bits = group.prime.bit_length()
        x = int.from_bytes(stretch(seed, _HUNTING, bits), "big") >> -bits % 8
        square = (x * x * x - 3 * x + group.b) % group.prime
        y = pow(square, (group.prime + 1) // 4, group.prime)
        if x < group.prime and y * y % group.prime == square:
            found.append((x, y, seed[-1]))
    x, y, last = found[0]
    return Point(x, y if (y ^ last) & 1 == 0 else group.prime - y, group.curve)


def commit(group: Group, element: Point, random: Random) -> Commitment:
    """A fresh secret, and what is sent of it."""
    while True:
        private, mask = _number(group, random), _number(group, random)
        scalar = (private + mask) % group.order
        if scalar > 1:
            return Commitment(private, scalar, -(element * mask))


def shared_key(
    group: Group, element: Point, own: Commitment, scalar: int, other: Point
) -> bytes | None:
    """The x-coordinate both sides come to, or None when the point is at infinity."""
    point = (element * scalar + other) * own.private
    if point.is_point_at_infinity():
        return None
    return int(point.x).to_bytes(group.prime_octets, "big")


def encode_element(group: Group, element: Point) -> bytes:
    """x and y, each as long as the prime. RFC 5931 section 3.2.2.1."""
    size = group.prime_octets
    return int(element.x).to_bytes(size, "big") + int(element.y).to_bytes(size, "big")


def encode_scalar(group: Group, scalar: int) -> bytes:
    """As long as the order."""
    return scalar.to_bytes(group.order_octets, "big")


def decode_commit(group: Group, octets: bytes) -> tuple[int, Point] | None:
    """Scalar and Element in a Commit, or None when they may not be used.

    RFC 5931 section 2.8.5.2: both in their range, and the point on the curve and not at
    infinity. Whoever forgets this lets in without a password.
    """
    size = group.prime_octets
    if len(octets) != 2 * size + group.order_octets:
        return None
    x = int.from_bytes(octets[:size], "big")
    y = int.from_bytes(octets[size : 2 * size], "big")
    scalar = int.from_bytes(octets[2 * size :], "big")
    if not 1 < scalar < group.order or x >= group.prime or y >= group.prime:
        return None
    try:
        element = Point(x, y, group.curve)
    except ValueError:
        return None
    return None if element.is_point_at_infinity() else (scalar, element)


def _number(group: Group, random: Random) -> int:
    """A number from 2 to the order less 1, evenly to within 2^-64."""
    return int.from_bytes(random(group.order_octets + 8), "big") % (group.order - 2) + 2
