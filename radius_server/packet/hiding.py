"""Attributes that are hidden under a shared secret, revealed and hidden again.

What passes from one hop to another (a proxy, RADIUS/1.1) is hidden on each under that hop's
own secret and Request Authenticator. Knows where each value lies and nothing of policy.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from common.errors import MalformedPacket
from radius_server.packet.codes import Attribute
from radius_server.packet.digest import md5
from radius_server.packet.packet import HEADER_OCTETS, Packet, sub_attributes

TUNNEL_PASSWORD = 69
MICROSOFT = 311
_MS_CHAP_MPPE_KEYS, _MPPE_SEND_KEY, _MPPE_RECV_KEY = 12, 16, 17
_BLOCK = 16
_SALT_OCTETS = 2
_MPPE_KEYS_OCTETS = 24
"""MS-CHAP-MPPE-Keys before padding, RFC 2548 section 2.4.1."""

Pair = tuple[int, bytes]
"""An attribute: type and value."""


@dataclass(frozen=True, slots=True)
class Hop:
    """What hides the values between two neighbours; None in its place: nothing is hidden."""

    secret: bytes = field(repr=False)
    authenticator: bytes
    """Of the request, also for the values of its reply."""


def walk(packet: Packet) -> Iterator[Pair]:
    """Every attribute of a packet in the order sent."""
    octets, at = packet.octets, HEADER_OCTETS
    while at < len(octets):
        size = octets[at + 1]
        yield octets[at], octets[at + 2 : at + size]
        at += size


def carry(pairs: Iterable[Pair], before: Hop | None, after: Hop | None) -> Iterator[Pair]:
    """The same attributes as the next hop takes them.

    User-Password (RFC 2865 5.2), Tunnel-Password (RFC 2868 3.5) and the MPPE keys (RFC 2548
    2.4) are revealed and hidden again; with None on one side they are in clear there, as
    RFC 9765 sections 5.1.1, 5.1.3 and 5.1.4 have them. Everything else passes as it is.

    Raises:
        MalformedPacket: a hidden value of an impossible length, or under another secret.
    """
    salts = _Salts()
    for kind, value in pairs:
        if kind == Attribute.USER_PASSWORD:
            yield kind, _password(value, before, after)
        elif kind == TUNNEL_PASSWORD:
            yield kind, value[:1] + _salted(value[1:], before, after, salts)
        elif kind == Attribute.VENDOR_SPECIFIC and value[:4] == MICROSOFT.to_bytes(4, "big"):
            yield kind, _microsoft(value, before, after, salts)
        else:
            yield kind, value


def without_hidden(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The attributes less those that are hidden under a shared secret."""
    for kind, value in pairs:
        if kind in (Attribute.USER_PASSWORD, TUNNEL_PASSWORD):
            continue
        if kind == Attribute.VENDOR_SPECIFIC and value[:4] == MICROSOFT.to_bytes(4, "big"):
            inner = {sub for _, sub, _ in sub_attributes(value) or ()}
            if inner & {_MS_CHAP_MPPE_KEYS, _MPPE_SEND_KEY, _MPPE_RECV_KEY}:
                continue
        yield kind, value


class _Salts:
    """Salts that one packet uses once each: the first bit is set, RFC 2868 section 3.5."""

    def __init__(self) -> None:
        self._next = secrets.randbits(15)

    def new(self) -> bytes:
        self._next = (self._next + 1) & 0x7FFF
        return (self._next | 0x8000).to_bytes(_SALT_OCTETS, "big")


def _microsoft(value: bytes, before: Hop | None, after: Hop | None, salts: _Salts) -> bytes:
    found = sub_attributes(value)
    if found is None:
        return value
    made = value[:4]
    for _, kind, came in found:
        inner = came
        if kind in (_MPPE_SEND_KEY, _MPPE_RECV_KEY):
            inner = _salted(came, before, after, salts)
        elif kind == _MS_CHAP_MPPE_KEYS:
            inner = _chain_again(came, before, after, _MPPE_KEYS_OCTETS)
        made += bytes((kind, len(inner) + 2)) + inner
    return made


def _password(value: bytes, before: Hop | None, after: Hop | None) -> bytes:
    clear = value
    if before is not None:
        clear = _revealed(value, before.secret, before.authenticator).rstrip(b"\0")
    if after is None:
        return clear
    if len(clear) > 128:
        raise MalformedPacket(f"User-Password has {len(clear)} octets")
    return _hidden(_padded(clear) or bytes(_BLOCK), after.secret, after.authenticator)


def _chain_again(value: bytes, before: Hop | None, after: Hop | None, size: int) -> bytes:
    clear = value
    if before is not None:
        clear = _revealed(value, before.secret, before.authenticator)[:size]
    if after is None:
        return clear
    return _hidden(_padded(clear), after.secret, after.authenticator)


def _salted(value: bytes, before: Hop | None, after: Hop | None, salts: _Salts) -> bytes:
    clear = value
    if before is not None:
        salt, hidden = value[:_SALT_OCTETS], value[_SALT_OCTETS:]
        opened = _revealed(hidden, before.secret, before.authenticator + salt)
        size = opened[0]
        if size >= len(opened):
            raise MalformedPacket("a hidden value is longer than its attribute")
        clear = opened[1 : 1 + size]
    if after is None:
        return clear
    salt = salts.new()
    opened = _padded(bytes((len(clear),)) + clear)
    return salt + _hidden(opened, after.secret, after.authenticator + salt)


def _padded(clear: bytes) -> bytes:
    return clear.ljust(-(-len(clear) // _BLOCK) * _BLOCK, b"\0")


def _revealed(value: bytes, secret: bytes, start: bytes) -> bytes:
    if not value or len(value) % _BLOCK:
        raise MalformedPacket(f"a hidden value has {len(value)} octets")
    return _chained(value, secret, start, lambda came, _made: came)


def _hidden(value: bytes, secret: bytes, start: bytes) -> bytes:
    return _chained(value, secret, start, lambda _came, made: made)


def _chained(
    value: bytes, secret: bytes, start: bytes, hidden: Callable[[bytes, bytes], bytes]
) -> bytes:
    """RFC 2865 section 5.2: a block's stream is MD5 over the secret and the hidden one before."""
    done, previous = b"", start
    for at in range(0, len(value), _BLOCK):
        came = value[at : at + _BLOCK]
        stream = md5(secret + previous).digest()
        made = (int.from_bytes(came, "big") ^ int.from_bytes(stream, "big")).to_bytes(_BLOCK, "big")
        done += made
        previous = hidden(came, made)
    return done
