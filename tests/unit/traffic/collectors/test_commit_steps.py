"""One commit of several spool files: cut off at any line, or with something in it that fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from common.errors import ArchiveError, BackendUnavailable
from tests.unit.traffic.collectors.test_archivist import (
    Crash,
    spool_flows,
    spool_mixture,
    started,
    stored_ports,
    stored_rows,
)
from tests.unit.traffic.collectors.test_archivist import paths as paths
from tests.vectors.flows.datagrams import Flow
from tests.vectors.flows.spools import RECEIVED_NS, flow_datagram, record, write_spool
from traffic.archive import durable, manifest, segments, tables
from traffic.archive.kinds import NAT, RAW
from traffic.archive.manifest import Manifest
from traffic.archive.segments import SegmentWriter
from traffic.collectors import archivist as archivist_module
from traffic.collectors import decoding
from traffic.collectors.archivist import Archivist
from traffic.collectors.decoding import DecodingLoop
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.spool import closed_files

HOUR_NS = 3600 * 10**9
STRIDE = int(os.environ.get("YUENYAN_STRIDE", "331"))
"""Every so many lines a crash, of more than a thousand; 1 is all of them, and takes long."""

_CUT = {str(module.__file__) for module in (archivist_module, durable, manifest, segments, tables)}


class Lines:
    """Counts the lines that run in `_CUT`, and crashes at one of them."""

    def __init__(self, crash_at: int) -> None:
        self.count = 0
        self._crash_at = crash_at

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename not in _CUT:
            return None
        if event == "line":
            self.count += 1
            if self.count == self._crash_at:
                raise Crash
        return self


@contextmanager
def crashing(at: int) -> Iterator[Lines]:
    lines, before = Lines(at), sys.gettrace()
    sys.settrace(lines)
    try:
        yield lines
    finally:
        sys.settrace(before)


def spool_all(paths: CollectorPaths) -> None:
    """Three files: two hours, a block of ports and a datagram without its template in them."""
    spool_mixture(paths, 1, 10)
    later = record(flow_datagram([Flow(src_port=20)], 5), received_ns=RECEIVED_NS + HOUR_NS)
    write_spool(paths.spool, 2, record(flow_datagram([Flow(src_port=21)], 4)), later)
    spool_flows(paths, 3, 30, template=False)


def assert_once(paths: CollectorPaths, *ports: int) -> None:
    """What was spooled is in the archive once, and nothing that no line names."""
    assert stored_ports(paths) == sorted(ports)
    entries = Manifest(paths.archive).entries()
    listed = {entry.path for entry in entries if entry.path}
    present = {str(path.relative_to(paths.archive)) for path in paths.archive.rglob("*.parquet")}
    assert listed == present
    assert not list(paths.archive.rglob("*.aside"))
    assert not list(paths.spool.glob("*.spool"))
    consumed = [number for spools in {entry.spools for entry in entries} for number in spools]
    assert sorted(consumed) == sorted(set(consumed))


def test_a_commit_of_several_files_that_is_cut_off_anywhere_is_made_once(tmp_path: Path) -> None:
    at, finished = 1, False
    while not finished:
        found = CollectorPaths(
            tmp_path / f"{at}/spool", tmp_path / f"{at}/state", tmp_path / f"{at}/archive", "node"
        )
        found.make()
        spool_all(found)
        archivist = started(found)
        try:
            with crashing(at):
                archivist.consume(closed_files(found.spool))
            finished = True
        except Crash:
            pass
        again = started(found)
        if files := closed_files(found.spool):
            again.consume(files)
        assert_once(found, 10, 20, 21, 30)
        assert [len(stored_rows(found, kind)) for kind in (NAT, RAW)] == [1, 1], at
        at += STRIDE
    assert at > 3 * STRIDE


@pytest.fixture
def loop(paths: CollectorPaths, monkeypatch: pytest.MonkeyPatch) -> DecodingLoop:
    monkeypatch.setattr(decoding, "_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(decoding, "memory_octets", lambda: 4 << 30)
    spool_all(paths)
    return DecodingLoop(started(paths), paths.spool, 60)


def decode_all(loop: DecodingLoop, turns: int = 9) -> None:
    for _ in range(turns):
        if not loop.turn(hurry=True, now=0.0):
            return


def test_a_file_amid_others_that_cannot_be_decoded_is_refused_alone(
    loop: DecodingLoop, paths: CollectorPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_spool = Archivist._of_spool
    bad = (paths.spool / "000000000002.spool").read_bytes()

    def fail(self: Archivist, octets: memoryview) -> Any:
        for number, datagram in enumerate(of_spool(self, octets)):
            if octets == bad and number:
                raise ValueError("no test foresaw this")
            yield datagram

    monkeypatch.setattr(Archivist, "_of_spool", fail)
    decode_all(loop)
    assert_once(paths, 10, 30)
    assert (paths.spool / "000000000002.refused").read_bytes() == bad
    gaps = [gap.source for entry in Manifest(paths.archive).entries() for gap in entry.gaps]
    assert "000000000002.refused" in gaps


@pytest.mark.parametrize("error", [BackendUnavailable("archive", "x"), OSError(5, "x")])
def test_no_file_is_refused_because_the_archive_cannot_be_reached(
    loop: DecodingLoop, paths: CollectorPaths, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    append, failures = Manifest.append, [error, error]

    def fail(self: Manifest, entries: Any) -> Any:
        if failures:
            raise failures.pop()
        return append(self, entries)

    monkeypatch.setattr(Manifest, "append", fail)
    decode_all(loop)
    assert not list(paths.spool.glob("*.refused"))
    assert_once(paths, 10, 20, 21, 30)


def test_a_disk_that_fills_behind_the_first_of_two_hours_costs_nothing(
    loop: DecodingLoop, paths: CollectorPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, calls = SegmentWriter.prepare, []

    def fill(self: SegmentWriter, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) in (2, 4):
            raise ArchiveError("flow", "cannot be written: No space left on device")
        return prepare(self, *arguments)

    monkeypatch.setattr(SegmentWriter, "prepare", fill)
    assert loop.turn(hurry=True, now=0.0)
    assert not list(paths.archive.rglob("*.aside"))
    decode_all(loop)
    assert_once(paths, 10, 20, 21, 30)
