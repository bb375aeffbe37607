"""Pre-shared keys for TLS, which pyOpenSSL does not know: straight from the binding under it.

RFC 9813. A key is used with an ephemeral key exchange only: one that leaks must not open what
was recorded before. Knows nothing of who has which key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

MINIMUM_OCTETS = 16
"""RFC 9813 section 4.1: what is shorter can be searched for."""

_LONGEST_IDENTITY = 253
_CIPHERS = b"DEFAULT:!kPSK:!kRSAPSK:!aNULL"
"""Of TLS 1.2."""

_SUITES = b"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
"""Of TLS 1.3, by our preference: a key given by hand goes with SHA-256 (RFC 8446 4.2.11)."""


class PreSharedKeys:
    """Answers a context's clients that bring an identity instead of a certificate."""

    def __init__(self, find: Callable[[str], bytes | None]) -> None:
        """`find` gives the key of an identity, or None; it is called within the handshake."""
        self._find = find
        self.asked = ""
        """The identity last asked for; whoever drives a handshake clears and reads it."""
        self._callback = ffi.callback(
            "unsigned int (*)(SSL *, const char *, unsigned char *, unsigned int)", self._answer
        )

    def enable(self, context: SSL.Context) -> None:
        """Let clients of `context` use keys; this object must live as long as the context."""
        context.set_cipher_list(_CIPHERS)
        context.set_tls13_ciphersuites(_SUITES)
        context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_session_id(b"radsec")  # a key is a session to OpenSSL, which wants its context
        lib.SSL_CTX_set_psk_server_callback(context._context, self._callback)

    def _answer(self, _ssl: Any, identity: Any, room: Any, size: int) -> int:
        """The length of the key, or 0 for an identity that nobody has."""
        if identity == ffi.NULL:
            return 0
        octets: bytes = ffi.string(identity, _LONGEST_IDENTITY + 1)
        if len(octets) > _LONGEST_IDENTITY:
            return 0
        name = octets.decode("utf-8", "replace")
        key = self._find(name)
        if key is None or not MINIMUM_OCTETS <= len(key) <= size:
            return 0
        self.asked = name
        ffi.memmove(room, key, len(key))
        return len(key)
