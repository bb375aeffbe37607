"""From spool to archive exactly once, whatever step a crash interrupts."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from common import logging
from common.config import Config
from common.metrics import Counters
from tests.vectors.flows import ipfix
from tests.vectors.flows.datagrams import (
    SECONDS,
    TRANSLATED,
    Flow,
    data_set,
    encode_flow,
    template_set,
    version_9,
)
from tests.vectors.flows.spools import RECEIVED_NS, flow_datagram, mapped, record, write_spool
from traffic.archive.kinds import NAT, RAW, Kind
from traffic.archive.manifest import Manifest
from traffic.archive.segments import SegmentWriter
from traffic.archive.tables import TableArchive
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.records import Listener, Loss, RecordKind, encode_loss, encode_record
from traffic.collectors.spool import closed_files


class Crash(BaseException):
    """The power went."""


@pytest.fixture
def paths(tmp_path: Path) -> CollectorPaths:
    found = CollectorPaths(tmp_path / "spool", tmp_path / "collector", tmp_path / "archive", "node")
    found.make()
    return found


def started(paths: CollectorPaths, exporters: tuple[str, ...] = ()) -> Archivist:
    config = Config.model_validate({"collector": {"exporters": exporters}})
    archivist = Archivist(config, paths, Counters())
    archivist.recover()
    return archivist


def consume_all(archivist: Archivist, paths: CollectorPaths) -> None:
    while files := closed_files(paths.spool):
        archivist.consume(files[:2])


def stored_ports(paths: CollectorPaths) -> list[int]:
    """The source ports of every flow that the manifest lists."""
    found: list[int] = []
    for entry in Manifest(paths.archive).entries():
        if entry.kind == "flow" and entry.path:
            query = f"SELECT src_port FROM '{paths.archive / entry.path}'"
            found.extend(port for (port,) in duckdb.connect().execute(query).fetchall())
    return sorted(found)


def spool_flows(paths: CollectorPaths, number: int, *ports: int, template: bool = True) -> None:
    datagram = flow_datagram([Flow(src_port=port) for port in ports], number, template=template)
    write_spool(paths.spool, number, record(datagram))


def test_what_was_spooled_is_archived_and_the_spool_is_gone(paths: CollectorPaths) -> None:
    spool_flows(paths, 1, 10, 11)
    spool_flows(paths, 2, 12)
    consume_all(started(paths), paths)
    assert stored_ports(paths) == [10, 11, 12]
    assert not closed_files(paths.spool)
    (entry,) = Manifest(paths.archive).entries()
    assert entry.spools == (1, 2)
    assert entry.path == "flow/date=2026-11-18/hour=11/node-000000000001.parquet"


def break_segment(monkeypatch: pytest.MonkeyPatch, *, written: bool) -> None:
    prepare = SegmentWriter.prepare

    def crash(self: SegmentWriter, *arguments: Any) -> Any:
        if written:
            prepare(self, *arguments)
        raise Crash

    monkeypatch.setattr(SegmentWriter, "prepare", crash)


def break_entering(monkeypatch: pytest.MonkeyPatch) -> None:
    enter = SegmentWriter.enter

    def crash(self: SegmentWriter, path: str) -> None:
        enter(self, path)
        raise Crash

    monkeypatch.setattr(SegmentWriter, "enter", crash)


def break_append(monkeypatch: pytest.MonkeyPatch, *, octets: int | None) -> None:
    append = Manifest.append

    def crash(self: Manifest, entries: Any) -> Any:
        before = self.path.stat().st_size if self.path.exists() else 0
        append(self, entries)
        if octets is not None:
            with self.path.open("r+b") as stream:
                stream.truncate(before + octets)
        raise Crash

    monkeypatch.setattr(Manifest, "append", crash)


def break_unlink(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(self: Path, missing_ok: bool = False) -> None:
        raise Crash

    monkeypatch.setattr(Path, "unlink", crash)


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda patch: break_segment(patch, written=False), id="before-the-segment"),
        pytest.param(lambda patch: break_segment(patch, written=True), id="after-the-segment"),
        pytest.param(break_entering, id="after-the-segment-is-in-its-place"),
        pytest.param(lambda patch: break_append(patch, octets=0), id="before-the-manifest"),
        pytest.param(lambda patch: break_append(patch, octets=40), id="inside-the-manifest"),
        pytest.param(lambda patch: break_append(patch, octets=None), id="after-the-manifest"),
        pytest.param(break_unlink, id="before-the-spool-is-deleted"),
    ],
)
def test_a_crash_neither_loses_nor_doubles(
    paths: CollectorPaths, break_it: Callable[[pytest.MonkeyPatch], None]
) -> None:
    spool_flows(paths, 1, 10)
    archivist = started(paths)
    consume_all(archivist, paths)
    # The second file needs the template of the first, and waiting data crosses the crash.
    spool_flows(paths, 2, 20, 21, template=False)
    with pytest.MonkeyPatch.context() as patch:
        break_it(patch)
        with pytest.raises(Crash):
            consume_all(archivist, paths)
    spool_flows(paths, 3, 30, template=False)
    consume_all(started(paths), paths)
    assert stored_ports(paths) == [10, 20, 21, 30]
    listed = {entry.path for entry in Manifest(paths.archive).entries()}
    present = {str(path.relative_to(paths.archive)) for path in paths.archive.rglob("*.parquet")}
    assert listed == present
    assert not list(paths.archive.rglob("*.aside"))


def test_others_get_the_lock_while_a_segment_is_written(
    paths: CollectorPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool_flows(paths, 1, 10)
    prepare, had = SegmentWriter.prepare, []

    def look(self: SegmentWriter, *arguments: Any) -> Any:
        segment = prepare(self, *arguments)
        with (paths.archive / ".lock").open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            had.append(segment.path)
        assert not list(paths.archive.rglob("*.parquet")), "nobody may find what no line names"
        return segment

    archivist = started(paths)
    monkeypatch.setattr(SegmentWriter, "prepare", look)
    consume_all(archivist, paths)
    assert had == [entry.path for entry in Manifest(paths.archive).entries()]


def test_files_of_one_commit_share_templates_exporters_and_what_waits(
    paths: CollectorPaths,
) -> None:
    spool_flows(paths, 1, 10, template=False)
    spool_flows(paths, 2, 20)
    write_spool(
        paths.spool, 3, record(flow_datagram([Flow(src_port=30)], 0), exporter="198.51.100.1")
    )
    spool_flows(paths, 4, 40, template=False)
    assert started(paths).consume(closed_files(paths.spool)) == 4
    (entry,) = (one for one in Manifest(paths.archive).entries() if one.kind == "flow")
    assert entry.spools == (1, 2, 3, 4)
    query = f"SELECT src_port, exporter FROM '{paths.archive / entry.path}' ORDER BY src_port"
    assert duckdb.connect().execute(query).fetchall() == [
        (10, "192.0.2.1"),
        (20, "192.0.2.1"),
        (30, "198.51.100.1"),
        (40, "192.0.2.1"),
    ]


def test_where_much_is_no_flow_the_next_file_is_left_for_the_next_commit(
    paths: CollectorPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic.collectors.archivist._MOST_OBJECTS", 1)
    for number in (1, 2, 3, 4, 5):
        spool_mixture(paths, number, 10 * number)
    archivist = started(paths)
    while files := closed_files(paths.spool):
        archivist.consume(files)
    entries = Manifest(paths.archive).entries()
    assert sorted({entry.spools for entry in entries}) == [(1, 2), (3, 4), (5,)]
    assert stored_ports(paths) == [10, 20, 30, 40, 50]
    assert len(stored_rows(paths, NAT)) == 5


def test_waiting_data_is_neither_lost_nor_doubled_by_a_crash(paths: CollectorPaths) -> None:
    spool_flows(paths, 1, 10, template=False)
    archivist = started(paths)
    consume_all(archivist, paths)
    assert stored_ports(paths) == []
    spool_flows(paths, 2, 20)
    with pytest.MonkeyPatch.context() as patch:
        break_append(patch, octets=0)
        with pytest.raises(Crash):
            consume_all(archivist, paths)
    consume_all(started(paths), paths)
    assert stored_ports(paths) == [10, 20]


def test_a_commit_over_two_hours_is_one_commit(paths: CollectorPaths) -> None:
    hour_ns = 3600 * 10**9
    write_spool(
        paths.spool,
        1,
        record(flow_datagram([Flow(src_port=1)], 0)),
        record(flow_datagram([Flow(src_port=2)], 1), received_ns=RECEIVED_NS + hour_ns),
    )
    archivist = started(paths)
    with pytest.MonkeyPatch.context() as patch:
        # The crash leaves the first of two lines: half a commit is none.
        append = Manifest.append

        def crash(self: Manifest, entries: Any) -> Any:
            append(self, entries)
            line = self.path.read_bytes().splitlines(keepends=True)[0]
            self.path.write_bytes(line)
            raise Crash

        patch.setattr(Manifest, "append", crash)
        with pytest.raises(Crash):
            consume_all(archivist, paths)
    assert Manifest(paths.archive).entries() == []
    consume_all(started(paths), paths)
    assert stored_ports(paths) == [1, 2]
    assert [entry.part for entry in Manifest(paths.archive).entries()] == [1, 2]


def test_a_torn_record_at_the_end_of_a_spool_costs_only_itself(paths: CollectorPaths) -> None:
    whole = record(flow_datagram([Flow(src_port=1)], 0))
    write_spool(paths.spool, 1, whole, whole[:60])
    consume_all(started(paths), paths)
    assert stored_ports(paths) == [1]


def test_losses_and_sequence_gaps_stand_in_the_manifest(paths: CollectorPaths) -> None:
    write_spool(
        paths.spool,
        1,
        record(flow_datagram([Flow()], 0)),
        encode_loss(Listener.NETFLOW, Loss(SECONDS * 10**9, SECONDS * 10**9 + 10**6, 7)),
        record(flow_datagram([Flow()], 3)),
    )
    consume_all(started(paths), paths)
    (entry,) = Manifest(paths.archive).entries()
    assert [(gap.reason, gap.lost) for gap in entry.gaps] == [("socket", 7), ("sequence", 2)]


def test_exporters_that_are_not_allowed_are_not_decoded(paths: CollectorPaths) -> None:
    datagrams = [flow_datagram([Flow(src_port=number)], 0) for number in (1, 2)]
    write_spool(
        paths.spool,
        1,
        record(datagrams[0], exporter="192.0.2.1"),
        record(datagrams[1], exporter="198.51.100.1"),
    )
    consume_all(started(paths, exporters=("192.0.2.0/24",)), paths)
    assert stored_ports(paths) == [1]


def test_a_spool_without_flows_is_committed_too(paths: CollectorPaths) -> None:
    write_spool(paths.spool, 1, record(version_9(sequence=1)))
    consume_all(started(paths), paths)
    (entry,) = Manifest(paths.archive).entries()
    assert (entry.path, entry.spools) == ("", (1,))
    assert started(paths).consumed == 1


BLOCK = ((8, 4), (225, 4), (230, 1), (361, 2), (362, 2))
BLOCK_RECORD = bytes.fromhex("0a000001 c6336407 10 0400 07ff")


def spool_mixture(paths: CollectorPaths, number: int, port: int) -> bytes:
    """Spool a flow and a block of ports, and a datagram that nobody can read, which is returned."""
    flow = encode_flow(Flow(src_port=port), TRANSLATED)
    whole = version_9(
        template_set(256, TRANSLATED),
        template_set(257, BLOCK),
        data_set(256, [flow]),
        data_set(257, [BLOCK_RECORD]),
        sequence=2 * number,
    )
    strange = version_9(data_set(999, [b"whatever"]), sequence=2 * number + 1)
    write_spool(paths.spool, number, record(whole), record(strange))
    return strange


def stored_rows(paths: CollectorPaths, kind: Kind) -> list[dict[str, Any]]:
    return [one.values for one in TableArchive(paths.archive, "node").read(kind)]


def test_what_is_no_flow_is_stored_in_its_own_kinds(paths: CollectorPaths) -> None:
    strange = spool_mixture(paths, 1, 10)
    consume_all(started(paths), paths)
    assert stored_ports(paths) == [10]
    (block,) = stored_rows(paths, NAT)
    assert (block["event"], block["source"], block["form"]) == (
        "block-create",
        "192.0.2.1",
        "flow-block",
    )
    assert (block["inside_address"], block["outside_address"]) == ("10.0.0.1", "198.51.100.7")
    assert (block["outside_port"], block["outside_port_to"]) == (1024, 2047)
    assert bytes(block["raw"]) == BLOCK_RECORD
    (raw,) = stored_rows(paths, RAW)
    assert bytes(raw["raw"]) == strange
    assert (raw["source"], raw["port"]) == ("192.0.2.1", 50_000)
    assert (raw["listener"], raw["reason"]) == ("netflow", "no-template")
    assert raw["received_at"] == RECEIVED_NS // 10**6
    entries = Manifest(paths.archive).entries()
    assert [(entry.kind, entry.spools, entry.part) for entry in entries] == [
        ("flow", (1,), 1),
        ("nat", (1,), 2),
        ("raw", (1,), 3),
    ]
    assert len({entry.state for entry in entries}) == 1


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda patch: break_rows(patch, NAT, written=False), id="before-the-blocks"),
        pytest.param(lambda patch: break_rows(patch, NAT, written=True), id="after-the-blocks"),
        pytest.param(lambda patch: break_rows(patch, RAW, written=True), id="after-the-raw"),
        pytest.param(lambda patch: break_append(patch, octets=0), id="before-the-manifest"),
        pytest.param(lambda patch: break_append(patch, octets=900), id="inside-the-manifest"),
        pytest.param(lambda patch: break_append(patch, octets=None), id="after-the-manifest"),
        pytest.param(break_unlink, id="before-the-spool-is-deleted"),
    ],
)
def test_a_crash_neither_loses_nor_doubles_what_is_no_flow(
    paths: CollectorPaths, break_it: Callable[[pytest.MonkeyPatch], None]
) -> None:
    spool_mixture(paths, 1, 10)
    archivist = started(paths)
    with pytest.MonkeyPatch.context() as patch:
        break_it(patch)
        with pytest.raises(Crash):
            consume_all(archivist, paths)
    spool_mixture(paths, 2, 20)
    consume_all(started(paths), paths)
    assert stored_ports(paths) == [10, 20]
    assert [len(stored_rows(paths, kind)) for kind in (NAT, RAW)] == [2, 2]
    listed = {entry.path for entry in Manifest(paths.archive).entries()}
    present = {str(path.relative_to(paths.archive)) for path in paths.archive.rglob("*.parquet")}
    assert listed == present


def break_rows(monkeypatch: pytest.MonkeyPatch, broken: Kind, *, written: bool) -> None:
    write = TableArchive.write

    def crash(self: TableArchive, kind: Kind, *arguments: Any) -> Any:
        if kind is not broken:
            return write(self, kind, *arguments)
        if written:
            write(self, kind, *arguments)
        raise Crash

    monkeypatch.setattr(TableArchive, "write", crash)


def test_ipfix_sessions_are_told_apart_by_the_port(paths: CollectorPaths) -> None:
    fields = ((8, 4), (7, 2))
    whole = ipfix.message(
        ipfix.template_set(256, fields), ipfix.data_set(256, [bytes(4) + b"\0\7"])
    )
    data = ipfix.message(ipfix.data_set(256, [bytes(4) + b"\0\x08"]), sequence=1)
    kind, received = RecordKind.DATAGRAM, RECEIVED_NS
    records = [
        encode_record(kind, Listener.IPFIX, received, port, mapped("192.0.2.1"), octets)
        for port, octets in ((4001, whole), (4002, data), (4001, data))
    ]
    write_spool(paths.spool, 1, *records)
    consume_all(started(paths), paths)
    assert stored_ports(paths) == [7, 8]
    (raw,) = stored_rows(paths, RAW)
    assert (raw["port"], raw["listener"], bytes(raw["raw"])) == (4002, "ipfix", data)


def test_a_datagram_longer_than_any_may_be_is_kept(paths: CollectorPaths) -> None:
    address = mapped("192.0.2.1")
    octets = encode_record(
        RecordKind.TRUNCATED, Listener.NETFLOW, RECEIVED_NS, 4000, address, b"x" * 1000
    )
    write_spool(paths.spool, 1, octets)
    consume_all(started(paths), paths)
    (raw,) = stored_rows(paths, RAW)
    assert (raw["reason"], bytes(raw["raw"])) == ("truncated", b"x" * 1000)


def test_sflow_is_told_once_for_each_source(
    paths: CollectorPaths, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.configure("test")
    counters = Counters()
    archivist = Archivist(Config(), paths, counters)
    archivist.recover()
    sample = bytes.fromhex("00000005 00000001 c0000201 00000000 0000002a 000003e8 00000000")
    for number, exporter in enumerate(("192.0.2.1", "192.0.2.2", "192.0.2.1"), 1):
        write_spool(paths.spool, number, record(sample, exporter=exporter))
        archivist.consume(closed_files(paths.spool))
    told = [line for line in capfd.readouterr().err.splitlines() if "sflow_not_decoded" in line]
    assert ["192.0.2.1" in told[0], "192.0.2.2" in told[1], len(told)] == [True, True, 2]
    assert counters.get("collector_decoded_sflow") == 3
    assert [entry.path for entry in Manifest(paths.archive).entries()] == ["", "", ""]


def test_a_refused_spool_is_kept_and_told(paths: CollectorPaths) -> None:
    spool_flows(paths, 1, 10)
    archivist = started(paths)
    archivist.refuse(closed_files(paths.spool)[0])
    assert (paths.spool / "000000000001.refused").exists()
    (entry,) = Manifest(paths.archive).entries()
    assert [gap.reason for gap in entry.gaps] == ["undecodable"]
