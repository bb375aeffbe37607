"""Whatever is thrown at the port: silence, a counter, and the next good request answered."""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import time
from collections.abc import Iterator, Sequence

import pytest

from common.errors import MalformedPacket
from radius_server.packet.packet import decode
from tests.conftest import wait_until
from tests.integration.radius_packets import (
    ACCESS_ACCEPT,
    ACCOUNTING_RESPONSE,
    START,
    access_request,
    accounting_request,
    attribute,
    reply_fits,
    zero_length_sub_attribute,
)
from tests.integration.radius_site import (
    KINDS,
    LOOPBACK,
    SECRET,
    LiveSite,
    Server,
    running_radius,
    site_of_kind,
)

pytestmark = pytest.mark.timeout(120)

KEY = SECRET.encode()
PASSWORD = "seven green elephants"
GOOD_AUTH = access_request(7, KEY, b"steady", PASSWORD.encode())
GOOD_ACCT = accounting_request(7, KEY, START, b"steady-1")
SEED = 20260226
MUTATIONS = 400
LIMIT_SECONDS = 0.010
"""For decoding one datagram: a thousand times what it takes, far less than a loop."""


def mutations(octets: bytes, number: int) -> list[bytes]:
    """Copies with octets changed, cut out or put in; the same ones every time."""
    chance = random.Random(SEED)
    made = []
    for _ in range(number):
        copy = bytearray(octets)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(copy))
            match chance.randrange(4):
                case 0:
                    copy[at] = chance.randrange(256)
                case 1:
                    copy[at] = chance.choice((0, 1, 2, 255))
                case 2:
                    del copy[at : at + chance.randint(1, 8)]
                case _:
                    copy[at:at] = chance.randbytes(chance.randint(1, 8))
            if not copy:
                copy = bytearray(octets)
        made.append(bytes(copy))
    return made


def signed_oddities() -> list[bytes]:
    """Well-formed and rightly signed accounting packets that say something impossible."""
    odd = [
        attribute(40, b"\1"),  # Acct-Status-Type of one octet
        attribute(40, b"\0\0\0\1") + attribute(44, b""),  # no session id in it
        attribute(40, b"\0\0\0\1") + attribute(44, b"s") + attribute(8, b"\1\2\3"),
        attribute(40, b"\0\0\0\1") + attribute(44, b"s") + attribute(97, b"\0\xff"),
        attribute(40, b"\0\0\0\1") + attribute(44, b"s") + attribute(46, b"\0"),
    ]
    return [_signed(body) for body in odd]


def _signed(body: bytes) -> bytes:
    head = bytes((4, 9)) + (20 + len(body)).to_bytes(2, "big")
    return head + hashlib.md5(head + bytes(16) + body + KEY).digest() + body


@pytest.fixture(scope="module", params=KINDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveSite, Server]]:
    live = site_of_kind(request, tmp_path_factory.mktemp("malformed"), request.param)
    live.add_nas("gate", LOOPBACK)
    live.add_person("steady", PASSWORD)
    with running_radius(live) as started:
        yield live, started


@pytest.fixture
def wire() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened


def throw(wire: socket.socket, datagrams: Sequence[bytes], port: int) -> list[bytes]:
    """Send them all; whatever comes back within a moment."""
    for datagram in datagrams:
        wire.sendto(datagram, ("127.0.0.1", port))
    answers = []
    wire.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        while True:
            answers.append(wire.recv(4096))
    return answers


def still_serves(live: LiveSite) -> None:
    """A good login and a good accounting packet are answered at once, and rightly."""
    for request, port, code in (
        (access_request(1, KEY, b"steady", PASSWORD.encode()), live.auth_port, ACCESS_ACCEPT),
        (accounting_request(2, KEY, START, b"steady-2"), live.acct_port, ACCOUNTING_RESPONSE),
    ):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(5)
            one.sendto(request, ("127.0.0.1", port))
            reply = one.recv(4096)
        assert reply[0] == code
        assert reply_fits(request, reply, KEY)


def dropped(live: LiveSite) -> int:
    reasons = ("malformed", "bad_message_authenticator", "bad_authenticator",
               "no_message_authenticator")  # fmt: skip
    return sum(live.counter("radius_dropped", reason=reason) for reason in reasons)


def test_every_prefix_of_a_real_packet_gets_silence(
    server: tuple[LiveSite, Server], wire: socket.socket
) -> None:
    live, process = server
    before = dropped(live)
    for good, port in ((GOOD_AUTH, live.auth_port), (GOOD_ACCT, live.acct_port)):
        assert throw(wire, [good[:end] for end in range(len(good))], port) == []
    still_serves(live)
    number = len(GOOD_AUTH) + len(GOOD_ACCT)
    wait_until(lambda: dropped(live) >= before + number, 10, "not every prefix was counted")
    assert process.process.poll() is None


def test_mutated_packets_get_silence_and_harm_nothing(
    server: tuple[LiveSite, Server], wire: socket.socket
) -> None:
    live, process = server
    before, number = dropped(live), 0
    for good, port in ((GOOD_AUTH, live.auth_port), (GOOD_ACCT, live.acct_port)):
        # What only grew behind its own length field is the good packet still, with padding.
        bad = [one for one in mutations(good, MUTATIONS) if one[: len(good)] != good]
        assert throw(wire, bad, port) == []
        number += len(bad)
    still_serves(live)
    wait_until(lambda: dropped(live) >= before + number, 10, "not every one was counted")
    assert live.counter("radius_internal_errors") == 0
    assert process.process.poll() is None


def test_a_vendor_sub_attribute_of_no_length_does_not_stop_the_worker(
    server: tuple[LiveSite, Server], wire: socket.socket
) -> None:
    live, _ = server
    poison = [zero_length_sub_attribute(identifier) for identifier in range(64)]
    assert {len(one) for one in poison} == {31}
    before = dropped(live)
    assert throw(wire, poison, live.auth_port) == []
    assert throw(wire, poison, live.acct_port) == []
    still_serves(live)
    wait_until(lambda: dropped(live) >= before + 2 * len(poison), 10, "they were not counted")


def test_signed_packets_that_say_the_impossible_get_silence(
    server: tuple[LiveSite, Server], wire: socket.socket
) -> None:
    live, _ = server
    before = live.counter("radius_dropped", reason="malformed")
    assert throw(wire, signed_oddities(), live.acct_port) == []
    still_serves(live)
    wait_until(
        lambda: live.counter("radius_dropped", reason="malformed") >= before + 5,
        10,
        "they were not counted",
    )
    assert live.counter("radius_internal_errors") == 0


def test_every_mutation_is_decoded_or_refused_in_no_time() -> None:
    candidates = [
        *(good[:end] for good in (GOOD_AUTH, GOOD_ACCT) for end in range(len(good) + 1)),
        *(one for good in (GOOD_AUTH, GOOD_ACCT) for one in mutations(good, 2000)),
        zero_length_sub_attribute(0),
        *signed_oddities(),
    ]
    for datagram in candidates:
        best = LIMIT_SECONDS
        for _ in range(3):
            began = time.perf_counter()
            with contextlib.suppress(MalformedPacket):
                decode(datagram)
            best = min(best, time.perf_counter() - began)
        assert best < LIMIT_SECONDS, datagram.hex()


def test_the_packets_here_are_what_the_rfcs_say() -> None:
    # Were the builder wrong, every test above would pass for the wrong reason.
    packet = decode(GOOD_AUTH)
    assert packet.text(1) == "steady"
    assert len(GOOD_AUTH) == int.from_bytes(GOOD_AUTH[2:4], "big")
    assert decode(GOOD_ACCT).text(44) == "steady-1"
