"""The gateway's RADIUS client over loopback: our own server, a silent one, and a liar."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from captive_portal.gateway import radius
from captive_portal.gateway.attributes import Device, accounting_pairs
from captive_portal.gateway.clients import Client, Grant, Held
from captive_portal.gateway.radius import RadiusClient, Rejected
from common.clock import utc_now
from common.errors import BackendUnavailable
from common.metrics import Counters
from identity.domain.sessions import StatusType
from identity.office import Office
from identity.services.nas import get as get_nas
from identity.services.people import get as get_person
from identity.services.tokens import mint
from radius_server.packet.authenticator import SharedSecret, encode
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.digest import md5
from radius_server.packet.packet import Packet, decode
from tests.conftest import free_port
from tests.integration.radius_site import LOOPBACK, SECRET, live_site, running_radius
from tests.unit.captive_portal.gateway.lab import PHONE, TABLET, V4, settings

PASSWORD = "password of theirs"
HERE = Device(mac=PHONE, addresses=(V4,))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the patience: silence costs half a second."""
    monkeypatch.setattr(radius, "SEND_AFTER", (0.0, 0.1, 0.25))
    monkeypatch.setattr(radius, "SERVER_SECONDS", 0.5)


def test_a_token_of_the_portal_lets_its_own_device_in_once_past_a_dead_server(
    tmp_path: Path, _made_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = live_site(tmp_path, _made_site)
    live.add_person("somchai", PASSWORD)
    live.add_nas("hall", LOOPBACK, "--vendor", "yuenyan")
    live.yuenyan("role", "set", "student", "--down-kbps", "8000", "--idle-seconds", "600")
    office = Office.open(live.site.config)
    with office.database.write() as session:
        account, nas = get_person(session, "somchai"), get_nas(session, "hall")
        tokens = [mint(session, office, account, PHONE, nas.id).token for _ in range(2)]
    office.database.dispose()
    dead = free_port(socket.SOCK_DGRAM)
    own = settings(
        radius_servers=[f"127.0.0.1:{dead}", f"127.0.0.1:{live.auth_port}"],
        accounting_servers=[f"127.0.0.1:{live.acct_port}"],
    )
    client = RadiusClient(own, SECRET.encode(), Counters())
    with running_radius(live):
        monkeypatch.setattr(radius, "SERVER_SECONDS", 5.0)
        granted = client.log_in(HERE, "somchai", tokens[0], "session-1")
        assert isinstance(granted, Grant)
        assert (granted.user_name, granted.down_kbps, granted.idle_seconds) == (
            "somchai", 8000, 600,
        )  # fmt: skip
        assert len(granted.class_values) == 1
        spent = client.log_in(HERE, "somchai", tokens[0], "session-2")
        assert isinstance(spent, Rejected)
        other = Device(mac=TABLET, addresses=("10.77.0.30",))
        assert isinstance(client.log_in(other, "somchai", tokens[1], "session-3"), Rejected)
        begun = Client(mac=PHONE, session_id="session-1", grant=granted, started_at=0.0)
        begun.addresses = {V4: Held(0.0, 0.0)}
        now = int(utc_now().timestamp())
        client.account(list(accounting_pairs(own, StatusType.START, begun, 0.0, now)))
        assert live.rows("SELECT acct_session_id, user_name FROM network_session") == [
            ("session-1", "somchai")
        ]
        client_of_another = RadiusClient(own, b"not the shared secret", Counters())
        monkeypatch.setattr(radius, "SERVER_SECONDS", 0.5)
        with pytest.raises(BackendUnavailable, match="check address and secret"):
            client_of_another.log_in(HERE, "somchai", tokens[1], "session-4")


@contextmanager
def liar(*answers: object) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives each of `answers` to every request; its port, and what it heard."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(0.1)
        stopping = threading.Event()

        def serve() -> None:
            while not stopping.is_set():
                try:
                    octets, peer = wire.recvfrom(4096)
                except TimeoutError:
                    continue
                heard.append(octets)
                for answer in answers:
                    assert callable(answer)
                    wire.sendto(answer(decode(octets)), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield wire.getsockname()[1], heard
        finally:
            stopping.set()
            thread.join()


_SECRET = SharedSecret(SECRET.encode())


def good(request: Packet) -> bytes:
    return _SECRET.reply(
        request, Code.ACCESS_ACCEPT, encode(Attribute.SESSION_TIMEOUT, b"\0\0\1\0")
    )


def of_another_secret(request: Packet) -> bytes:
    return SharedSecret(b"not the shared secret").reply(request, Code.ACCESS_ACCEPT, b"")


def without_message_authenticator(request: Packet) -> bytes:
    """What CVE-2024-3596 forges: only the Response Authenticator is right."""
    head = bytes((Code.ACCESS_ACCEPT, request.identifier, 0, 20))
    return head + md5(head + request.authenticator + SECRET.encode()).digest()


def of_another_request(request: Packet) -> bytes:
    octets = bytearray(good(request))
    octets[1] ^= 1
    return bytes(octets)


def an_accounting_response(request: Packet) -> bytes:
    return _SECRET.reply(request, Code.ACCOUNTING_RESPONSE, b"")


def garbage(_request: Packet) -> bytes:
    return b"\x02" * 60


LIES = (
    of_another_secret,
    without_message_authenticator,
    of_another_request,
    an_accounting_response,
    garbage,
)


def _client(port: int, *more: int) -> RadiusClient:
    servers = [f"127.0.0.1:{one}" for one in (port, *more)]
    return RadiusClient(settings(radius_servers=servers), SECRET.encode(), Counters())


def test_an_answer_that_is_not_proven_lets_nobody_in() -> None:
    with liar(*LIES) as (port, heard):
        with pytest.raises(BackendUnavailable):
            _client(port).log_in(HERE, "somchai", "yt-x", "session-1")
        # The same octets each time: a server that has answered gives its answer again.
        assert len(heard) == 3 and len(set(heard)) == 1
        request = decode(heard[0])
        assert _SECRET.message_authenticator_fits(request)
        hidden = request.values[Attribute.USER_PASSWORD]
        assert _SECRET.reveal_password(hidden, request.authenticator) == b"yt-x"


def test_lies_before_the_true_answer_change_nothing() -> None:
    with liar(*LIES, good) as (port, _):
        granted = _client(port).log_in(HERE, "somchai", "yt-x", "session-1")
    assert isinstance(granted, Grant) and granted.session_seconds == 256


def test_a_challenge_is_no_leave_to_enter() -> None:
    def challenge(request: Packet) -> bytes:
        return _SECRET.reply(request, Code.ACCESS_CHALLENGE, b"")

    with liar(challenge) as (port, _):
        assert _client(port).log_in(HERE, "somchai", "yt-x", "s") == Rejected("")


def test_the_server_that_answered_last_is_asked_first() -> None:
    with liar() as (silent, ignored), liar(good) as (port, heard):
        client = _client(silent, port)
        client.log_in(HERE, "somchai", "yt-x", "session-1")
        waited = len(ignored)
        client.log_in(HERE, "somchai", "yt-y", "session-2")
        assert (waited, len(ignored), len(heard)) == (3, 3, 2)
