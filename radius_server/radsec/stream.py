"""One TLS connection in memory: ciphertext in and out, plaintext in and out. No socket.

Both ends use it: the RadSec server, and the proxy as a RadSec client.
"""

from __future__ import annotations

from cryptography import x509
from OpenSSL import SSL

from common.errors import ProtocolError

_READ_OCTETS = 16384
"""A TLS record holds no more, RFC 8446 section 5.1."""


class TlsFailure(ProtocolError):  # noqa: N818 - reads as what happened
    """The connection is of no use any more; `reason` is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TlsStream:
    """A TLS connection on memory.

    Feed what the peer sent to `receive`; after any call send what `take` gives. After
    TlsFailure `take` may still hold an alert for the peer.
    """

    def __init__(self, context: SSL.Context, *, server: bool, server_name: str = "") -> None:
        self._tls = SSL.Connection(context, None)
        self._tls.set_app_data(self)
        if server:
            self._tls.set_accept_state()
        else:
            self._tls.set_connect_state()
            if server_name:
                self._tls.set_tlsext_host_name(server_name.encode("idna"))
        self.refusal = ""
        """Why the peer's certificate was refused, as verification found it."""
        self.is_open = False
        """The handshake is over."""
        self.peer_closed = False
        """The peer sent close_notify: nothing more will come."""

    def start(self) -> None:
        """Say the first word, as a client does."""
        self._shake_hands()

    def receive(self, ciphertext: bytes) -> bytes:
        """The plaintext that `ciphertext` completes.

        Raises:
            TlsFailure: the handshake failed, a record is forged, or an alert came.
        """
        if ciphertext:
            self._tls.bio_write(ciphertext)
        if not self.is_open and not self._shake_hands():
            return b""
        parts = []
        while True:
            try:
                parts.append(self._tls.recv(_READ_OCTETS))
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                self.peer_closed = True
                break
            except SSL.Error as error:
                raise TlsFailure(self._told(error)) from error
        return b"".join(parts)

    def send(self, plaintext: bytes) -> None:
        """Encrypt `plaintext`; only after the handshake.

        Raises:
            TlsFailure: nothing can be sent any more.
        """
        try:
            self._tls.sendall(plaintext)
        except SSL.Error as error:
            raise TlsFailure(self._told(error)) from error

    def take(self) -> bytes:
        """The ciphertext that waits to be sent to the peer."""
        parts = []
        while True:
            try:
                parts.append(self._tls.bio_read(65536))
            except SSL.Error:  # WantReadError: no more
                return b"".join(parts)

    def close(self) -> None:
        """Put close_notify behind what waits to be sent. RFC 8446 section 6.1."""
        if self.is_open:
            try:
                self._tls.shutdown()
            except SSL.Error:
                self.is_open = False
        self._tls.set_app_data(None)  # no cycle: what is closed is freed at once

    @property
    def application(self) -> str:
        """What ALPN agreed on, or nothing. RFC 7301."""
        return self._tls.get_alpn_proto_negotiated().decode("ascii", "replace")

    @property
    def protocol(self) -> str:
        """The version and the cipher suite, for the log."""
        return f"{self._tls.get_protocol_version_name()} {self._tls.get_cipher_name()}"

    @property
    def certificate(self) -> x509.Certificate | None:
        """The peer's verified certificate."""
        return self._tls.get_peer_certificate(as_cryptography=True)

    @property
    def chain(self) -> list[x509.Certificate]:
        """The peer's certificate and its issuers, as they were verified; empty without one."""
        return self._tls.get_verified_chain(as_cryptography=True) or []

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise TlsFailure(self._told(error)) from error
        except NoCommonProtocol as error:
            raise TlsFailure("no common application protocol (RFC 9765 section 3)") from error
        self.is_open = True
        return True

    def _told(self, error: SSL.Error) -> str:
        if self.refusal:
            return self.refusal
        if isinstance(error, SSL.SysCallError):
            return "the connection ended in the middle"
        entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
        return "; ".join(entry[-1] for entry in entries if entry) or "TLS error"


class NoCommonProtocol(Exception):  # noqa: N818 - only travels through OpenSSL's callback
    """The client offers application protocols, and none of them is ours."""
