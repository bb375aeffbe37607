"""The server for RFC 5176 requests: who is heard, what is done, and what a copy gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from captive_portal.gateway.authorization import Authorization
from captive_portal.gateway.doorkeeper import Doorkeeper, Entered
from captive_portal.gateway.store import Store
from captive_portal.gateway.verbs import Admit, Remove
from common.metrics import Counters
from radius_server.packet.authenticator import encode, encode_vendor
from radius_server.packet.codes import Attribute
from radius_server.packet.dynamic import (
    DynamicCode,
    DynamicReply,
    ErrorCause,
    encode_request,
    read_reply,
)
from tests.unit.captive_portal.gateway.lab import (
    PHONE,
    TOKEN,
    V4,
    FakeKernel,
    FakeRadius,
    HandClock,
    settings,
)

SECRET = b"a shared secret of some length"
SERVER = ("127.0.0.1", 40_000)
DISCONNECT, COA = DynamicCode.DISCONNECT_REQUEST, DynamicCode.COA_REQUEST


@dataclass
class Hall:
    """A gateway with one session, asked by a server."""

    server: Authorization
    keeper: Doorkeeper
    kernel: FakeKernel
    clock: HandClock
    session_id: str

    def request(self, code: DynamicCode, more: bytes = b"", session_id: str = "") -> bytes:
        attributes = encode(Attribute.ACCT_SESSION_ID, (session_id or self.session_id).encode())
        attributes += encode(
            Attribute.EVENT_TIMESTAMP, int(self.clock.calendar()).to_bytes(4, "big")
        )
        return encode_request(code, 1, attributes + more, SECRET)

    def ask(self, code: DynamicCode, more: bytes = b"", session_id: str = "") -> DynamicReply:
        octets = self.request(code, more, session_id)
        answer = self.server.hear(octets, SERVER)
        assert answer is not None
        return read_reply(octets, answer, SECRET)


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    kernel, clock, store = FakeKernel(), HandClock(), Store(tmp_path / "gateway.db")
    store.open()
    keeper = Doorkeeper(settings(), kernel, FakeRadius(), store, clock, Counters())
    keeper.tick()
    entered = keeper.log_in(V4, "somchai", TOKEN)
    assert isinstance(entered, Entered)
    clock.pass_by(1)
    server = Authorization(settings(), SECRET, keeper, clock, Counters(), ())
    yield Hall(server, keeper, kernel, clock, entered.client.session_id)
    store.close()


def test_a_disconnect_removes_the_device_and_is_acknowledged(hall: Hall) -> None:
    assert hall.ask(DISCONNECT) == DynamicReply(acknowledged=True)
    assert hall.kernel.admitted == {}
    assert hall.keeper.clients() == []


def test_a_copy_of_an_answered_request_gets_the_same_octets(hall: Hall) -> None:
    octets = hall.request(DISCONNECT)
    first = hall.server.hear(octets, SERVER)
    assert first is not None
    assert hall.server.hear(octets, SERVER) == first
    hall.clock.pass_by(1)
    assert hall.ask(DISCONNECT) == DynamicReply(False, ErrorCause.SESSION_CONTEXT_NOT_FOUND)


def test_a_change_of_rates_reaches_the_kernel_at_once(hall: Hall) -> None:
    rate = encode_vendor(14122, 8, (512_000).to_bytes(4, "big"))
    assert hall.ask(COA, rate).acknowledged
    assert hall.kernel.admitted[PHONE].down_kbps == 512


def test_what_the_kernel_did_not_do_is_asked_again_and_never_acknowledged(hall: Hall) -> None:
    unavailable = DynamicReply(False, ErrorCause.RESOURCES_UNAVAILABLE)
    hall.kernel.refuses = Remove
    octets = hall.request(DISCONNECT)
    refused = hall.server.hear(octets, SERVER)
    assert refused is not None and read_reply(octets, refused, SECRET) == unavailable
    hall.kernel.refuses = Admit
    assert hall.ask(COA, encode(Attribute.SESSION_TIMEOUT, bytes((0, 0, 1, 0)))) == unavailable
    hall.kernel.refuses = None
    again = hall.server.hear(octets, SERVER)
    assert again is not None and read_reply(octets, again, SECRET).acknowledged


@pytest.mark.parametrize("source", ["192.0.2.66", "::1", "not an address"])
def test_strangers_are_not_heard(hall: Hall, source: str) -> None:
    assert hall.server.hear(hall.request(DISCONNECT), (source, 1812)) is None
    assert len(hall.keeper.clients()) == 1


def test_only_the_named_prefixes_are_heard_where_there_are_some(hall: Hall) -> None:
    named = settings(coa_clients=["192.0.2.0/24"])
    server = Authorization(named, SECRET, hall.keeper, hall.clock, Counters(), ())
    assert server.hear(hall.request(DISCONNECT), SERVER) is None
    assert server.hear(hall.request(DISCONNECT), ("192.0.2.66", 1)) is not None


def test_what_is_not_authentic_or_of_another_hour_gets_nothing(hall: Hall) -> None:
    good = hall.request(DISCONNECT)
    forged = good[:-1] + bytes((good[-1] ^ 1,))
    for octets in (b"", b"x" * 19, good[:30], forged, bytes(4096)):
        assert hall.server.hear(octets, SERVER) is None
    hall.clock.pass_by(301)
    assert hall.server.hear(good, SERVER) is None
    assert len(hall.keeper.clients()) == 1


def test_another_sessions_disconnect_leaves_this_one(hall: Hall) -> None:
    reply = hall.ask(DISCONNECT, session_id="of yesterday")
    assert reply == DynamicReply(False, ErrorCause.SESSION_CONTEXT_NOT_FOUND)
    assert len(hall.keeper.clients()) == 1
