"""What pyOpenSSL keeps to itself: session secrets, tickets as they are made, verify results.

The only module here that reaches under pyOpenSSL, into the binding that it shares with
cryptography. No policy. Reading and shaking hands are here as well, because pyOpenSSL raises an
exception each time that nothing more has come, which is twice for every packet.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

_HANDSHAKE = 22
_NEW_SESSION_TICKET = b"\x04"
_READ_OCTETS = 1 << 12
"""What is read at once: more than most of what is said in a tunnel or in a flight."""

_buffer = ffi.new_allocator(should_clear_after_alloc=False)

_NOTHING_MORE = (lib.SSL_ERROR_WANT_READ, lib.SSL_ERROR_ZERO_RETURN)

_watched: dict[int, list[bytes]] = {}


def feed(connection: SSL.Connection, records: bytes) -> None:
    """Let what the peer has sent be read by `shake_hands` and `read`."""
    if records and lib.BIO_write(connection._into_ssl, records, len(records)) != len(records):
        raise MemoryError


def shake_hands(connection: SSL.Connection) -> tuple[bool, list[bytes]]:
    """Go on with the handshake as far as what has come allows.

    Returns:
        Whether it is complete, and the secrets of the TLS 1.3 tickets that were made.

    Raises:
        SSL.Error: it has failed.
    """
    ssl = _ssl(connection)
    key = int(ffi.cast("uintptr_t", ssl))
    secrets: list[bytes] = []
    _watched[key] = secrets
    try:
        result = lib.SSL_do_handshake(ssl)
    finally:
        del _watched[key]
    if result != 1 and lib.SSL_get_error(ssl, result) != lib.SSL_ERROR_WANT_READ:
        connection._raise_ssl_error(ssl, result)
    return result == 1, secrets


def read(connection: SSL.Connection) -> bytes:
    """What the peer has said inside so far.

    Raises:
        SSL.Error: a record is broken, or the peer sent an alert.
    """
    ssl = _ssl(connection)
    octets = _buffer("char[]", _READ_OCTETS)
    found = b""
    while (count := lib.SSL_read(ssl, octets, _READ_OCTETS)) > 0:
        found += ffi.buffer(octets, count)[:]
    if lib.SSL_get_error(ssl, count) not in _NOTHING_MORE:
        connection._raise_ssl_error(ssl, count)
    return found


def write(connection: SSL.Connection, octets: bytes) -> None:
    """Say `octets` inside; `drain` then has the records.

    Raises:
        SSL.Error: the connection has failed before.
    """
    ssl = _ssl(connection)
    while octets:
        count = lib.SSL_write(ssl, octets, len(octets))
        if count <= 0:
            connection._raise_ssl_error(ssl, count)
        octets = octets[count:]  # one record is written at once


def drain(connection: SSL.Connection) -> bytes:
    """The records that are to be sent to the peer, maybe none."""
    octets = _buffer("char[]", _READ_OCTETS)
    found = b""
    while (count := lib.BIO_read(connection._from_ssl, octets, _READ_OCTETS)) > 0:
        found += ffi.buffer(octets, count)[:]
        if count < _READ_OCTETS:
            break
    return found


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
    """Let `shake_hands` see the tickets that connections of `context` make."""
    lib.SSL_CTX_set_msg_callback(context._context, _on_message)


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
    if written and kind == _HANDSHAKE and length and ffi.buffer(data, 1)[0] == _NEW_SESSION_TICKET:
        secrets = _watched.get(int(ffi.cast("uintptr_t", ssl)))
        if secrets is not None:
            secrets.append(_secret(lib.SSL_get_session(ssl)))
