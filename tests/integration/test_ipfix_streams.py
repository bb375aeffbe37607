"""IPFIX over TCP and TLS: real sockets, real captures, through the spool into the archive."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from common.config import Config
from common.errors import ConfigError
from common.metrics import Counters
from tests.certificates import Authority
from tests.conftest import free_port, wait_until
from tests.unit.traffic.decoders.test_ipfix import SIMPLE, simple
from tests.vectors.flows.captures import captures
from tests.vectors.flows.ipfix import message, template_set
from traffic.archive.manifest import Manifest
from traffic.collectors import senders, streams
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.receiver import Receiver
from traffic.collectors.records import RecordKind, SpoolRecord, decode_records, encode_record
from traffic.collectors.senders import EQUIPMENT, REFUSED_STREAMS, Senders, read_refused
from traffic.collectors.spool import SpoolWriter, closed_files

pytestmark = pytest.mark.timeout(120)

FIRST = message(template_set(256, SIMPLE), simple(1))
SECOND = message(simple(2, 3), sequence=1)


class Collector:
    """A receiver turned by hand, and the archivist behind it."""

    def __init__(self, folder: Path, *, known: list[str] | None = None, **collector: Any) -> None:
        self.port = free_port()
        tree = {"netflow": [], "ipfix": [], "syslog": [], **collector}
        for name in ("ipfix_tcp", "ipfix_tls"):
            if tree.get(name) is True:
                tree[name] = [f"127.0.0.1:{self.port}"]
        self.config = Config.model_validate({"collector": tree})
        self.paths = CollectorPaths(
            folder / "spool", folder / "collector", folder / "archive", "node"
        )
        self.paths.make()
        self.counters = Counters()
        if known is not None:
            (self.paths.state / EQUIPMENT).write_text(json.dumps(known))
        self.senders = Senders(self.config, self.paths.state, REFUSED_STREAMS)
        writer = SpoolWriter(self.paths.spool, 1)
        self.receiver = Receiver(self.config, writer, self.counters, self.senders)

    def __enter__(self) -> Collector:
        self.receiver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.receiver.stop()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def stored(self) -> list[SpoolRecord]:
        self.receiver.step()
        return [
            record
            for path in sorted(self.paths.spool.iterdir())
            for record in decode_records(memoryview(path.read_bytes()))
        ]

    def messages(self) -> list[bytes]:
        return [bytes(one.body) for one in self.stored() if one.kind == RecordKind.DATAGRAM]

    def await_counted(self, name: str) -> None:
        wait_until(lambda: (self.stored(), self.counters.get(name))[1] >= 1, 30, name)

    def archived(self, column: str = "src_port", senders: Senders | None = None) -> list[int]:
        """After the stop: what the archive holds."""
        archivist = Archivist(self.config, self.paths, self.counters, senders)
        archivist.recover()
        if waiting := closed_files(self.paths.spool):
            archivist.consume(waiting)
        files = [
            str(self.paths.archive / entry.path)
            for entry in Manifest(self.paths.archive).entries()
            if entry.kind == "flow" and entry.path
        ]
        if not files:
            return []
        query = f"SELECT {column} FROM read_parquet(?) ORDER BY {column}"
        return [int(value) for (value,) in duckdb.execute(query, [files]).fetchall()]


def test_a_capture_comes_through_a_socket_whatever_octets_it_is_cut_at(tmp_path: Path) -> None:
    (capture,) = [one for one in captures() if one.name == "ls-ipfix-barracuda-firewall"]
    payloads = [bytes(one.payload) for one in capture.datagrams()]
    stream = b"".join(payloads)
    with Collector(tmp_path, ipfix_tcp=True) as collector, collector.connect() as exporter:
        exporter.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        cuts, position, turn = (1, 3, 4, 15, 17, 1460), 0, 0
        while position < len(stream):
            size = cuts[turn % len(cuts)]
            exporter.sendall(stream[position : position + size])
            position, turn = position + size, turn + 1
            if turn % 16 == 0:
                time.sleep(0.002)
        wait_until(lambda: collector.messages() == payloads, 30, "the messages do not arrive")
    assert len(collector.archived()) == capture.records


def test_templates_end_with_their_connection_and_each_has_its_own(tmp_path: Path) -> None:
    with Collector(tmp_path, ipfix_tcp=True) as collector:
        with collector.connect() as one, collector.connect() as other:
            one.sendall(FIRST)
            wait_until(lambda: len(collector.messages()) == 1, 30, "nothing arrives")
            other.sendall(SECOND)
            wait_until(lambda: len(collector.messages()) == 2, 30, "nothing arrives")
            one.sendall(SECOND)
            wait_until(lambda: len(collector.messages()) == 3, 30, "nothing arrives")
        wait_until(
            lambda: sum(one.kind == RecordKind.ENDED for one in collector.stored()) == 2,
            30,
            "nobody notices the end",
        )
    assert collector.archived() == [1, 2, 3]
    gaps = [gap for entry in Manifest(collector.paths.archive).entries() for gap in entry.gaps]
    assert "undecodable" in {gap.reason for gap in gaps}, "the other's data had no template"


def test_a_stream_that_is_none_is_ended_and_holds_up_nobody(tmp_path: Path) -> None:
    with (
        Collector(tmp_path, ipfix_tcp=True) as collector,
        collector.connect() as stranger,
        collector.connect() as exporter,
    ):
        stranger.sendall(FIRST + b"GET / HTTP/1.1\r\n\r\n")
        collector.await_counted("collector_streams_malformed")
        stranger.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
        exporter.sendall(FIRST)
        wait_until(lambda: len(collector.messages()) == 2, 30, "the exporter is not heard")


def test_one_address_holds_so_many_connections_and_no_more(tmp_path: Path) -> None:
    with (
        Collector(tmp_path, ipfix_tcp=True, ipfix_connections=8) as collector,
        contextlib.ExitStack() as held,
    ):
        for _ in range(4):
            held.enter_context(collector.connect()).sendall(FIRST)
        wait_until(lambda: len(collector.messages()) == 4, 30, "four do not arrive")
        with collector.connect():
            collector.await_counted("collector_streams_refused")


def test_who_is_no_exporter_is_not_heard(tmp_path: Path) -> None:
    with (
        Collector(tmp_path, ipfix_tcp=True, exporters=["192.0.2.0/24"]) as collector,
        collector.connect(),
    ):
        collector.await_counted("collector_unknown_exporter")


def test_a_message_that_never_ends_does_not_hold_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_MESSAGE_SECONDS", 0.3)
    with Collector(tmp_path, ipfix_tcp=True) as collector, collector.connect() as slow:
        slow.sendall(FIRST[:20])
        collector.await_counted("collector_streams_slow")
        wait_until(lambda: collector.messages() == [FIRST[:20]], 30, "what came is not kept")


def tls_settings(authority: Authority, **more: Any) -> dict[str, Any]:
    issued = authority.issue("collector", dns=["collector.test"])
    return {
        "ipfix_tls": True,
        "syslog_certificate": str(issued.chain),
        "syslog_private_key": str(issued.key),
        **more,
    }


def test_over_tls_both_sides_prove_themselves(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = tls_settings(authority, ipfix_ca=str(authority.ca))
    context = ssl.create_default_context(cafile=str(authority.ca))
    with Collector(tmp_path / "site", **settings) as collector:
        with (
            contextlib.suppress(OSError),
            collector.connect() as raw,
            context.wrap_socket(raw, server_hostname="collector.test") as stranger,
        ):
            stranger.sendall(FIRST)
            stranger.recv(1)
        collector.await_counted("collector_tls_failures")
        own = authority.issue("exporter")
        context.load_cert_chain(own.chain, own.key)
        with (
            collector.connect() as raw,
            context.wrap_socket(raw, server_hostname="collector.test") as exporter,
        ):
            exporter.sendall(FIRST + SECOND)
            wait_until(
                lambda: collector.messages() == [FIRST, SECOND], 30, "the messages do not arrive"
            )
    assert collector.archived() == [1, 2, 3]
    nothing = {**settings, "ipfix_ca": str(tmp_path / "none.pem")}
    with pytest.raises(ConfigError, match=r"none\.pem"), Collector(tmp_path / "b", **nothing):
        pass


def known_to_be_empty(collector: Collector) -> Senders:
    """The judgement of a site that knows what equipment it has: none."""
    (collector.paths.state / EQUIPMENT).write_text("[]")
    return Senders(collector.config, collector.paths.state)


def test_what_came_with_a_proven_certificate_is_kept_from_wherever_it_came(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    collector = Collector(tmp_path / "site", **tls_settings(authority, ipfix_ca=str(authority.ca)))
    elsewhere = socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    own = authority.issue("exporter")
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.load_cert_chain(own.chain, own.key)
    with (
        collector,
        collector.connect() as raw,
        context.wrap_socket(raw, server_hostname="collector.test") as exporter,
    ):
        exporter.sendall(FIRST + SECOND)
        wait_until(lambda: len(collector.messages()) == 2, 30, "the messages do not arrive")
    # As it would be from an address that is neither registered nor this machine's.
    for path in collector.paths.spool.iterdir():
        records = list(decode_records(memoryview(path.read_bytes())))
        path.write_bytes(
            b"".join(encode_record(*one[:4], elsewhere, bytes(one.body)) for one in records)
        )
    assert collector.archived(senders=known_to_be_empty(collector)) == [1, 2, 3]


def test_without_a_certificate_the_address_is_judged_at_the_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "THIS_MACHINE", ("192.0.2.1/32",))
    with (
        Collector(tmp_path, known=[], ipfix_tcp=True) as collector,
        collector.connect() as stranger,
    ):
        stranger.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
        collector.await_counted("collector_unknown_exporter")
        collector.senders.note_refused()
        assert read_refused(collector.paths.state, 0) == ["127.0.0.1"]


def test_who_connects_and_says_nothing_does_not_hold_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_MESSAGE_SECONDS", 1.0)
    with (
        Collector(tmp_path, ipfix_tcp=True) as collector,
        collector.connect() as mute,
        collector.connect() as exporter,
    ):
        exporter.sendall(FIRST)
        wait_until(lambda: len(collector.messages()) == 1, 30, "the exporter is not heard")
        mute.settimeout(10)
        assert mute.recv(1) == b""
        exporter.sendall(SECOND)
        wait_until(lambda: len(collector.messages()) == 2, 30, "who has spoken may be silent")


def test_handshakes_that_nobody_ends_leave_room_for_who_has_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = tls_settings(authority, ipfix_ca=str(authority.ca), ipfix_connections=4)
    own = authority.issue("exporter")
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.load_cert_chain(own.chain, own.key)
    with Collector(tmp_path / "site", **settings) as collector, contextlib.ExitStack() as held:
        for number in range(4):
            held.enter_context(
                socket.create_connection(
                    ("127.0.0.1", collector.port), 10, source_address=(f"127.0.0.{number + 2}", 0)
                )
            )
        with (
            collector.connect() as raw,
            context.wrap_socket(raw, server_hostname="collector.test") as exporter,
        ):
            exporter.sendall(FIRST)
            wait_until(lambda: collector.messages() == [FIRST], 30, "the exporter finds no place")
