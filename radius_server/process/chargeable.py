"""Chargeable-User-Identity: an opaque, steady name of the user for whoever runs the network.

RFC 4372: told only to who asks for it, the same at every login, and nobody but us can tell
whose it is. Two operators (Operator-Name, RFC 5580) get different ones, so that they cannot
compare their users.
"""

from __future__ import annotations

import hashlib

from radius_server.packet.authenticator import encode

CHARGEABLE_USER_IDENTITY = 89
OPERATOR_NAME = 126


def chargeable_identity(key: bytes, account_id: int, operator: bytes) -> bytes:
    """The encoded attribute for this account at this operator."""
    body = b"cui" + account_id.to_bytes(8, "big") + operator
    digest = hashlib.blake2b(body, key=key, digest_size=16).hexdigest()
    return encode(CHARGEABLE_USER_IDENTITY, digest.encode())
