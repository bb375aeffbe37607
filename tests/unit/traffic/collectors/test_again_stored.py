"""What decoding again compares with, where that lies, and whose templates it believes."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from common.config import Config
from common.metrics import Counters
from tests.unit.traffic.archive.test_verification import make_keys
from tests.unit.traffic.collectors.test_again import (
    HOURS,
    announced,
    collect,
    give_up,
    given_up,
    ports,
    run,
    told,
)
from tests.vectors.flows import ipfix
from tests.vectors.flows.datagrams import SECONDS
from tests.vectors.flows.spools import RECEIVED_NS, mapped, write_spool
from traffic.archive.entries import decode_entry
from traffic.archive.manifest import Manifest
from traffic.archive.seals import make_seal
from traffic.collectors import stored_lines
from traffic.collectors.again import Again, Redecoder, newest_state
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.records import Listener, RecordKind, encode_record
from traffic.collectors.spool import closed_files
from traffic.keeping.storing import Storer

QUIET = Config.model_validate({"collector": {"without_destinations": ["192.0.2.1/32"]}})
SIMPLE: tuple[ipfix.Specifier, ...] = ((8, 4), (7, 2))
DAY_MS = 86_400_000


@pytest.fixture
def paths(tmp_path: Path) -> CollectorPaths:
    found = CollectorPaths(tmp_path / "spool", tmp_path / "collector", tmp_path / "archive", "node")
    found.make()
    return found


def run_quiet(paths: CollectorPaths) -> Again:
    return Redecoder(QUIET, paths, newest_state(paths)).run()


def test_what_was_stored_with_its_far_end_is_not_stored_again_without_it(
    paths: CollectorPaths,
) -> None:
    collect(paths, 1, (told(1001, 0), 0), (told(1002, 1), 0))
    collect(paths, 2, (announced(2, HOURS), HOURS))
    assert ports(paths) == [1001, 1002]
    found = run_quiet(paths)
    assert (found.flows, found.known, ports(paths)) == (0, 2, [1001, 1002])


def test_what_was_stored_without_its_far_end_is_not_stored_again_with_it(
    paths: CollectorPaths,
) -> None:
    give_up(paths, (told(1001, 0), 0), (told(1001, 1), 0))
    assert run_quiet(paths).flows == 2
    found = run(paths)
    assert (found.flows, found.known, ports(paths)) == (0, 2, [1001, 1001])


def test_segments_that_have_left_for_the_store_are_brought_back(
    paths: CollectorPaths, tmp_path: Path
) -> None:
    given_up(paths)
    assert run(paths).flows == 2
    (tmp_path / "store").mkdir()
    make_keys(tmp_path / "keys")
    last = Manifest(paths.archive).last()
    assert last is not None
    now_ms = last.written_ms + 60 * DAY_MS
    make_seal(paths.archive, tmp_path / "keys", now_ms)
    storer = Storer(
        Config.model_validate(
            {"site": {"data_dir": tmp_path}, "store": {"url": f"file://{tmp_path / 'store'}"}}
        )
    )
    storer.push(now_ms)
    for path in paths.archive.rglob("*.parquet"):
        os.utime(path, (1, 1))
    assert storer.free(now_ms) == 2
    assert not list(paths.archive.rglob("*.parquet"))
    found: list[Again] = []
    thread = threading.Thread(target=lambda: found.append(run(paths)), daemon=True)
    thread.start()
    thread.join(timeout=60)  # under the lock nothing could be brought back, for ever
    assert [(one.flows, one.known) for one in found] == [(0, 2)]


def test_each_line_is_read_once_and_those_that_come_meanwhile_count(
    paths: CollectorPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up(paths)
    decoded: list[int] = []
    decode = decode_entry

    def counted(line: bytes, number: int) -> object:
        decoded.append(number)
        return decode(line, number)

    stored = Redecoder._stored
    others: list[Again] = []

    def run_meanwhile(redecoder: Redecoder, *arguments: object) -> object:
        if not others:
            others.append(Again())
            others[0] = run(paths)
        return stored(redecoder, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Redecoder, "_stored", run_meanwhile)
    found = run(paths)
    assert others[0].flows == 2
    assert (found.flows, found.known, ports(paths)) == (0, 2, [1001, 1002])
    monkeypatch.setattr(stored_lines, "decode_entry", counted)
    run(paths)
    assert len(decoded) == len(set(decoded)) > 0


def ipfix_record(octets: bytes, after: int, listener: Listener) -> bytes:
    received_ns = RECEIVED_NS + after * 1_000_000_000
    return encode_record(
        RecordKind.DATAGRAM, listener, received_ns, 4000, mapped("192.0.2.1"), octets
    )


def heard(paths: CollectorPaths, number: int, octets: bytes, after: int, by: Listener) -> None:
    write_spool(paths.spool, number, ipfix_record(octets, after, by))
    archivist = Archivist(Config(), paths, Counters())
    archivist.recover()
    archivist.consume(closed_files(paths.spool))


@pytest.mark.parametrize(
    ("by", "started", "outcome"),
    [
        pytest.param(Listener.IPFIX_STREAM, None, "restarted", id="another-connection"),
        pytest.param(Listener.IPFIX, None, "decoded", id="the-same-session"),
        pytest.param(Listener.IPFIX, 2 * HOURS, "restarted", id="started-since"),
        pytest.param(Listener.IPFIX, -HOURS, "decoded", id="started-before"),
    ],
)
def test_a_template_of_ipfix_counts_for_its_session_and_start_alone(
    paths: CollectorPaths, by: Listener, started: int | None, outcome: str
) -> None:
    late = 3 * HOURS
    record = bytes([10, 0, 0, 1]) + (1001).to_bytes(2, "big")
    heard(paths, 1, ipfix.message(ipfix.data_set(256, [record])), 0, by)
    heard(paths, 2, ipfix.message(seconds=SECONDS + late, sequence=1), late, by)
    template = ipfix.template_set(256, SIMPLE)
    heard(paths, 3, ipfix.message(template, seconds=SECONDS + late + 1, sequence=1), late + 1, by)
    state = newest_state(paths)
    if started is not None:
        tree = json.loads(state.read_bytes())
        tree["starts"] = [["192.0.2.1 port 4000", 7, (SECONDS + started) * 1000]]
        state.write_text(json.dumps(tree))
    found = run(paths)
    assert (found.datagrams, getattr(found, outcome)) == (1, 1)
    assert ports(paths) == ([1001] if outcome == "decoded" else [])
    assert run(paths, trusting=True).decoded == 1
    assert ports(paths) == [1001]
