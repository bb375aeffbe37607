"""Spool files as a receiver would have left them."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from tests.vectors.flows.datagrams import (
    SECONDS,
    TRANSLATED,
    Flow,
    data_set,
    encode_flow,
    template_set,
    version_9,
)
from traffic.collectors.records import Listener, RecordKind, encode_record

RECEIVED_NS = SECONDS * 1_000_000_000 + 250_000_000


def mapped(address: str) -> bytes:
    """An IPv4 exporter as it stands in a record."""
    return bytes(10) + b"\xff\xff" + ip_address(address).packed


def record(datagram: bytes, received_ns: int = RECEIVED_NS, exporter: str = "192.0.2.1") -> bytes:
    """One received datagram."""
    kind, listener = RecordKind.DATAGRAM, Listener.NETFLOW
    return encode_record(kind, listener, received_ns, 50_000, mapped(exporter), datagram)


def flow_datagram(
    flows: Sequence[Flow], sequence: int, *, template: bool = True, seconds: int = SECONDS
) -> bytes:
    """A version 9 datagram with these flows, and the template before them."""
    sets = [template_set(256, TRANSLATED)] if template else []
    sets.append(data_set(256, [encode_flow(flow, TRANSLATED) for flow in flows]))
    return version_9(*sets, sequence=sequence, seconds=seconds)


def write_spool(directory: Path, number: int, *records: bytes) -> Path:
    """A closed spool file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{number:012d}.spool"
    path.write_bytes(b"".join(records))
    return path
