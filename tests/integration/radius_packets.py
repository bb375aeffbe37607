"""RADIUS packets built from the RFCs alone, fast enough for a load, without product code."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct

ACCESS_REQUEST, ACCESS_ACCEPT, ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 1, 2, 4, 5
START, STOP, INTERIM = 1, 2, 3

_USER_NAME, _USER_PASSWORD, _NAS_IP, _FRAMED_IP, _VENDOR = 1, 2, 4, 8, 26
_CLASS, _CALLED, _CALLING, _NAS_IDENTIFIER, _STATUS, _SESSION = 25, 30, 31, 32, 40, 44
_MESSAGE_AUTHENTICATOR = 80


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute."""
    return bytes((kind, len(value) + 2)) + value


def access_request(
    identifier: int,
    secret: bytes,
    name: bytes,
    password: bytes,
    station: bytes = b"3C-22-FB-00-00-01",
) -> bytes:
    """An Access-Request by PAP with a Message-Authenticator, RFC 2865 5.2 and RFC 3579 3.2."""
    authenticator = secrets.token_bytes(16)
    padded = password.ljust(-(-max(len(password), 1) // 16) * 16, b"\0")
    hidden, previous = b"", authenticator
    for at in range(0, len(padded), 16):
        stream = hashlib.md5(secret + previous).digest()
        previous = bytes(a ^ b for a, b in zip(padded[at : at + 16], stream, strict=True))
        hidden += previous
    body = (
        attribute(_MESSAGE_AUTHENTICATOR, bytes(16))
        + attribute(_USER_NAME, name)
        + attribute(_USER_PASSWORD, hidden)
        + attribute(_NAS_IP, bytes((127, 0, 0, 1)))
        + attribute(_CALLED, b"02-00-00-00-00-01:School")
        + attribute(_CALLING, station)
    )
    head = struct.pack("!BBH", ACCESS_REQUEST, identifier, 20 + len(body)) + authenticator
    signature = hmac.digest(secret, head + body, "md5")
    return head + body[:2] + signature + body[18:]


def accounting_request(
    identifier: int,
    secret: bytes,
    status: int,
    session: bytes,
    *,
    name: bytes = b"loaded",
    address: int = 0x0A140001,
    seconds: int = 0,
    class_value: bytes = b"",
) -> bytes:
    """An Accounting-Request, RFC 2866 section 3; with the Class of the login where there is one."""
    body = (
        attribute(_STATUS, status.to_bytes(4, "big"))
        + attribute(_SESSION, session)
        + attribute(_USER_NAME, name)
        + attribute(_NAS_IDENTIFIER, b"ap-load")
        + attribute(_CALLING, b"3C-22-FB-00-00-01")
        + attribute(_FRAMED_IP, address.to_bytes(4, "big"))
        + attribute(46, seconds.to_bytes(4, "big"))
        + attribute(42, (seconds * 1000).to_bytes(4, "big"))
        + attribute(43, (seconds * 9000).to_bytes(4, "big"))
        + (attribute(_CLASS, class_value) if class_value else b"")
    )
    head = struct.pack("!BBH", ACCOUNTING_REQUEST, identifier, 20 + len(body))
    digest = hashlib.md5(head + bytes(16) + body + secret).digest()
    return head + digest + body


def reply_fits(request: bytes, reply: bytes, secret: bytes) -> bool:
    """Whether the Response Authenticator is right, RFC 2865 section 3."""
    digest = hashlib.md5(reply[:4] + request[4:20] + reply[20:] + secret).digest()
    return reply[1] == request[1] and hmac.compare_digest(digest, reply[4:20])


def zero_length_sub_attribute(identifier: int) -> bytes:
    """Thirty-one octets that keep some decoders busy for ever.

    A Vendor-Specific attribute whose sub-attribute says that it is 0 octets long.
    """
    inner = (9).to_bytes(4, "big") + bytes((1, 0)) + b"\0\0\0"
    made = struct.pack("!BBH", ACCESS_REQUEST, identifier, 31) + bytes(range(16))
    return made + attribute(_VENDOR, inner)
