"""The proxy against home servers that misbehave in every way, played by this test."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from radius_server.packet.packet import decode
from tests.conftest import free_port, wait_until
from tests.integration.radius_packets import (
    ACCESS_ACCEPT,
    ACCOUNTING_RESPONSE,
    START,
    access_request,
    accounting_request,
    attribute,
    reply_fits,
)
from tests.integration.radius_site import (
    LOOPBACK,
    SECRET,
    LiveSite,
    Server,
    running_radius,
    site_of_kind,
)
from tests.integration.radsec_site import RadSecSite, running_radsec

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

HOME_SECRET = b"a secret between institutions"
ACCESS_REQUEST, CHALLENGE, ACCOUNTING_REQUEST, STATUS_SERVER = 1, 11, 4, 12
USER_PASSWORD, STATE, PROXY_STATE, DELAY, EAP_MESSAGE = 2, 24, 33, 41, 79
_PROXY = """\
[proxy]
answer_seconds = 1.0
give_up_seconds = 8.0
probe_seconds = 0.5
[proxy.server.first]
host = "127.0.0.1"
port = {first}
acct_port = {acct}
secret = "{secret}"
[proxy.server.second]
host = "127.0.0.1"
port = {second}
secret = "{secret}"
[[proxy.realm]]
name = "one.example"
servers = ["first"]
[[proxy.realm]]
name = "two.example"
servers = ["first", "second"]
[database]"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a home server receives it."""

    octets: bytes
    source: tuple[str, int]

    @property
    def code(self) -> int:
        return self.octets[0]

    def values(self, kind: int) -> list[bytes]:
        found, at = [], 20
        while at < len(self.octets):
            if self.octets[at] == kind:
                found.append(self.octets[at + 2 : at + self.octets[at + 1]])
            at += self.octets[at + 1]
        return found


class Home:
    """A home server; Status-Server is answered by itself while `is_well`."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.is_well = True

    def receive(self, seconds: float = 6.0) -> Asked:
        """The next request that is no Status-Server."""
        deadline = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            octets, source = self.socket.recvfrom(4096)
            asked = Asked(octets, source)
            if asked.code != STATUS_SERVER:
                return asked
            if self.is_well:
                self.reply(asked, ACCESS_ACCEPT)

    def silence(self, seconds: float) -> None:
        """Nothing comes for so long."""
        with pytest.raises(TimeoutError):
            self.receive(seconds)

    def reply(
        self,
        asked: Asked,
        code: int,
        *attributes: tuple[int, bytes],
        signed: bool = True,
        secret: bytes = HOME_SECRET,
    ) -> None:
        states = [(PROXY_STATE, value) for value in asked.values(PROXY_STATE)]
        body = b"".join(attribute(kind, value) for kind, value in [*attributes, *states])
        if signed:
            body = attribute(80, bytes(16)) + body
        head = struct.pack("!BBH", code, asked.octets[1], 20 + len(body))
        if signed:
            signature = hmac.digest(secret, head + asked.octets[4:20] + body, "md5")
            body = body[:2] + signature + body[18:]
        digest = hashlib.md5(head + asked.octets[4:20] + body + secret).digest()
        self.socket.sendto(head + digest + body, asked.source)


@dataclass(slots=True)
class Roaming:
    """A site with two home servers and an accounting one, and a NAS."""

    live: LiveSite
    server: Server
    first: Home
    second: Home
    acct_port: int
    nas: socket.socket

    def ask(self, name: str, *attributes: tuple[int, bytes], identifier: int = 1) -> bytes:
        octets = access_request(identifier, SECRET.encode(), name.encode(), b"a password")
        if attributes:
            asked = list(decode(octets).values.items())
            if any(kind == EAP_MESSAGE for kind, _ in attributes):
                asked = [(kind, value) for kind, value in asked if kind != USER_PASSWORD]
            body = b"".join(attribute(kind, value) for kind, value in [*asked, *attributes])
            body = body[:2] + bytes(16) + body[18:]
            head = octets[:2] + struct.pack("!H", 20 + len(body)) + octets[4:20]
            signature = hmac.digest(SECRET.encode(), head + body, "md5")
            octets = head + body[:2] + signature + body[18:]
        self.send(octets)
        return octets

    def send(self, octets: bytes) -> None:
        self.nas.sendto(octets, ("127.0.0.1", self.live.auth_port))

    def receive(self) -> bytes:
        return self.nas.recv(4096)


@pytest.fixture(scope="module")
def roaming(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Roaming]:
    first, second, acct = (free_port(socket.SOCK_DGRAM) for _ in range(3))
    text = _PROXY.format(first=first, second=second, acct=acct, secret=HOME_SECRET.decode())
    folder = tmp_path_factory.mktemp("roaming")
    live = site_of_kind(request, folder, "sqlite", {"[database]": text})
    live.add_nas("gate", LOOPBACK)
    homes = Home(first), Home(second)
    with (
        homes[0].socket,
        homes[1].socket,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nas,
        running_radius(live) as server,
    ):
        nas.bind(("127.0.0.1", 0))
        nas.settimeout(8)
        yield Roaming(live, server, *homes, acct, nas)


def test_a_retransmission_goes_to_the_same_server_as_the_same_octets(roaming: Roaming) -> None:
    octets = roaming.ask("bob@one.example")
    asked = roaming.first.receive()
    assert asked.octets[4:20] != octets[4:20]
    roaming.send(octets)
    again = roaming.first.receive(0.8)
    assert (again.octets, again.source) == (asked.octets, asked.source)
    roaming.first.reply(asked, ACCESS_ACCEPT, (18, b"welcome"))
    reply = roaming.receive()
    assert reply[0] == ACCESS_ACCEPT and reply_fits(octets, reply, SECRET.encode())
    roaming.send(octets)
    assert roaming.receive() == reply
    roaming.first.silence(0.5)


def test_an_answer_that_cannot_be_believed_is_none(roaming: Roaming) -> None:
    octets = roaming.ask("bob@one.example", identifier=2)
    asked = roaming.first.receive()
    roaming.first.reply(asked, ACCESS_ACCEPT, signed=False)
    roaming.first.reply(asked, ACCESS_ACCEPT, secret=b"another secret")
    roaming.first.socket.sendto(b"\x02" + asked.octets[1:2] + b"garbage", asked.source)
    roaming.first.reply(asked, ACCOUNTING_RESPONSE)
    wait_until(
        lambda: "home_server_not_believed" in roaming.server.log(), 5, "the log does not tell"
    )
    assert "allow_missing_message_authenticator" in roaming.server.log()
    roaming.send(octets)
    roaming.first.reply(roaming.first.receive(), 3, (18, b"no"))
    assert roaming.receive()[0] == 3


def test_an_eap_conversation_stays_with_the_server_that_began_it(roaming: Roaming) -> None:
    roaming.first.is_well = False
    roaming.ask("eve@two.example", (79, b"\x02\x01\x00\x08\x01eve"), identifier=3)
    roaming.first.receive()
    asked = roaming.second.receive()
    state = secrets.token_bytes(12)
    roaming.second.reply(asked, CHALLENGE, (STATE, state), (79, b"\x01\x02\x00\x06\x15\x20"))
    challenge = roaming.receive()
    assert challenge[0] == CHALLENGE and state in challenge
    roaming.first.is_well = True
    roaming.first.silence(2.0)  # it answers Status-Server meanwhile, and is asked first again
    roaming.ask("eve@two.example", (79, b"\x02\x02\x00\x06\x15\x00"), (STATE, state), identifier=4)
    asked = roaming.second.receive()
    assert asked.values(STATE) == [state]
    roaming.second.reply(asked, ACCESS_ACCEPT, (79, b"\x03\x02\x00\x04"))
    assert roaming.receive()[0] == ACCESS_ACCEPT
    roaming.ask("eve@two.example", identifier=5)
    roaming.first.reply(roaming.first.receive(), 3)
    assert roaming.receive()[0] == 3


def test_accounting_is_answered_at_once_and_reaches_home_when_it_is_back(roaming: Roaming) -> None:
    octets = accounting_request(9, SECRET.encode(), START, b"late-1", name=b"bob@one.example")
    roaming.nas.sendto(octets, ("127.0.0.1", roaming.live.acct_port))
    reply = roaming.receive()
    assert reply[0] == ACCOUNTING_RESPONSE and reply_fits(octets, reply, SECRET.encode())
    time.sleep(1.5)
    home = Home(roaming.acct_port)
    with home.socket:
        asked = home.receive(8)
        assert asked.code == ACCOUNTING_REQUEST
        assert int.from_bytes(asked.values(DELAY)[0], "big") >= 1
        zeroed = asked.octets[:4] + bytes(16) + asked.octets[20:]
        assert hashlib.md5(zeroed + HOME_SECRET).digest() == asked.octets[4:20]
        home.reply(asked, ACCOUNTING_RESPONSE, signed=False)
        home.silence(2.5)


def test_a_flood_of_foreign_logins_leaves_ours_alone(roaming: Roaming) -> None:
    roaming.live.add_person("somchai", "seven green elephants")
    waiting = []
    for number in range(600):
        roaming.ask(f"x{number}@one.example", identifier=number % 256)
        if number % 50 == 49:  # no more than a socket holds
            waiting += [roaming.first.receive() for _ in range(50)]
    assert len({asked.source[1] for asked in waiting}) >= 3  # 256 identifiers a socket
    began = time.monotonic()
    ours = access_request(77, SECRET.encode(), b"somchai", b"seven green elephants")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.settimeout(5)
        other.sendto(ours, ("127.0.0.1", roaming.live.auth_port))
        assert other.recv(4096)[0] == ACCESS_ACCEPT
    assert time.monotonic() - began < 3
    for number, asked in enumerate(waiting):
        roaming.first.reply(asked, 3)
        if number % 50 == 49:
            assert {roaming.receive()[0] for _ in range(50)} == {3}


def test_for_a_client_over_tls_the_proxy_repeats_what_udp_lost(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    first, second, acct = (free_port(socket.SOCK_DGRAM) for _ in range(3))
    text = _PROXY.format(first=first, second=second, acct=acct, secret=HOME_SECRET.decode())
    with running_radsec(request, tmp_path, "sqlite", text) as (site, _server):
        assert isinstance(site, RadSecSite)
        issued = site.enrol("school-1")
        site.live.settle()
        home = Home(first)
        with home.socket, site.client(issued) as client:
            client.access("bob@one.example", "a password")
            lost = home.receive()
            again = home.receive(1.0)
            assert again.octets == lost.octets
            home.reply(again, ACCESS_ACCEPT)
            assert client.receive()[0] == ACCESS_ACCEPT
