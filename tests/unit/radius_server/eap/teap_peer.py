"""A TEAP peer of our own, written from RFC 9930 and RFC 9427 alone: its keys are its own sums."""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from OpenSSL import SSL

from identity.domain.recoverable import nt_hash
from radius_server.eap.packet import Type, encode_request
from radius_server.process.mschap import nt_response, session_keys
from tests.unit.radius_server.eap.peer import LENGTH, PASSWORD, START, Peer

OUTER = 0x10
USER, MACHINE = 1, 2

IDENTITY_TYPE, RESULT, NAK, ERROR, REQUEST_ACTION = 2, 3, 4, 5, 8
EAP_PAYLOAD, INTERMEDIATE, BINDING, PASSWORD_REQUEST, PASSWORD_RESPONSE = 9, 10, 12, 13, 14
MANDATORY = 0x8000

Said = tuple[int, bytes]
"""A TLV: its type with the mandatory bit, its value."""


def tlv(kind: int, value: bytes, mandatory: bool = True) -> Said:
    return kind | (MANDATORY if mandatory else 0), value


def written(said: list[Said]) -> bytes:
    return b"".join(struct.pack("!HH", kind, len(value)) + value for kind, value in said)


def parsed(octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while octets:
        kind, length = struct.unpack("!HH", octets[:4])
        found[kind & 0x3FFF] = octets[4 : 4 + length]
        octets = octets[4 + length :]
    return found


@dataclass
class Mschapv2:
    """EAP-MSCHAPv2; the halves of its key are exchanged, as RFC 9930 section 3.6.3 has it."""

    name: str = "alice"
    password: bytes = PASSWORD
    kind: Type = Type.MSCHAPV2
    msk: bytes = b""
    emsk: bytes = b""

    def answer(self, data: bytes) -> bytes:
        if data[0] == 1:
            hashed, peer_challenge = nt_hash(self.password.decode()), bytes(range(16))
            proof = nt_response(data[5:21], peer_challenge, self.name.encode(), hashed)
            receive, send = session_keys(hashed, proof)
            self.msk = send + receive
            value = bytes((49,)) + peer_challenge + bytes(8) + proof + b"\0" + self.name.encode()
            return struct.pack("!BBH", 2, data[1], 4 + len(value)) + value
        return data[:1]


@dataclass
class Gtc:
    """EAP-GTC, which makes no keys."""

    name: str = "alice"
    password: bytes = PASSWORD
    kind: Type = Type.GTC
    msk: bytes = b""
    emsk: bytes = b""

    def answer(self, data: bytes) -> bytes:
        return self.password


class EapTls:
    """EAP-TLS with a certificate."""

    kind = Type.TLS

    def __init__(self, context: SSL.Context, name: str = "alice", session: Any = None) -> None:
        self.name = name
        self.peer = Peer(Type.TLS, context, session=session)

    def answer(self, data: bytes) -> bytes:
        return self.peer._answer(data)

    @property
    def msk(self) -> bytes:
        return self.peer.key_material()[:64]

    @property
    def emsk(self) -> bytes:
        return self.peer.key_material()[64:]


@dataclass
class Told:
    """Basic-Password-Auth: told, not proven."""

    name: str = "alice"
    password: bytes = PASSWORD
    kind: None = None
    msk: bytes = b""
    emsk: bytes = b""


Credential = Mschapv2 | Gtc | EapTls | Told
Twist = Callable[[list[Said]], list[Said]]


@dataclass
class Keys:
    """RFC 9930 section 5, in TLS 1.2 or, with the labels of RFC 9427, in TLS 1.3."""

    connection: SSL.Connection
    by_msk: bytes = b""
    by_emsk: bytes = b""
    mac_by_msk: bytes = b""
    mac_by_emsk: bytes = b""
    chosen: bytes = b""

    def begin(self) -> None:
        seed = self.connection.export_keying_material(b"EXPORTER: teap session key seed", 40)
        self.by_msk = self.by_emsk = self.chosen = seed

    @property
    def hash_name(self) -> str:
        return "sha384" if "SHA384" in (self.connection.get_cipher_name() or "") else "sha256"

    def add(self, credential: Credential | None) -> None:
        made_keys = credential is not None and credential.kind is not None
        inner = (credential.msk if credential is not None else b"")[:32].ljust(32, b"\0")
        whole = self.derive("Inner Methods Compound Keys", self.by_msk, inner, 60)
        self.mac_by_msk, self.mac_by_emsk = whole[40:], b""
        if made_keys:
            self.by_msk = whole[:40]
        if credential is not None and credential.emsk and not self.is_tls_1_3:
            label = b"TEAPbindkey@ietf.org" + bytes((0, 0, 64))
            inner = self.p_hash(credential.emsk, label, 64)[:32]
            whole = self.derive("Inner Methods Compound Keys", self.by_emsk, inner, 60)
            self.by_emsk, self.mac_by_emsk = whole[:40], whole[40:]
        self.chosen = self.by_msk

    def mac(self, key: bytes, binding: bytes, outer: bytes) -> bytes:
        head = struct.pack("!HH", BINDING | MANDATORY, 76)
        buffer = head + binding[:36] + bytes(40) + b"\x37" + outer
        return hmac.new(key, buffer, self.hash_name).digest()[:20]

    def session(self) -> bytes:
        return self.derive("Session Key Generating Function", self.chosen, b"", 64)

    @property
    def is_tls_1_3(self) -> bool:
        return self.connection.get_protocol_version() >= 0x0304

    def derive(self, label: str, secret: bytes, seed: bytes, octets: int) -> bytes:
        if self.is_tls_1_3:
            exporter = f"EXPORTER: {label}".encode()
            return self.connection.export_keying_material(exporter, octets, secret + seed)
        return self.p_hash(secret, label.encode() + seed, octets)

    def p_hash(self, secret: bytes, seed: bytes, octets: int) -> bytes:
        made, chained = b"", seed
        while len(made) < octets:
            chained = hmac.new(secret, chained, getattr(hashlib, self.hash_name)).digest()
            made += hmac.new(secret, chained + seed, getattr(hashlib, self.hash_name)).digest()
        return made[:octets]


@dataclass
class _Inside:
    """What the peer says inside."""

    keys: Keys
    credentials: dict[int, Credential]
    twist: Twist
    emsk: bool
    outer: bytes = b""
    heard: list[dict[int, bytes]] = field(default_factory=list)
    current: Credential | None = None
    identity: int = USER

    def __next__(self) -> bytes:
        return b""

    def send(self, plain: bytes) -> bytes:
        asked = parsed(plain)
        self.heard.append(asked)
        said = self._answers(asked)
        return written(self.twist(said))

    def _answers(self, asked: dict[int, bytes]) -> list[Said]:
        if asked.get(RESULT) == b"\0\2":
            return [tlv(RESULT, b"\0\2")]
        said: list[Said] = []
        if BINDING in asked:
            said.append(tlv(BINDING, self._bound(asked[BINDING])))
            self.current = None
        for kind in (INTERMEDIATE, RESULT):
            if kind in asked:
                said.append(tlv(kind, asked[kind]))
        if IDENTITY_TYPE in asked:
            wanted = int.from_bytes(asked[IDENTITY_TYPE], "big")
            self.identity = wanted if wanted in self.credentials else next(iter(self.credentials))
            said.append(tlv(IDENTITY_TYPE, self.identity.to_bytes(2, "big")))
        credential = self.credentials.get(self.identity)
        if PASSWORD_REQUEST in asked:
            assert asked[PASSWORD_REQUEST], "the first request has a prompt"
            if not isinstance(credential, Told):
                return [tlv(NAK, struct.pack("!IH", 0, PASSWORD_REQUEST))]
            self.current = credential
            name = credential.name.encode()
            words = bytes((len(name),)) + name + bytes((len(credential.password),))
            said.append(tlv(PASSWORD_RESPONSE, words + credential.password))
        if EAP_PAYLOAD in asked:
            assert credential is not None
            said.append(tlv(EAP_PAYLOAD, self._eap(asked[EAP_PAYLOAD], credential)))
        return said

    def _eap(self, request: bytes, credential: Credential) -> bytes:
        assert request[0] == 1
        assert int.from_bytes(request[2:4], "big") == len(request)
        number, kind, data = request[1], request[4], request[5:]
        if kind == Type.IDENTITY:
            answer = credential.name.encode()
        elif isinstance(credential, Told) or kind != credential.kind:
            kind, answer = Type.NAK, bytes((credential.kind or 0,))
        else:
            self.current = credential
            answer = credential.answer(data)
        return b"\x02" + encode_request(number, kind, answer)[1:]

    def _bound(self, request: bytes) -> bytes:
        """Check the server's Crypto-Binding and answer it."""
        reserved, version, received, flags = request[:4]
        assert (reserved, version, received, flags & 15) == (0, 1, 1, 0)
        assert request[35] & 1 == 0
        if not self.keys.by_msk:
            self.keys.begin()
        self.keys.add(self.current)
        mac = self.keys.mac(self.keys.mac_by_msk, request, self.outer)
        assert flags >> 4 & 2
        assert mac == request[56:]
        nonce = request[4:35] + bytes((request[35] | 1,))
        with_emsk = self.emsk and bool(self.keys.mac_by_emsk)
        if flags >> 4 & 1:
            assert self.keys.mac(self.keys.mac_by_emsk, request, self.outer) == request[36:56]
        answer = bytes((0, 1, 1, (3 if with_emsk else 2) << 4 | 1)) + nonce
        macs = bytes(20) + self.keys.mac(self.keys.mac_by_msk, answer, self.outer)
        if with_emsk:
            macs = self.keys.mac(self.keys.mac_by_emsk, answer, self.outer) + macs[20:]
            self.keys.chosen = self.keys.by_emsk
        return answer + macs


class TeapPeer(Peer):
    """Speaks TEAP with the credentials it has for the user (1) and the machine (2).

    Args:
        twist: may change what is said inside.
        outer: the peer's own Outer TLVs.
        emsk: answers with the EMSK's Compound-MAC where it has one.
    """

    def __init__(
        self,
        context: SSL.Context,
        *credentials: Credential,
        machine: Credential | None = None,
        twist: Twist = list,
        outer: bytes = b"",
        emsk: bool = False,
        fragment: int = 1000,
        session: Any = None,
    ) -> None:
        super().__init__(Type.TEAP, context, fragment=fragment, session=session)
        known = dict(zip((USER,), credentials, strict=False))
        if machine is not None:
            known[MACHINE] = machine
        self._own_outer = outer
        self._is_first = True
        self.inside = _Inside(Keys(self.connection), known, twist, emsk)
        self._inside = self.inside  # type: ignore[assignment]

    def session_keys(self) -> bytes:
        return self.inside.keys.session()

    @property
    def results(self) -> list[int]:
        """The result of each message that told one, and the errors."""
        return [
            int.from_bytes(asked[kind], "big")
            for asked in self.inside.heard
            for kind in (RESULT, ERROR)
            if kind in asked
        ]

    def _answer(self, data: bytes) -> bytes:
        flags, rest = data[0], data[1:]
        assert flags & 7 == 1, "version 1"
        if flags & START:
            assert flags & OUTER
            assert int.from_bytes(rest[:4], "big") == len(rest) - 4
            self.server_outer, rest = rest[4:], b""
            self.inside.outer = self.server_outer + self._own_outer
        else:
            assert not flags & OUTER
        answer = super()._answer(bytes((flags & 0xC0,)) + rest)
        if self._is_first:
            self._is_first = False
            return self._with_outer(answer)
        return bytes((answer[0] | 1,)) + answer[1:]

    def _with_outer(self, answer: bytes) -> bytes:
        flags, rest = answer[0], answer[1:]
        if not self._own_outer:
            return bytes((flags | 1,)) + rest
        assert not flags & LENGTH, "the first message fits"
        length = len(self._own_outer).to_bytes(4, "big")
        return bytes((flags | OUTER | 1,)) + length + rest + self._own_outer

    def _has_resumed(self) -> bool:
        return False
