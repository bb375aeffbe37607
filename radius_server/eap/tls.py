"""TLS in memory: whole flights in, whole flights out. RFC 5216, 9190 and 9427 for the keys.

No socket and no thread; whoever drives an engine calls it from one thread at a time, and
calls `receive` where it may take a millisecond. What a flight means to EAP is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from radius_server.eap import openssl_adapter as openssl
from radius_server.eap.packet import Type

MSK_OCTETS = 64
"""RFC 3748 section 7.10."""

_KEY_MATERIAL_OCTETS = 128
_TLS_1_3 = 0x0304
_ALERT_OF_AN_EXTENSION = "tlsv1 "
"""So OpenSSL begins the alerts of RFC 6066, without a word that they are alerts."""
_TLS_1_3_LABEL = b"EXPORTER_EAP_TLS_Key_Material"
_TLS_1_2_LABELS = {
    Type.TLS: b"client EAP encryption",
    Type.PEAP: b"client EAP encryption",
    Type.TTLS: b"ttls keying material",
}


@dataclass(slots=True)
class Flight:
    """What came of one message of the peer."""

    out: bytes = field(default=b"", repr=False)
    """TLS records to send, maybe none; an alert when it failed."""
    application: bytes = field(default=b"", repr=False)
    """What the peer said inside the tunnel."""
    done: bool = False
    """The handshake is complete."""
    failure: str = ""
    """A trace item; empty while all is well."""
    doubted: tuple[crypto.X509, int] | None = field(default=None, repr=False)
    """The certificate that was refused, and how far above the peer's own it stands."""


class TlsEngine:
    """The server's end of one TLS connection."""

    def __init__(self, context: SSL.Context) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._doubted: list[tuple[crypto.X509, int]] = []
        self._connection.set_app_data(self._doubted)
        self._done = False
        self.taken_up = b""
        """The secret of the session that the peer wants to resume, once OpenSSL agrees."""
        self.ticket_secrets: list[bytes] = []
        """The secrets of TLS 1.3 tickets that were sent."""

    def receive(self, message: bytes) -> Flight:
        """Feed one message of the peer; raises nothing."""
        flight = Flight()
        openssl.feed(self._connection, message)
        try:
            if not self._done:
                self._shake_hands()
            if self._done:
                flight.application = openssl.read(self._connection)
        except SSL.Error as error:
            flight.failure = self._failure(error)
            flight.doubted = next(iter(self._doubted), None)
        flight.done = self._done and not flight.failure
        flight.out = openssl.drain(self._connection)
        return flight

    def encrypt(self, octets: bytes) -> bytes:
        """TLS records that carry `octets`."""
        openssl.write(self._connection, octets)
        return openssl.drain(self._connection)

    @property
    def is_tls_1_3(self) -> bool:
        return self._connection.get_protocol_version() >= _TLS_1_3

    @property
    def version(self) -> str:
        return self._connection.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        return self._connection.get_cipher_name() or ""

    def keep(self) -> list[bytes]:
        """Let a later handshake resume this one; the secrets it would prove that by.

        Without it OpenSSL takes the end of the conversation, which TLS never sees, for a
        broken connection and forgets its session.
        """
        self._connection.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
        if self.is_tls_1_3:
            return self.ticket_secrets
        return [openssl.session_secret(self._connection)]

    def peer_certificate(self) -> bytes | None:
        """The peer's certificate as DER."""
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return None
        return certificate.public_bytes(Encoding.DER)

    def verified_chain(self) -> list[x509.Certificate]:
        """The peer's certificate and its issuers, as they were verified; not of a resumption."""
        return self._connection.get_verified_chain(as_cryptography=True) or []

    def key_material(self, kind: Type) -> bytes:
        """MSK and EMSK, 64 octets each: RFC 5216 2.3, RFC 5281 8, RFC 9190 2.3, RFC 9427 2.1."""
        if self.is_tls_1_3:
            return self._connection.export_keying_material(
                _TLS_1_3_LABEL, _KEY_MATERIAL_OCTETS, bytes((kind,))
            )
        return self._connection.export_keying_material(_TLS_1_2_LABELS[kind], _KEY_MATERIAL_OCTETS)

    def export(self, label: bytes, octets: int, context: bytes | None = None) -> bytes:
        """Keying material that both ends of this connection know. RFC 5705, RFC 8446 7.5."""
        return self._connection.export_keying_material(label, octets, context)

    def challenge(self, octets: int) -> bytes:
        """The challenge that both ends of a TTLS tunnel know. RFC 5281 section 11.1."""
        return self._connection.export_keying_material(b"ttls challenge", octets)

    def _shake_hands(self) -> None:
        connection = self._connection
        self._done, secrets = openssl.shake_hands(connection)
        self.ticket_secrets += secrets
        if not self.taken_up and openssl.was_resumed(connection) and not secrets:
            self.taken_up = openssl.session_secret(connection)

    def _failure(self, error: SSL.Error) -> str:
        """The last thing OpenSSL complains about, as a trace item."""
        queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
        reason: str = queue[-1][2] if queue else type(error).__name__
        _, is_alert, alert = reason.partition(" alert ")
        if not is_alert and reason.startswith(_ALERT_OF_AN_EXTENSION):
            is_alert, alert = "alert", reason.removeprefix(_ALERT_OF_AN_EXTENSION)
        if is_alert:
            return f"tls:alert={alert.replace(' ', '_')}"
        doubt = openssl.verify_result(self._connection) if "verify failed" in reason else ""
        if doubt:
            return f"tls:certificate={doubt.replace(' ', '_')}"
        return f"tls:error={reason.replace(' ', '_')}"
