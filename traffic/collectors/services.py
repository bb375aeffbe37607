"""What comes over TCP and TLS: lines of syslog, and messages of IPFIX. Opens nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from common.config import Config
from traffic.collectors.records import Listener, RecordKind
from traffic.collectors.senders import Senders
from traffic.decoders.messages import MessageFramer
from traffic.decoders.syslog.framing import Framer


class Piece(Protocol):
    """One message of a stream."""

    @property
    def octets(self) -> bytes: ...

    @property
    def whole(self) -> bool: ...


class StreamFramer(Protocol):
    """One connection's octets, cut into messages."""

    @property
    def waiting(self) -> int: ...

    def feed(self, octets: bytes) -> Sequence[Piece]: ...

    def finish(self) -> Sequence[Piece]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One kind of stream: where it listens, who may come, and how its messages are cut."""

    name: str
    tcp: tuple[str, ...]
    tls: tuple[str, ...]
    listener: Listener
    proven: Listener
    """How the messages of a sender with a certificate are spooled, whose address nobody judges."""
    cut: RecordKind
    """How a message is spooled that did not come whole."""
    make_framer: Callable[[], StreamFramer]
    ca: Path | None
    """Issuers of the senders' certificates; None: none is asked for."""
    ca_key: str
    """How the configuration calls that."""
    most: int
    """Connections at once."""
    may_send: Callable[[bytes], bool]
    named: bool
    """Senders are listed by address; where they are not, a certificate will do over TLS."""
    ends_sessions: bool = False
    """What was said in a connection holds no longer than it."""
    speaks_first: bool = False
    """Who connects has something to say at once; who says nothing only takes a place."""


def syslog_service(config: Config, may_send: Callable[[bytes], bool]) -> Service:
    """Syslog, RFC 6587 and 5425."""
    collector = config.collector
    return Service(
        name="syslog",
        tcp=collector.syslog_tcp,
        tls=collector.syslog_tls,
        listener=Listener.SYSLOG,
        proven=Listener.SYSLOG,
        cut=RecordKind.TRUNCATED,
        make_framer=Framer,
        ca=collector.syslog_ca,
        ca_key="collector.syslog_ca",
        most=collector.syslog_connections,
        may_send=may_send,
        named=bool(collector.loggers),
    )


def ipfix_service(config: Config, senders: Senders) -> Service:
    """IPFIX over TCP, RFC 7011 section 10.4; over TLS, section 11.2."""

    def may_send(packed: bytes) -> bool:
        senders.refresh()
        return senders.exporter(packed) is not None

    collector = config.collector
    return Service(
        name="ipfix",
        tcp=collector.ipfix_tcp,
        tls=collector.ipfix_tls,
        listener=Listener.IPFIX_STREAM,
        proven=Listener.IPFIX_PROVEN,
        # Decoded as far as it goes, and kept octet by octet.
        cut=RecordKind.DATAGRAM,
        make_framer=MessageFramer,
        ca=collector.ipfix_ca,
        ca_key="collector.ipfix_ca",
        most=collector.ipfix_connections,
        may_send=may_send,
        named=bool(collector.exporters),
        ends_sessions=True,
        # Templates come before anything else (RFC 7011 section 10.4.2.2).
        speaks_first=True,
    )
