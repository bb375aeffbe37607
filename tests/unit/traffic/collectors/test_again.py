"""Datagrams that were given up for want of a template, and read when it is known."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import select

from common.config import Config
from common.errors import ArchiveError
from common.metrics import Counters
from db.engine import Database
from db.models import AuditEvent
from tests.conftest import Site
from tests.vectors.flows.datagrams import (
    SECONDS,
    TRANSLATED,
    UPTIME_MS,
    Flow,
    data_set,
    encode_flow,
    template_set,
    version_9,
)
from tests.vectors.flows.spools import RECEIVED_NS, record, write_spool
from traffic.archive.kinds import RAW
from traffic.archive.manifest import Manifest
from traffic.archive.set_aside import set_aside
from traffic.archive.tables import TableArchive
from traffic.collectors.again import Again, Redecoder, newest_state
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths, collector_paths
from traffic.collectors.spool import closed_files
from traffic.keeping.orphans import set_orphans_aside

CONFIG = Config()
HOURS = 3600
LATE = 3 * HOURS
"""Longer than a data set waits."""


@pytest.fixture
def paths(tmp_path: Path) -> CollectorPaths:
    found = CollectorPaths(tmp_path / "spool", tmp_path / "collector", tmp_path / "archive", "node")
    found.make()
    return found


def collect(paths: CollectorPaths, number: int, *datagrams: tuple[bytes, int]) -> None:
    """One spool of (datagram, seconds after the first) through a collector."""
    records = [record(octets, RECEIVED_NS + after * 1_000_000_000) for octets, after in datagrams]
    write_spool(paths.spool, number, *records)
    archivist = Archivist(CONFIG, paths, Counters())
    archivist.recover()
    archivist.consume(closed_files(paths.spool))


def told(port: int, sequence: int, after: int = 0, start: int = 0) -> bytes:
    """A datagram of one flow without its template; `start` seconds later the exporter began."""
    uptime = UPTIME_MS + (after - start) * 1000
    flow = encode_flow(Flow(src_port=port), TRANSLATED, uptime)
    return version_9(
        data_set(256, [flow]), sequence=sequence, seconds=SECONDS + after, uptime_ms=uptime
    )


def announced(sequence: int, after: int, start: int = 0, number: int = 256) -> bytes:
    return version_9(
        template_set(number, TRANSLATED),
        sequence=sequence,
        seconds=SECONDS + after,
        uptime_ms=UPTIME_MS + (after - start) * 1000,
    )


def run(paths: CollectorPaths, **more: bool) -> Again:
    dry = more.pop("dry", False)
    return Redecoder(CONFIG, paths, newest_state(paths), **more).run(dry=dry)


def ports(paths: CollectorPaths) -> list[int]:
    found = [
        str(paths.archive / entry.path)
        for entry in Manifest(paths.archive).entries()
        if entry.kind == "flow" and entry.path
    ]
    if not found:
        return []
    rows = duckdb.execute("SELECT src_port FROM read_parquet(?)", [found]).fetchall()
    return sorted(int(port) for (port,) in rows)


def give_up(paths: CollectorPaths, *datagrams: tuple[bytes, int], start: int = 0) -> None:
    """Datagrams whose template 256 came three hours later, when nobody waited any more."""
    collect(paths, 1, *datagrams)
    before = ports(paths)
    sequence = 0 if start else len(datagrams)
    collect(paths, 2, (announced(sequence, LATE, start, number=999), LATE))
    collect(paths, 3, (announced(sequence + 1, LATE + 1, start), LATE + 1))
    assert ports(paths) == before


def given_up(paths: CollectorPaths) -> None:
    give_up(paths, (told(1001, 0), 0), (told(1002, 1, 1), 1))


def test_what_was_given_up_becomes_flows_that_name_where_they_come_from(
    paths: CollectorPaths,
) -> None:
    given_up(paths)
    found = run(paths)
    assert (found.datagrams, found.decoded, found.flows, found.known) == (2, 2, 2, 0)
    assert ports(paths) == [1001, 1002]
    (line,) = [one for one in Manifest(paths.archive).entries() if one.path in found.segments]
    (raw,) = TableArchive(paths.archive, "node").entries(RAW)
    assert line.origin == f"raw:{raw.path}"
    assert (line.received_min_ms, line.records) == (RECEIVED_NS // 1_000_000, 2)
    assert (paths.archive / raw.path).exists(), "what came in stays as it came"


def test_twice_adds_nothing_and_dry_adds_nothing_at_all(paths: CollectorPaths) -> None:
    given_up(paths)
    assert (run(paths, dry=True).flows, ports(paths)) == (2, [])
    run(paths)
    again = run(paths)
    assert (again.flows, again.known, again.segments) == (0, 2, [])
    assert ports(paths) == [1001, 1002]


def test_what_its_template_reached_in_time_is_stored_already(paths: CollectorPaths) -> None:
    collect(paths, 1, (told(1001, 0), 0), (told(1001, 1), 0))
    collect(paths, 2, (announced(2, HOURS), HOURS))
    assert ports(paths) == [1001, 1001]
    found = run(paths)
    assert (found.datagrams, found.decoded, found.flows, found.known) == (2, 2, 0, 2)
    assert ports(paths) == [1001, 1001]


def test_of_two_that_are_alike_the_one_that_is_missing_is_added(paths: CollectorPaths) -> None:
    give_up(paths, (told(1001, 0), 0), (told(1001, 1), 0))
    assert (run(paths).flows, ports(paths)) == (2, [1001, 1001])


def test_a_template_of_another_start_of_the_exporter_counts_only_when_it_is_said_so(
    paths: CollectorPaths,
) -> None:
    give_up(paths, (told(1001, 0), 0), start=HOURS)
    found = run(paths)
    assert (found.restarted, found.flows, ports(paths)) == (1, 0, [])
    assert (run(paths, trusting=True).flows, ports(paths)) == (1, [1001])


def test_without_its_template_a_datagram_stays_what_it_is(paths: CollectorPaths) -> None:
    collect(paths, 1, (told(1001, 0), 0))
    other = version_9(
        template_set(300, TRANSLATED), sequence=1, seconds=SECONDS + 1, uptime_ms=UPTIME_MS + 1000
    )
    collect(paths, 2, (other, 1))
    found = run(paths)
    assert (found.datagrams, found.unknown, found.flows) == (1, 1, 0)
    assert Manifest(paths.archive).entries()[-1].kind != "gap"


def test_the_set_that_was_read_at_once_is_not_read_twice(paths: CollectorPaths) -> None:
    known = encode_flow(Flow(src_port=2001), TRANSLATED)
    late = encode_flow(Flow(src_port=2002), TRANSLATED)
    both = version_9(template_set(300, TRANSLATED), data_set(300, [known]), data_set(256, [late]))
    give_up(paths, (both, 0))
    assert ports(paths) == [2001]
    found = run(paths)
    assert (found.flows, found.known, ports(paths)) == (1, 1, [2001, 2002])


def test_what_is_no_state_is_named(paths: CollectorPaths, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="holds no decoder state"):
        newest_state(paths)
    broken = tmp_path / "state.json"
    for octets in (b"", b"[]", json.dumps({"format": 9}).encode(), struct.pack("!I", 1)):
        broken.write_bytes(octets)
        with pytest.raises(ArchiveError, match="is no decoder state"):
            Redecoder(CONFIG, paths, broken)


def test_the_command_is_on_record_and_the_archive_stays_whole(site: Site) -> None:
    paths = collector_paths(site.config)
    paths.make()
    given_up(paths)
    dry = site.yuenyan("archive", "decode-raw", "--dry-run", "--json")
    assert (json.loads(dry.stdout)["flows"], ports(paths)) == (2, [])
    done = site.yuenyan("archive", "decode-raw")
    assert "stored: 2 flows" in done.stdout, done.stderr
    assert site.yuenyan("archive", "seal").exit_code == 0
    checked = site.yuenyan("archive", "verify")
    assert checked.exit_code == 0, checked.stderr
    again = json.loads(site.yuenyan("archive", "decode-raw", "--json").stdout)
    assert (again["flows"], again["known"], again["segments"]) == (0, 2, [])
    database = Database(site.config.database_url)
    with database.read() as session:
        (event,) = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "archive:raw_decoded")
        )
    database.dispose()
    assert json.loads(event.detail)["flows"] == 2


def test_a_crash_before_the_line_leaves_nothing_that_counts(
    paths: CollectorPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up(paths)

    class Crash(BaseException):
        """The power went."""

    def fail(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patched, pytest.raises(Crash):
        patched.setattr(Manifest, "append", fail)
        run(paths)
    assert ports(paths) == []
    assert set_orphans_aside(paths.archive, "node") == 1
    assert (run(paths).flows, ports(paths)) == (2, [1001, 1002])


def test_what_was_decoded_again_has_a_line_and_stays_where_it_is(paths: CollectorPaths) -> None:
    given_up(paths)
    (path,) = run(paths).segments
    assert set_orphans_aside(paths.archive, "node") == 0
    assert (paths.archive / path).is_file()
    assert set_aside(paths.archive) == []


def test_a_segment_of_a_line_that_was_set_aside_takes_its_place_again(
    paths: CollectorPaths,
) -> None:
    given_up(paths)
    (path,) = run(paths).segments
    place = paths.archive / path
    aside = place.rename(place.with_suffix(".orphan"))
    octets = aside.read_bytes()
    aside.write_bytes(octets + b"x")
    set_orphans_aside(paths.archive, "node")
    assert not place.exists(), "it is not what the line says"
    assert set_aside(paths.archive) == [str(aside.relative_to(paths.archive))]
    aside.write_bytes(octets)
    assert set_orphans_aside(paths.archive, "node") == 0
    assert (ports(paths), aside.exists()) == ([1001, 1002], False)
    assert set_aside(paths.archive) == []
