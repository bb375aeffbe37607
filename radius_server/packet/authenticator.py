"""Authenticity and hiding: everything that needs the shared secret.

Checks run over raw octets. HMAC-MD5 keeps its two key pads hashed, so one check costs two
short MD5 runs (measured to be the cheapest correct way in Python).
"""

from __future__ import annotations

import hmac
import secrets
import struct
from collections.abc import Iterable

from common.errors import MalformedPacket
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.digest import md5
from radius_server.packet.packet import AUTHENTICATOR_OCTETS, MAXIMUM_OCTETS, Packet

_ZEROS = bytes(AUTHENTICATOR_OCTETS)
_MD5_BLOCK = 64
_HEADER = struct.Struct("!BBH")
_MESSAGE_AUTHENTICATOR_HEAD = bytes([Attribute.MESSAGE_AUTHENTICATOR, 18])
_PROXY_STATE = int(Attribute.PROXY_STATE)
_ACCOUNTING_REQUEST = int(Code.ACCOUNTING_REQUEST)
_INNER_PAD = bytes(value ^ 0x36 for value in range(256))
_OUTER_PAD = bytes(value ^ 0x5C for value in range(256))


class SharedSecret:
    """One NAS's secret, with what can be computed from it beforehand."""

    __slots__ = ("_inner", "_outer", "_plain", "_secret")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._plain = md5(secret)
        key = secret if len(secret) <= _MD5_BLOCK else self._plain.digest()
        key = key.ljust(_MD5_BLOCK, b"\0")
        self._inner = md5(key.translate(_INNER_PAD))
        self._outer = md5(key.translate(_OUTER_PAD))

    def __repr__(self) -> str:
        return "SharedSecret(…)"

    def hmac_md5(self, octets: bytes) -> bytes:
        """HMAC-MD5 (RFC 2104) of `octets` under the secret, 16 octets."""
        inner = self._inner.copy()
        inner.update(octets)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def message_authenticator_fits(self, packet: Packet) -> bool:
        """Whether Message-Authenticator is right; False when there is none.

        RFC 3579 section 3.2: computed with its own sixteen octets as zeros.
        """
        at = packet.message_authenticator_at
        if not at:
            return False
        octets = packet.octets
        end = at + AUTHENTICATOR_OCTETS
        expected = self.hmac_md5(octets[:at] + _ZEROS + octets[end:])
        return hmac.compare_digest(expected, octets[at:end])

    def accounting_authenticator_fits(self, packet: Packet) -> bool:
        """Whether the Request Authenticator of an Accounting-Request is right, RFC 2866 3."""
        octets = packet.octets
        digest = md5(octets[:4] + _ZEROS)
        digest.update(octets[20:] + self._secret)
        return hmac.compare_digest(digest.digest(), packet.authenticator)

    def reveal_password(self, hidden: bytes, authenticator: bytes) -> bytes:
        """The password in a User-Password value, without its padding. RFC 2865 section 5.2.

        Raises:
            MalformedPacket: not 16..128 octets in whole blocks.
        """
        if not hidden or len(hidden) % 16 or len(hidden) > 128:
            raise MalformedPacket(f"User-Password has {len(hidden)} octets")
        clear = b""
        previous = authenticator
        for at in range(0, len(hidden), 16):
            stream = self._plain.copy()
            stream.update(previous)
            block = hidden[at : at + 16]
            clear += (
                int.from_bytes(block, "big") ^ int.from_bytes(stream.digest(), "big")
            ).to_bytes(16, "big")
            previous = block
        return clear.rstrip(b"\0")

    def hide_password(self, clear: bytes, authenticator: bytes) -> bytes:
        """`clear`, padded with NUL to whole blocks of 16 and encrypted. RFC 2865 section 5.2.

        Args:
            authenticator: of the Access-Request, whichever way the value travels.
        """
        hidden, previous = b"", authenticator
        for at in range(0, max(len(clear), 1), 16):
            stream = self._plain.copy()
            stream.update(previous)
            block = int.from_bytes(clear[at : at + 16].ljust(16, b"\0"), "big")
            previous = (block ^ int.from_bytes(stream.digest(), "big")).to_bytes(16, "big")
            hidden += previous
        return hidden

    def hide_key(self, key: bytes, authenticator: bytes, number: int = 0) -> bytes:
        """The value of an MS-MPPE-Send-Key or -Recv-Key: salt and encrypted key.

        RFC 2548 section 2.4.2: the salt's first bit is set, and no two keys of one packet
        share a salt, which `number` sees to.

        Args:
            key: 0..245 octets.
            authenticator: of the Access-Request that is answered.
            number: 0 or 1, another one for each key of the packet.
        """
        salt = bytes((secrets.randbits(7) | 0x80, secrets.randbits(7) << 1 | number))
        clear = bytes((len(key),)) + key
        clear = clear.ljust(-(-len(clear) // 16) * 16, b"\0")
        hidden, previous = b"", authenticator + salt
        for at in range(0, len(clear), 16):
            stream = self._plain.copy()
            stream.update(previous)
            block = int.from_bytes(clear[at : at + 16], "big") ^ int.from_bytes(
                stream.digest(), "big"
            )
            previous = block.to_bytes(16, "big")
            hidden += previous
        return salt + hidden

    def reply(self, request: Packet, code: Code, attributes: bytes) -> bytes:
        """A reply to `request`, Message-Authenticator first, Proxy-State echoed last.

        RFC 2865 section 3 (Response Authenticator), RFC 3579 section 3.2, RFC 2865 5.33.
        The reply to an Accounting-Request has no Message-Authenticator: no RFC says over
        which authenticator it would be computed, real clients differ, and the request
        itself is already proven by its own authenticator (docs/decisions/0003).
        """
        if _PROXY_STATE in request.values:
            attributes += encode_all((_PROXY_STATE, value) for value in request.all(_PROXY_STATE))
        authenticator = request.authenticator
        if request.code == _ACCOUNTING_REQUEST:
            head = _HEADER.pack(code, request.identifier, 20 + len(attributes))
        else:
            length = 38 + len(attributes)
            if length > MAXIMUM_OCTETS:
                raise ValueError(f"a reply of {length} octets does not fit in a RADIUS packet")
            head = _HEADER.pack(code, request.identifier, length)
            start = head + authenticator + _MESSAGE_AUTHENTICATOR_HEAD
            signature = self.hmac_md5(start + _ZEROS + attributes)
            attributes = _MESSAGE_AUTHENTICATOR_HEAD + signature + attributes
        digest = md5(head + authenticator + attributes + self._secret).digest()
        return head + digest + attributes


def chap_fits(value: bytes, challenge: bytes, secret: bytes) -> bool:
    """Whether a CHAP-Password value answers `challenge` with `secret`. RFC 2865 section 2.2.

    Raises:
        MalformedPacket: CHAP-Password is not 17 octets.
    """
    if len(value) != 17:
        raise MalformedPacket(f"CHAP-Password has {len(value)} octets instead of 17")
    digest = md5(value[:1] + secret + challenge).digest()
    return hmac.compare_digest(digest, value[1:])


def encode(attribute: int, value: bytes) -> bytes:
    """One attribute, 1..253 octets of value; longer ones are the caller's mistake."""
    if len(value) > 253:
        raise ValueError(f"attribute {attribute} holds at most 253 octets")
    return bytes((attribute, len(value) + 2)) + value


def encode_all(attributes: Iterable[tuple[int, bytes]]) -> bytes:
    """Attributes one after another."""
    return b"".join(encode(attribute, value) for attribute, value in attributes)


def encode_vendor(vendor: int, kind: int, value: bytes) -> bytes:
    """One Vendor-Specific attribute with one sub-attribute, RFC 2865 section 5.26."""
    inner = bytes((kind, len(value) + 2)) + value
    return encode(Attribute.VENDOR_SPECIFIC, vendor.to_bytes(4, "big") + inner)
