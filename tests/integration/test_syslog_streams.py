"""Syslog over TCP and TLS: who may connect, how much they may hold, and that nothing is lost."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import ssl
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from common.config import Config
from common.errors import BackendUnavailable, ConfigError
from common.metrics import Counters
from tests.certificates import Authority
from tests.conftest import free_port, wait_until
from traffic.collectors import streams
from traffic.collectors.receiver import Receiver
from traffic.collectors.records import Listener, RecordKind, SpoolRecord, decode_records
from traffic.collectors.spool import SpoolWriter

pytestmark = pytest.mark.timeout(60)


class Intake:
    """A receiver with its listeners, turned by hand; `stored` is what it has spooled."""

    def __init__(self, folder: Path, **collector: Any) -> None:
        self.port = free_port()
        tree = {"netflow": [], "ipfix": [], "syslog": [], **collector}
        for name in ("syslog_tcp", "syslog_tls"):
            if tree.get(name) is True:
                tree[name] = [f"127.0.0.1:{self.port}"]
        self.counters = Counters()
        config = Config.model_validate({"collector": tree})
        self._folder = folder / "spool"
        self._folder.mkdir()
        self._receiver = Receiver(config, SpoolWriter(self._folder, 1), self.counters)

    def start(self) -> None:
        self._receiver.start()

    def stop(self) -> None:
        self._receiver.stop()

    def stored(self) -> list[SpoolRecord]:
        self._receiver.step()
        return [
            record
            for path in sorted(self._folder.iterdir())
            for record in decode_records(memoryview(path.read_bytes()))
        ]

    def lines(self) -> list[bytes]:
        return [bytes(record.body) for record in self.stored()]

    def await_lines(self, *lines: bytes) -> None:
        wait_until(lambda: self.lines() == list(lines), 20, f"{lines} do not arrive")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)


def unsent(sender: socket.socket) -> int:
    """Octets that the other end's kernel has not acknowledged."""
    told = fcntl.ioctl(sender, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(told, sys.byteorder)


Opening = Callable[..., contextlib.AbstractContextManager[Intake]]


@pytest.fixture
def opened(tmp_path: Path) -> Opening:
    """A started intake, as a context."""

    @contextmanager
    def opening(**collector: Any) -> Iterator[Intake]:
        made = Intake(tmp_path, **collector)
        made.start()
        stopped = False
        try:
            yield made
            made.stop()
            stopped = True
        finally:
            if not stopped:
                made.stop()

    return opening


def test_both_framings_arrive_with_the_senders_address(opened: Opening) -> None:
    with opened(syslog_tcp=True) as intake, intake.connect() as sender:
        sender.sendall(b"<30>one\n11 <30>two\nt\r\n")
        intake.await_lines(b"<30>one", b"<30>two\nt\r\n")
        sender.sendall(b"<30>thr")
        time.sleep(0.05)  # so that the halves are two segments
        sender.sendall(b"ee\n")
        intake.await_lines(b"<30>one", b"<30>two\nt\r\n", b"<30>three")
        record = intake.stored()[0]
        assert (record.kind, record.listener) == (RecordKind.DATAGRAM, Listener.SYSLOG)
        assert record.address[-4:] == bytes([127, 0, 0, 1])
        assert record.port == sender.getsockname()[1]
        assert abs(record.received_ns - time.time_ns()) < 30 * 10**9


def test_content_is_cut_before_the_spool(opened: Opening) -> None:
    with opened(
        syslog_tcp=True, syslog=[f"127.0.0.1:{(udp := free_port(socket.SOCK_DGRAM))}"]
    ) as intake:
        with intake.connect() as sender:
            sender.sendall(b"<30>fw: url=/secret\n")
            intake.await_lines(b"<30>fw: url=[cut:7]")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<30>dnsmasq[7]: query[A] secret from 10.0.0.5", ("127.0.0.1", udp))
            intake.await_lines(
                b"<30>fw: url=[cut:7]", b"<30>dnsmasq[7]: query[A] [cut:6] from 10.0.0.5"
            )
        assert intake.counters.get("collector_content_cut") == 2


def test_what_was_sent_before_the_stop_is_spooled(opened: Opening, tmp_path: Path) -> None:
    with opened(syslog_tcp=True) as intake, intake.connect() as sender:
        sender.sendall(b"<30>known\n")
        intake.await_lines(b"<30>known")
        sender.sendall(b"".join(b"<30>line %d\n" % number for number in range(5000)) + b"<30>half")
        wait_until(lambda: unsent(sender) == 0, 20, "it does not leave")
    (path,) = (tmp_path / "spool").iterdir()
    found = [bytes(one.body) for one in decode_records(memoryview(path.read_bytes()))]
    assert found[1:] == [b"<30>line %d" % number for number in range(5000)] + [b"<30>half"]


def closed(sender: socket.socket) -> bool:
    try:
        return sender.recv(1) == b""
    except ConnectionError:
        return True


def test_a_stranger_gets_no_connection_and_leaves_nothing(opened: Opening) -> None:
    udp = free_port(socket.SOCK_DGRAM)
    with opened(syslog_tcp=True, syslog=[f"127.0.0.1:{udp}"], loggers=["192.0.2.0/24"]) as intake:
        with intake.connect() as sender:
            assert closed(sender)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<30>x: stranger", ("127.0.0.1", udp))
        wait_until(
            lambda: (intake.stored(), intake.counters.get("collector_unknown_logger"))[1] == 2,
            20,
            "the strangers are not counted",
        )
        assert intake.stored() == []


@pytest.mark.parametrize(
    ("named", "heard"),
    [
        pytest.param({}, True, id="nobody-is-named"),
        pytest.param({"exporters": ["192.0.2.0/24"]}, False, id="exporters-elsewhere"),
        pytest.param(
            {"exporters": ["192.0.2.0/24"], "loggers": ["127.0.0.1/32"]}, True, id="named"
        ),
    ],
)
def test_who_is_named_may_send_and_without_names_this_machine(
    opened: Opening, named: dict[str, Any], heard: bool
) -> None:
    udp = free_port(socket.SOCK_DGRAM)
    with opened(syslog=[f"127.0.0.1:{udp}"], **named) as intake:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<30>x: line", ("127.0.0.1", udp))
        wait_until(
            lambda: intake.lines() or intake.counters.get("collector_unknown_logger"),
            20,
            "nothing came",
        )
        assert intake.lines() == [b"<30>x: line"] * heard


def test_one_sender_cannot_take_every_place(opened: Opening) -> None:
    with opened(syslog_tcp=True, syslog_connections=8) as intake, contextlib.ExitStack() as held:
        for number in range(4):
            sender = held.enter_context(intake.connect())
            sender.sendall(b"<30>%d\n" % number)
        wait_until(lambda: len(intake.lines()) == 4, 20, "the first four are not served")
        assert closed(held.enter_context(intake.connect()))
        assert intake.counters.get("collector_streams_refused") in (0, 1)
        sender.sendall(b"<30>still\n")
        wait_until(lambda: intake.lines()[-1] == b"<30>still", 20, "the others suffer")


def test_a_sender_that_never_ends_its_message_is_ended(
    opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_MESSAGE_SECONDS", 0.3)
    with opened(syslog_tcp=True) as intake, intake.connect() as slow, intake.connect() as idle:
        slow.sendall(b"<30>never")
        idle.sendall(b"<30>whole\n")
        intake.await_lines(b"<30>whole", b"<30>never")
        assert closed(slow)
        idle.sendall(b"<30>goes on\n")
        wait_until(lambda: intake.lines()[-1] == b"<30>goes on", 20, "an idle sender was ended")


def test_a_stream_that_is_no_syslog_is_closed_and_the_others_go_on(opened: Opening) -> None:
    with opened(syslog_tcp=True) as intake, intake.connect() as good, intake.connect() as bad:
        bad.sendall(b"99999999999 x")
        assert closed(bad)
        good.sendall(b"<30>good\n")
        intake.await_lines(b"<30>good")
        assert intake.counters.get("collector_streams_malformed") == 1


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def tls_settings(authority: Authority, **more: Any) -> dict[str, Any]:
    issued = authority.issue("collector", dns=["collector.test"])
    return {
        "syslog_tls": True,
        "syslog_certificate": str(issued.chain),
        "syslog_private_key": str(issued.key),
        **more,
    }


def client_context(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.ca))


def test_tls_carries_messages_larger_than_one_record(opened: Opening, authority: Authority) -> None:
    with (
        opened(**tls_settings(authority)) as intake,
        intake.connect() as raw,
        client_context(authority).wrap_socket(raw, server_hostname="collector.test") as sender,
    ):
        lines = [b"<30>" + bytes([97 + number % 26]) * 15_000 for number in range(20)]
        for line in lines:
            sender.sendall(b"%d %s" % (len(line), line))
        intake.await_lines(*lines)


def test_with_an_authority_named_only_its_senders_are_heard(
    opened: Opening, authority: Authority, tmp_path: Path
) -> None:
    # This machine is among no exporters here: the certificate alone lets it in.
    settings = tls_settings(authority, syslog_ca=str(authority.ca), exporters=["192.0.2.0/24"])
    with opened(**settings) as intake:
        context = client_context(authority)
        with (
            contextlib.suppress(OSError),
            intake.connect() as raw,
            context.wrap_socket(raw, server_hostname="collector.test") as sender,
        ):
            sender.sendall(b"<30>stranger\n")
            sender.recv(1)
        wait_until(
            lambda: (intake.stored(), intake.counters.get("collector_tls_failures"))[1] == 1,
            20,
            "the stranger is not refused",
        )
        own = authority.issue("gateway")
        context.load_cert_chain(own.chain, own.key)
        with (
            intake.connect() as raw,
            context.wrap_socket(raw, server_hostname="collector.test") as sender,
        ):
            sender.sendall(b"<30>known\n")
            intake.await_lines(b"<30>known")


def test_a_peer_that_never_shakes_hands_is_ended(
    opened: Opening, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_HANDSHAKE_SECONDS", 0.3)
    with opened(**tls_settings(authority)) as intake, intake.connect() as mute:
        assert closed(mute)
        wait_until(
            lambda: (intake.stored(), intake.counters.get("collector_streams_slow"))[1] == 1,
            20,
            "the mute peer is not counted",
        )


def test_a_certificate_that_is_none_stops_the_start(tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing.pem")
    intake = Intake(tmp_path, syslog_tls=True, syslog_certificate=nothing)
    with pytest.raises(ConfigError, match="syslog_certificate"):
        intake.start()


def test_a_port_in_use_stops_the_start(tmp_path: Path) -> None:
    intake = Intake(tmp_path, syslog_tcp=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", intake.port))
        taken.listen()
        with pytest.raises(BackendUnavailable, match="listener"):
            intake.start()
