"""An EAP conversation whose packets reach one worker and then the other."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import socket
import struct
from pathlib import Path

import pytest

from radius_server.packet.packet import decode
from tests.conftest import wait_until
from tests.integration.radius_packets import attribute
from tests.integration.radius_site import (
    LOOPBACK,
    SECRET,
    running_radius,
    site_of_kind,
    started,
    wait_for_workers,
)
from tests.integration.radsec_site import TLS_SECRET, RadSecClient, running_radsec
from tests.integration.test_kill_radius import kill, workers_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(120), pytest.mark.sampled]

KEY = SECRET.encode()
PASSWORD = b"seven green elephants"
CHALLENGE, ACCEPT, REJECT = 11, 2, 3
IDENTITY, GTC = 1, 6
CHANGES = {"[radius]\n": '[eap]\nmethods = ["gtc"]\n[radius]\n'}
CONVERSATIONS = 24
"""Each from two source ports: all of them on one worker by chance is one in sixteen million."""


def eap_response(identifier: int, kind: int, data: bytes) -> bytes:
    """An EAP-Response, RFC 3748 section 4.1."""
    return struct.pack("!BBHB", 2, identifier, 5 + len(data), kind) + data


def eap_request(identifier: int, eap: bytes, state: bytes, key: bytes) -> bytes:
    """A signed Access-Request that carries one EAP message."""
    body = attribute(80, bytes(16)) + attribute(1, b"walker") + attribute(79, eap)
    body += attribute(24, state) if state else b""
    head = struct.pack("!BBH", 1, identifier, 20 + len(body)) + secrets.token_bytes(16)
    return head + body[:2] + hmac.digest(key, head + body, "md5") + body[18:]


def ask(port: int, identifier: int, eap: bytes, state: bytes = b"") -> tuple[int, dict[int, bytes]]:
    """Send one Access-Request from a port of its own; the reply's code and attributes."""
    octets = eap_request(identifier, eap, state, KEY)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(10)
        sender.connect(("127.0.0.1", port))
        sender.send(octets)
        reply = sender.recv(4096)
    expected = hashlib.md5(reply[:4] + octets[4:20] + reply[20:] + KEY).digest()
    assert expected == reply[4:20]
    packet = decode(reply)
    return packet.code, packet.values


def over(client: RadSecClient, octets: bytes, modern: bool) -> tuple[int, dict[int, bytes]]:
    """Send an Access-Request over a connection; the reply's code and attributes."""
    if modern:
        attributes = [(kind, value) for kind, value in decode(octets).values.items() if kind != 80]
        token = client.modern(1, *attributes)
        reply = client.receive()
        assert reply[4:8] == token
    else:
        client.tls.sendall(octets)
        reply = client.receive()
        expected = hashlib.md5(reply[:4] + octets[4:20] + reply[20:] + TLS_SECRET).digest()
        assert expected == reply[4:20]
    packet = decode(reply)
    return packet.code, packet.values


@pytest.mark.parametrize("application", ["", "radius/1.1"])
def test_a_conversation_goes_on_over_a_connection_to_another_worker(
    request: pytest.FixtureRequest, tmp_path: Path, application: str
) -> None:
    more = '[eap]\nmethods = ["gtc"]\n[database]'
    with running_radsec(request, tmp_path, "postgresql", more, workers=2) as (site, _):
        site.live.add_person("walker", PASSWORD.decode(), role="device")
        issued = site.enrol("school")
        site.live.settle()
        modern, alpn = bool(application), (application,) if application else ()
        for number in range(CONVERSATIONS):
            with site.client(issued, alpn=alpn) as first, site.client(issued, alpn=alpn) as then:
                hello = eap_request(number, eap_response(1, IDENTITY, b"walker"), b"", TLS_SECRET)
                code, values = over(first, hello, modern)
                assert code == CHALLENGE, number
                answer = eap_response(values[79][1], GTC, PASSWORD)
                octets = eap_request(number, answer, values[24], TLS_SECRET)
                assert over(then, octets, modern)[0] == ACCEPT, number
        live = site.live
        wait_until(lambda: live.counter("radius_handed_over") > 0, 20, "nothing was handed over")


def test_a_conversation_survives_packets_that_land_on_another_worker(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    live = site_of_kind(request, tmp_path, "postgresql", CHANGES)
    live.add_nas("ap", LOOPBACK)
    live.add_person("walker", PASSWORD.decode(), role="device")
    with running_radius(live):
        for number in range(CONVERSATIONS):
            first = eap_response(1, IDENTITY, b"walker")
            code, values = ask(live.auth_port, number, first)
            assert code == CHALLENGE, number
            answer = eap_response(values[79][1], GTC, PASSWORD)
            code, values = ask(live.auth_port, number, answer, values[24])
            assert code == ACCEPT, number
        wait_until(lambda: live.counter("radius_handed_over") > 0, 20, "nothing was handed over")


def test_conversations_of_a_killed_worker_are_lost_alone_and_begin_again(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    live = site_of_kind(request, tmp_path, "postgresql", CHANGES)
    live.add_nas("ap", LOOPBACK)
    live.add_person("walker", PASSWORD.decode(), role="device")
    first = eap_response(1, IDENTITY, b"walker")

    def go_on(number: int, values: dict[int, bytes]) -> int:
        answer = eap_response(values[79][1], GTC, PASSWORD)
        return ask(live.auth_port, number, answer, values[24])[0]

    with started(live.site, "radius") as server:
        wait_for_workers(live, server)
        begun = [ask(live.auth_port, number, first)[1] for number in range(CONVERSATIONS)]
        victim = workers_of(server)[0]
        kill(victim)
        wait_until(
            lambda: len(workers_of(server)) == 2 and victim not in workers_of(server),
            20,
            "the killed worker was not started again",
        )
        # The State of each names its worker: those of the other one know nothing of it.
        ended = [go_on(number, values) for number, values in enumerate(begun)]
        by_worker: dict[int, set[int]] = {}
        for values, code in zip(begun, ended, strict=True):
            by_worker.setdefault(values[24][0], set()).add(code)
        assert sorted(map(sorted, by_worker.values())) == [[ACCEPT], [REJECT]]
        lost = live.rows("SELECT reason FROM auth_event WHERE outcome = 'reject'")
        assert lost == [("eap_conversation_lost",)] * ended.count(REJECT)
        for number in range(CONVERSATIONS):
            values = ask(live.auth_port, number, first)[1]
            assert go_on(number, values) == ACCEPT, number
