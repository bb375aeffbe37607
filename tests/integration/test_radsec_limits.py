"""What a RadSec server does with those who dawdle, crowd in or fall silent; no database here."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.config import Config
from common.metrics import Counters
from common.net import parse_prefix
from identity.stores.sql import NasFacts
from radius_server.packet.codes import Code
from radius_server.packet.packet import decode
from radius_server.radsec import listening, server
from radius_server.radsec.server import RadSecServer
from radius_server.worker.clients import NasClient, NasTable
from tests.certificates import Authority, Issued
from tests.conftest import wait_until
from tests.integration.radsec_site import IDENTITY, RadSecClient

pytestmark = pytest.mark.timeout(60)


class Worker:
    """Accepts everybody at once, unless `hold` is set; then it only collects."""

    def __init__(self) -> None:
        facts = NasFacts(
            nas_client_id=1,
            name="school",
            network=parse_prefix("192.0.2.0/24"),
            vendor="generic",
            require_message_authenticator=True,
            secret=b"another secret",
            radsec_identity=IDENTITY,
        )
        self.table = NasTable([facts])
        self.clients: NasTable | None = self.table
        self.backlog = 0
        self.hold = False
        self.taken: list[tuple[bytes, tuple[Any, ...]]] = []

    def deliver(
        self,
        datagram: bytes,
        source: tuple[Any, ...],
        nas: NasClient,
        sender: Any,
        accounting: bool,
    ) -> None:
        self.taken.append((datagram, source))
        if not self.hold:
            sender.sendto(nas.secret.reply(decode(datagram), Code.ACCESS_ACCEPT, b""), source)


class Bench:
    """A server, its worker, and clients for it."""

    def __init__(self, folder: Path, **limits: int) -> None:
        authority = Authority(folder)
        own = authority.issue("server", ["radius.example"])
        config = Config()
        files = {"certificate": own.chain, "private_key": own.key, "ca": authority.ca}
        radsec = config.radsec.model_copy(update={**files, **limits})
        self.config = config.model_copy(update={"radsec": radsec})
        self.authority = authority
        self.worker = Worker()
        self.counters = Counters()
        listener = listening.bind("127.0.0.1:0")
        self.port: int = listener.getsockname()[1]
        self.server = RadSecServer(self.config, [listener], self.worker, self.counters)
        self.issued: Issued = authority.issue("school", [IDENTITY])

    def client(self) -> RadSecClient:
        return RadSecClient(self.port, self.authority.ca, self.issued)

    def plain(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@pytest.fixture
def benches(tmp_path: Path) -> Iterator[Any]:
    made: list[Bench] = []

    def make(known: bool = True, **limits: int) -> Bench:
        bench = Bench(tmp_path, **limits)
        bench.worker.clients = bench.worker.table if known else None
        bench.server.start()
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.server.stop()


def closed(client: socket.socket) -> bool:
    """Whether the other side ends the connection."""
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


def test_a_client_that_does_not_finish_its_handshake_is_let_go(
    benches: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 0.5)
    with benches().plain() as silent:
        silent.sendall(b"\x16\x03\x01\x02")
        began = time.monotonic()
        assert closed(silent)
        assert 0.4 < time.monotonic() - began < 3


def test_a_client_that_says_nothing_for_long_is_closed_and_one_that_speaks_is_not(
    benches: Any,
) -> None:
    bench = benches(idle_seconds=2)
    with bench.client() as silent, bench.client() as watchful:
        silent.access("x", "x")
        assert silent.receive()[0] == Code.ACCESS_ACCEPT
        for _ in range(9):
            watchful.access("x", "x")
            assert watchful.receive()[0] == Code.ACCESS_ACCEPT
            time.sleep(0.4)
        assert silent.receive() == b""
        watchful.access("x", "x")
        assert watchful.receive()[0] == Code.ACCESS_ACCEPT


def test_strangers_that_only_hold_a_place_keep_nobody_out(benches: Any) -> None:
    bench = benches(connections=8)
    crowd = [bench.plain() for _ in range(30)]
    try:
        for _ in range(3):
            with bench.client() as client:
                client.access("x", "x")
                assert client.receive()[0] == Code.ACCESS_ACCEPT
    finally:
        for plain in crowd:
            plain.close()


def test_beyond_the_limit_nobody_is_taken_and_those_inside_go_on(benches: Any) -> None:
    bench = benches(connections=4)
    inside = [bench.client() for _ in range(4)]
    try:
        for client in inside:
            client.access("x", "x")
            assert client.receive()[0] == Code.ACCESS_ACCEPT
        with pytest.raises(OSError):
            bench.client().close()
        assert bench.counters.get("radsec_refused", reason="connections") >= 1
        inside[0].access("x", "x")
        assert inside[0].receive()[0] == Code.ACCESS_ACCEPT
    finally:
        for client in inside:
            client.tls.close()
    wait_until(lambda: comes_in(bench), 5, "a place that is free again is given to nobody")


def comes_in(bench: Bench) -> bool:
    try:
        with bench.client() as client:
            client.access("x", "x")
            return client.receive() != b""
    except OSError:
        return False


def test_nothing_is_read_while_the_worker_has_too_much_to_do(benches: Any) -> None:
    bench = benches()
    with bench.client() as client:
        client.access("x", "x")
        assert client.receive()
        bench.worker.backlog = server.BACKLOG_PACKETS + 1
        client.access("x", "x")
        time.sleep(0.3)  # it is not read
        assert len(bench.worker.taken) == 1
        bench.worker.backlog = 0
        assert client.receive()[0] == Code.ACCESS_ACCEPT


def test_nobody_is_taken_before_the_database_has_told_who_is_who(benches: Any) -> None:
    bench = benches(known=False)
    with pytest.raises(TimeoutError), bench.plain() as early:
        early.settimeout(1.0)
        early.sendall(b"\x16\x03\x01\x02\x00\xff")
        early.recv(1)
    bench.worker.clients = bench.worker.table
    assert comes_in(bench)


def test_replies_of_another_thread_leave_at_once_however_they_fall(benches: Any) -> None:
    bench = benches()
    bench.worker.hold = True
    nas = bench.worker.clients.named(IDENTITY)
    ended = threading.Event()

    def reply() -> None:
        while not ended.is_set():
            while bench.worker.taken:
                datagram, source = bench.worker.taken.pop(0)
                made = nas.secret.reply(decode(datagram), Code.ACCESS_ACCEPT, b"")
                bench.server.sendto(made, source)
            time.sleep(0)

    replying = threading.Thread(target=reply)
    replying.start()
    try:
        with bench.client() as client:
            began = time.monotonic()
            for _ in range(100):
                for _ in range(40):
                    client.access("x", "x")
                for _ in range(40):
                    assert client.receive()[0] == Code.ACCESS_ACCEPT
            # A wake that is lost costs half a second each time.
            assert time.monotonic() - began < 10
    finally:
        ended.set()
        replying.join()


def test_replies_for_a_client_that_has_gone_are_dropped(benches: Any) -> None:
    bench = benches()
    bench.worker.hold = True
    with bench.client() as client:
        client.access("x", "x")
        wait_until(lambda: bench.worker.taken, 5, "nothing came")
    (datagram, source) = bench.worker.taken[0]
    wait_until(lambda: not len(bench.server._crowd), 5, "the connection stays")
    nas = bench.worker.clients.named(IDENTITY)
    bench.server.sendto(nas.secret.reply(decode(datagram), Code.ACCESS_ACCEPT, b""), source)
    wait_until(lambda: bench.counters.get("radsec_replies_late") == 1, 5, "it is not counted")


def test_a_fault_in_one_packet_ends_its_connection_alone(
    benches: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = benches()
    with bench.client() as one, bench.client() as other:
        other.access("x", "x")
        assert other.receive()

        def fail(*_arguments: Any) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patched:
            patched.setattr(bench.worker, "deliver", fail)
            one.access("x", "x")
            assert one.receive() == b""
        other.access("x", "x")
        assert other.receive()[0] == Code.ACCESS_ACCEPT
    assert bench.counters.get("radius_internal_errors") == 1


def test_an_unusable_certificate_file_leaves_the_old_one_in_force(benches: Any) -> None:
    bench = benches()
    bench.config.radsec.certificate.write_text("half a certi")
    wait_until(
        lambda: bench.counters.get("radsec_reload_failures") == 1, 5, "nobody looks at the file"
    )
    assert comes_in(bench)
    fresh = bench.authority.issue("fresh", ["radius.example"])
    bench.config.radsec.private_key.write_bytes(fresh.key.read_bytes())
    bench.config.radsec.certificate.write_bytes(fresh.chain.read_bytes())

    def is_fresh() -> bool:
        with bench.client() as client:
            shown = client.tls.getpeercert()
            return bool(shown) and ("commonName", "fresh") in shown["subject"][0]

    wait_until(is_fresh, 5, "the new certificate is not taken up")


def test_what_has_come_before_a_pause_is_delivered_before_the_worker_is_told(benches: Any) -> None:
    bench = benches()
    with bench.client() as one, bench.client() as other:
        for client in (one, other):
            client.access("x", "x")
            assert client.receive()[0] == Code.ACCESS_ACCEPT
        bench.worker.backlog = server.BACKLOG_PACKETS + 1  # so nothing is read
        time.sleep(0.05)  # nor by a turn that had begun
        for client in (one, other):
            client.tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(20):
                client.access("x", "x")
        delivered: list[int] = []
        paused = threading.Event()

        def tell() -> None:
            delivered.append(len(bench.worker.taken))
            paused.set()

        bench.server.pause(tell)
        assert not paused.wait(0.1)
        bench.worker.backlog = 0
        assert paused.wait(10)
        assert delivered == [2 + 40]
        one.access("x", "x")
        for client in (one, other):
            for _ in range(20):
                assert client.receive()[0] == Code.ACCESS_ACCEPT
    bench.server.stop()
    assert len(bench.worker.taken) == 2 + 40, "what comes after the pause is not taken"
    assert "radsec_left_unread" not in bench.counters.render()


def test_a_pause_does_not_wait_for_ever_for_a_worker_without_room(
    benches: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LAST_SECONDS", 0.2)
    bench = benches()
    with bench.client() as client:
        client.access("x", "x")
        assert client.receive()[0] == Code.ACCESS_ACCEPT
        bench.worker.backlog = server.BACKLOG_PACKETS + 1
        time.sleep(0.05)  # as above
        client.access("x", "x")
        paused = threading.Event()
        bench.server.pause(paused.set)
        assert paused.wait(10)
    assert "radsec_left_unread" in bench.counters.render()
