"""EAP peers at the bench of a worker: packets in, what was answered and stored out."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy import select

from common.config_access import Eap
from db.ledger import open_ledger
from db.models import AuthEvent
from identity.office import Office
from identity.services import nas
from identity.verified import TABLE_OCTETS, VerifiedPasswords
from radius_server.eap.server import EapServer
from radius_server.packet.codes import Attribute
from radius_server.packet.packet import Packet, decode
from radius_server.worker.worker import Worker
from tests.conftest import wait_until
from tests.integration.radius_packets import attribute
from tests.unit.radius_server.worker.test_worker import SECRET, Bench, Wire, signed

STATION = b"3C-22-FB-00-00-07"
IDENTITY, NAK = 1, 3


class Replies(Wire):
    """A wire that keeps whole replies."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[int, Packet] = {}

    def sendto(self, octets: bytes, target: object) -> None:
        super().sendto(octets, target)
        self.replies[octets[1]] = decode(octets)


class EapBench(Bench):
    """A worker that speaks EAP; `eap` are keys of [eap], `radius` of [radius]."""

    def __init__(
        self, office: Office, radius: dict[str, Any] | None = None, threads: int = 1, **eap: Any
    ) -> None:
        super().__init__(office)
        super().close()
        with office.database.write() as session:
            nas.add_nas(session, office, "gate", "127.0.0.1/32", SECRET, "test")
        config = office.config.model_copy(
            update={
                "eap": Eap(**eap),
                "radius": office.config.radius.model_copy(update=radius or {}),
            }
        )
        self.auth: Replies = Replies()
        auth: Any = self.auth
        acct: Any = self.acct
        self.worker = Worker(
            config,
            office,
            open_ledger(config.database_url),
            [auth],
            [acct],
            self.counters,
            VerifiedPasswords(secrets.token_bytes(32), bytearray(TABLE_OCTETS)),
            threads=threads,
            eap=EapServer.open(config),
        )

    def events(self) -> list[AuthEvent]:
        with self.office.database.read() as session:
            return list(session.scalars(select(AuthEvent).order_by(AuthEvent.id)))

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events()]


class Speaks(Protocol):
    """Whoever answers EAP-Requests, as tests.unit.radius_server.eap.peer does."""

    def hello(self) -> bytes: ...
    def respond(self, request: bytes) -> bytes: ...


class Talk:
    """One conversation: `step` says what the peer has to say and tells what came back."""

    def __init__(self, bench: EapBench, peer: Speaks, name: bytes = b"anonymous") -> None:
        self.bench, self.peer, self.name = bench, peer, name
        self.number = secrets.randbelow(100)
        self.said = peer.hello()
        self.state = b""
        self.packet = b""

    def send(self) -> None:
        """Send what the peer says, in a packet of its own."""
        self.number = (self.number + 1) % 256
        self.bench.auth.replies.pop(self.number, None)
        self.bench.auth.sent.pop(self.number, None)
        body = attribute(Attribute.MESSAGE_AUTHENTICATOR, bytes(16))
        body += attribute(Attribute.USER_NAME, self.name)
        body += attribute(Attribute.CALLING_STATION_ID, STATION)
        for at in range(0, max(1, len(self.said)), 253):  # an empty one asks us to begin
            body += attribute(Attribute.EAP_MESSAGE, self.said[at : at + 253])
        if self.state:
            body += attribute(Attribute.STATE, self.state)
        head = struct.pack("!BBH", 1, self.number, 20 + len(body)) + secrets.token_bytes(16)
        self.packet = signed(head + body)
        self.bench.auth.waiting = [self.packet]

    def again(self) -> None:
        """Send the very same packet again."""
        self.bench.auth.waiting = [self.packet]

    def heard(self) -> Packet:
        """The answer to the last packet; the peer's next words are made of it."""
        self.bench.until_answered(self.number)
        reply = self.bench.auth.replies[self.number]
        if reply.code == 11:
            self.state = reply.values[Attribute.STATE]
            self.said = self.peer.respond(b"".join(reply.all(Attribute.EAP_MESSAGE)))
        return reply

    def step(self) -> Packet:
        self.send()
        return self.heard()

    def until(self, stop: Any = lambda _reply: False) -> Packet:
        """Go on until the end, or until `stop(reply)`."""
        while True:
            reply = self.step()
            if reply.code != 11 or stop(reply):
                return reply

    def silence(self) -> None:
        """Nothing is answered to the last packet."""
        for _ in range(20):
            self.bench.turn()
        questions = self.bench.worker._questions
        wait_until(lambda: not questions.waiting or questions._answered, 10, "the pool is busy")
        self.bench.turn()
        assert self.number not in self.bench.auth.replies


class Plain:
    """A peer of a method without a tunnel; `method` answers its Type-Data."""

    def __init__(self, kind: int, identity: bytes, method: Callable[[bytes], bytes]) -> None:
        self.kind, self.identity, self.method = kind, identity, method

    def hello(self) -> bytes:
        return response(1, IDENTITY, self.identity)

    def respond(self, request: bytes) -> bytes:
        if request[4] != self.kind:
            return response(request[1], NAK, bytes((self.kind,)))
        return response(request[1], self.kind, self.method(request[5:]))


def response(identifier: int, kind: int, data: bytes) -> bytes:
    """An EAP-Response, RFC 3748 section 4.1."""
    return struct.pack("!BBHB", 2, identifier, 5 + len(data), kind) + data
