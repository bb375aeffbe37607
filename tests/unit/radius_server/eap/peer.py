"""A peer of EAP over TLS in memory, and whoever answers the questions of its conversation."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from OpenSSL import SSL

from identity.domain.access import AccountSnapshot, RoleProfile, Unavailable
from radius_server.eap.avp import Avp, encode_avp
from radius_server.eap.packet import Type, encode_request
from radius_server.process.questions import (
    AccessRequest,
    Answered,
    AskDirectory,
    AskStanding,
    Challenge,
    CheckPassword,
    Compute,
    FindAccount,
    FindOpenStations,
    FindTokens,
    RecoveredSecret,
    RecoverSecret,
)
from radius_server.process.standing import Inquiry

NOW = datetime.now(UTC)
PASSWORD = b"wonderland seven"

MORE, LENGTH, START = 0x40, 0x80, 0x20


def account(**changes: Any) -> AccountSnapshot:
    """Alice, active, whose password is kept."""
    facts: dict[str, Any] = {
        "account_id": 1,
        "username": "alice",
        "kind": "person",
        "state": "active",
        "expires_at": None,
        "role": RoleProfile(name="student"),
        "password_hash": "$argon2id$1",
        "recoverable": "password",
    }
    return AccountSnapshot(**(facts | changes))


@dataclass
class Site:
    """Answers questions as the worker would, from values."""

    accounts: dict[str, AccountSnapshot] = field(default_factory=lambda: {"alice": account()})
    open_stations: set[str] = field(default_factory=set)
    standing: Callable[[Inquiry], Any] = lambda inquiry: Unavailable("ocsp")
    asked: list[str] = field(default_factory=list)

    def answer(self, question: Any) -> Any:
        """What the dialogue is sent for anything but a Challenge."""
        self.asked.append(type(question).__name__)
        match question:
            case FindAccount(name):
                return self.accounts.get(name)
            case CheckPassword(found, password):
                return found is not None and password == PASSWORD
            case FindTokens():
                return ()
            case AskDirectory():
                return None
            case FindOpenStations():
                return self.open_stations
            case RecoverSecret():
                return RecoveredSecret(password=PASSWORD)
            case Compute(work):
                return work()
            case AskStanding(inquiry):
                return self.standing(inquiry)
        raise AssertionError(f"nobody answers {question}")

    def login(
        self,
        server: Any,
        peer: Peer,
        alter: Callable[[bytes], bytes] = bytes,
        pace: timedelta = timedelta(),
        **request: Any,
    ) -> Answered:
        """The whole conversation; `alter` may change what the peer says on its way.

        Args:
            pace: how long each round takes.
        """
        facts: dict[str, Any] = {
            "user_name": peer.identity,
            "nas_client_id": 7,
            "now": NOW,
            "station": "3c22fb010203",
        }
        first = AccessRequest(**(facts | request), eap_message=peer.hello())
        dialogue, answer = server.converse(first), None
        while True:
            try:
                question = dialogue.send(answer)
            except StopIteration as ended:
                assert isinstance(ended.value, Answered), ended.value
                return ended.value
            if isinstance(question, Challenge):
                peer.rounds += 1
                said = alter(peer.respond(question.eap_message))
                began = facts["now"] if "now" not in request else request["now"]
                answer = replace(first, eap_message=said, now=began + peer.rounds * pace)
            else:
                answer = self.answer(question)


class Peer:
    """Speaks one TLS based method; what it says inside is up to `inside`.

    Args:
        inside: yields what to say in the tunnel and is sent what came back.
        fragment: the most octets of TLS in one packet.
        eager: in TLS 1.3, speaks inside right behind its Finished.
    """

    def __init__(
        self,
        kind: Type,
        context: SSL.Context,
        inside: Iterator[bytes] | None = None,
        identity: str = "anonymous",
        fragment: int = 1000,
        session: Any = None,
        eager: bool = False,
    ) -> None:
        self._eager = eager
        self.identity = identity
        self.rounds = 0
        self.kind = kind
        self.longest = 0
        self.connection = SSL.Connection(context, None)
        self.connection.set_connect_state()
        if session is not None:
            self.connection.set_session(session)
        self._inside = inside
        self._fragment = fragment
        self._rest = b""
        self._received = b""
        self._open = False
        self.alert = ""

    def hello(self) -> bytes:
        """The Identity response."""
        return _response(1, Type.IDENTITY, self.identity.encode())

    def respond(self, request: bytes) -> bytes:
        """The answer to one EAP-Request."""
        self.longest = max(self.longest, len(request))
        identifier, kind, data = request[1], request[4], request[5:]
        if kind != self.kind:
            return _response(identifier, Type.NAK, bytes((self.kind,)))
        return _response(identifier, kind, self._answer(data))

    def key_material(self) -> bytes:
        """What the peer takes its keys from."""
        if self.connection.get_protocol_version() >= 0x0304:
            return self.connection.export_keying_material(
                b"EXPORTER_EAP_TLS_Key_Material", 128, bytes((self.kind,))
            )
        label = b"ttls keying material" if self.kind == Type.TTLS else b"client EAP encryption"
        return self.connection.export_keying_material(label, 128)

    def _answer(self, data: bytes) -> bytes:
        flags, data = data[0], data[1:]
        if flags & LENGTH:
            data = data[4:]
        self._received += data
        if flags & MORE:
            return b"\0"
        if self._rest:
            assert not data, "the server speaks before the peer has ended"
            return self._next_fragment(first=False)
        message, self._received = self._received, b""
        self._rest = self._speak(message)
        return self._next_fragment(first=True)

    def _next_fragment(self, first: bool) -> bytes:
        piece, whole = self._rest[: self._fragment], len(self._rest)
        self._rest = self._rest[self._fragment :]
        flags = MORE if self._rest else 0
        if first and self._rest:
            return bytes((flags | LENGTH,)) + whole.to_bytes(4, "big") + piece
        return bytes((flags,)) + piece

    def _speak(self, message: bytes) -> bytes:
        if message:
            self.connection.bio_write(message)
        said = b""
        try:
            if not self._open:
                self.connection.do_handshake()
                self._open = True
                if self.connection.get_protocol_version() >= 0x0304 and not self._eager:
                    return self._drain()
            else:
                said = self._read()
            if self._inside is not None and not self._has_resumed():
                words = next(self._inside) if not said else self._inside.send(said)  # type: ignore[attr-defined]
                if words:
                    self.connection.send(words)
        except (SSL.WantReadError, StopIteration):
            pass
        except SSL.Error as error:
            self.alert = str(error)
        return self._drain()

    def _has_resumed(self) -> bool:
        from radius_server.eap import openssl_adapter

        return openssl_adapter.was_resumed(self.connection)

    def _read(self) -> bytes:
        try:
            return self.connection.recv(65536)
        except SSL.WantReadError:
            return b""

    def _drain(self) -> bytes:
        try:
            return self.connection.bio_read(65536)
        except SSL.WantReadError:
            return b""


class InPeap:
    """What a peer says inside of PEAP: its identity, and a password by GTC."""

    def __init__(self, name: bytes, password: bytes) -> None:
        self.name, self.password = name, password
        self.heard: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return b""

    def send(self, said: bytes) -> bytes:
        self.heard.append(said)
        if said == bytes((Type.IDENTITY,)):
            return said + self.name
        if said[0] == Type.MSCHAPV2:
            return bytes((Type.NAK, Type.GTC))
        if said[0] == Type.GTC:
            return bytes((Type.GTC,)) + self.password
        result = said[5:11]
        return struct.pack("!BBHB", 2, said[1], 5 + len(result), Type.EXTENSIONS) + result

    @property
    def was_refused(self) -> bool:
        """Whether the result was told, and is a failure."""
        return any(words[4:5] == b"\x21" and words[9:11] == b"\0\2" for words in self.heard)


class CertifiedInPeap(InPeap):
    """What a peer says inside of PEAP that has a certificate: `peer` speaks EAP-TLS."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(b"anybody", b"")
        self._peer = peer

    def send(self, said: bytes) -> bytes:
        if said[0] == Type.MSCHAPV2:
            return bytes((Type.NAK, Type.TLS))
        if said[0] != Type.TLS:
            return super().send(said)
        self._peer.rounds += 1
        return self._peer.respond(encode_request(0, Type.TLS, said[1:]))[4:]


def _response(identifier: int, kind: int, data: bytes) -> bytes:
    return b"\x02" + encode_request(identifier, kind, data)[1:]


def client_context(authority: Any, version: int, certificate: Any = None) -> SSL.Context:
    """A client that believes `authority`, in one TLS version, maybe with a certificate."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.load_verify_locations(str(authority))
    context.set_verify(SSL.VERIFY_PEER)
    if certificate is not None:
        context.use_certificate_chain_file(str(certificate[0]))
        context.use_privatekey_file(str(certificate[1]))
    return context


def pap(name: str = "alice", password: bytes = PASSWORD) -> Iterator[bytes]:
    """The one message of TTLS with PAP."""
    padded = password + bytes(-len(password) % 16)
    yield encode_avp(Avp(0, 1, name.encode())) + encode_avp(Avp(0, 2, padded))
