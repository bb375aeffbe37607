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
from tests.integration.radius_site import LOOPBACK, SECRET, running_radius, site_of_kind

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

KEY = SECRET.encode()
PASSWORD = b"seven green elephants"
CHALLENGE, ACCEPT = 11, 2
IDENTITY, GTC = 1, 6
CHANGES = {"[radius]\n": '[eap]\nmethods = ["gtc"]\n[radius]\nworkers = 2\n'}
CONVERSATIONS = 24
"""Each from two source ports: all of them on one worker by chance is one in sixteen million."""


def eap_response(identifier: int, kind: int, data: bytes) -> bytes:
    """An EAP-Response, RFC 3748 section 4.1."""
    return struct.pack("!BBHB", 2, identifier, 5 + len(data), kind) + data


def ask(port: int, identifier: int, eap: bytes, state: bytes = b"") -> tuple[int, dict[int, bytes]]:
    """Send one Access-Request from a port of its own; the reply's code and attributes."""
    body = attribute(80, bytes(16)) + attribute(1, b"walker") + attribute(79, eap)
    body += attribute(24, state) if state else b""
    head = struct.pack("!BBH", 1, identifier, 20 + len(body)) + secrets.token_bytes(16)
    signed = hmac.digest(KEY, head + body, "md5")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(10)
        sender.connect(("127.0.0.1", port))
        sender.send(head + body[:2] + signed + body[18:])
        reply = sender.recv(4096)
    expected = hashlib.md5(reply[:4] + head[4:20] + reply[20:] + KEY).digest()
    assert expected == reply[4:20]
    packet = decode(reply)
    return packet.code, packet.values


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
