"""What pyOpenSSL keeps to itself: session secrets, tickets as they are made, verify results.

The only module here that reaches under pyOpenSSL, into the binding that it shares with
cryptography. No policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

_HANDSHAKE = 22
_NEW_SESSION_TICKET = 4

_watched: dict[int, list[bytes]] = {}


def was_resumed(connection: SSL.Connection) -> bool:
    """Whether the handshake takes an earlier session up again."""
    return bool(lib.SSL_session_reused(_ssl(connection)))


def session_secret(connection: SSL.Connection) -> bytes:
    """What only the two ends of a session know: TLS 1.2 master secret, TLS 1.3 ticket PSK."""
    return _secret(lib.SSL_get_session(_ssl(connection)))


def verify_result(connection: SSL.Connection) -> str:
    """Why the peer's certificate was not believed, in OpenSSL's words; empty when it was."""
    code = lib.SSL_get_verify_result(_ssl(connection))
    if code == 0:
        return ""
    text: bytes = ffi.string(lib.X509_verify_cert_error_string(code))
    return text.decode("ascii", "replace")


def report_tickets(context: SSL.Context) -> None:
    """Let `tickets_made` see the tickets that connections of `context` make."""
    lib.SSL_CTX_set_msg_callback(context._context, _on_message)


@contextmanager
def tickets_made(connection: SSL.Connection) -> Iterator[list[bytes]]:
    """Inside, the secrets of TLS 1.3 tickets made for `connection` are added to the list."""
    key = int(ffi.cast("uintptr_t", _ssl(connection)))
    secrets: list[bytes] = []
    _watched[key] = secrets
    try:
        yield secrets
    finally:
        del _watched[key]


def _ssl(connection: SSL.Connection) -> Any:
    return connection._ssl


def _secret(session: Any) -> bytes:
    if session == ffi.NULL:
        return b""
    length = lib.SSL_SESSION_get_master_key(session, ffi.NULL, 0)
    octets = ffi.new("unsigned char[]", length)
    lib.SSL_SESSION_get_master_key(session, octets, length)
    return bytes(ffi.buffer(octets, length))


@ffi.callback("void(int, int, int, void *, size_t, SSL *, void *)")  # type: ignore[untyped-decorator]
def _on_message(
    written: int, _version: int, kind: int, data: Any, length: int, ssl: Any, _argument: Any
) -> None:
    """While a ticket is written, the session holds the very secret that the ticket stands for."""
    if written and kind == _HANDSHAKE and length and ffi.buffer(data, 1)[0] == b"\x04":
        secrets = _watched.get(int(ffi.cast("uintptr_t", ssl)))
        if secrets is not None:
            secrets.append(_secret(lib.SSL_get_session(ssl)))
