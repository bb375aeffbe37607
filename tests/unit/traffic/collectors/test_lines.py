"""Log lines become rows exactly once, in one commit with the flows of their spool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.config import Config
from common.metrics import Counters
from tests.unit.traffic.collectors.test_archivist import (
    Crash,
    break_append,
    break_unlink,
    consume_all,
)
from tests.vectors.flows.datagrams import Flow
from tests.vectors.flows.spools import RECEIVED_NS, flow_datagram, record, write_spool
from tests.vectors.syslog.spools import GATEWAY, conntrack, dnsmasq, line_record
from traffic.archive.kinds import ACCESS, LEASE, NAT, Kind
from traffic.archive.manifest import Manifest
from traffic.archive.tables import TableArchive
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.records import Listener, Loss, encode_loss

MAC = "3c:22:fb:01:02:03"
UNREAD = "<30>Nov 18 18:06:40 gw some-daemon: up for 7 days"


@pytest.fixture
def paths(tmp_path: Path) -> CollectorPaths:
    found = CollectorPaths(tmp_path / "spool", tmp_path / "collector", tmp_path / "archive", "node")
    found.make()
    return found


def started(paths: CollectorPaths, **collector: Any) -> tuple[Archivist, Counters]:
    config = Config.model_validate({"collector": {"loggers": ["10.0.0.0/24"], **collector}})
    counters = Counters()
    archivist = Archivist(config, paths, counters)
    archivist.recover()
    return archivist, counters


def rows(paths: CollectorPaths, kind: Kind) -> list[dict[str, Any]]:
    return [found.values for found in TableArchive(paths.archive, "node").read(kind)]


def test_flows_and_lines_of_one_spool_are_one_commit(paths: CollectorPaths) -> None:
    translation, lease = conntrack("NEW"), dnsmasq("10.1.2.3", MAC)
    write_spool(
        paths.spool,
        1,
        record(flow_datagram([Flow()], 1)),
        *(line_record(one) for one in (translation, lease, UNREAD)),
    )
    archivist, counters = started(paths)
    consume_all(archivist, paths)
    entries = Manifest(paths.archive).entries()
    assert [(entry.kind, entry.part, entry.parts, entry.spools) for entry in entries] == [
        (kind, part, 4, (1,)) for part, kind in enumerate(("flow", "nat", "lease", "access"), 1)
    ]
    (nat,), (leased,), (unread,) = rows(paths, NAT), rows(paths, LEASE), rows(paths, ACCESS)
    assert nat["raw"] == translation.encode()
    assert (nat["source"], nat["form"], nat["event"]) == (GATEWAY, "conntrack", "create")
    assert nat["received_at"] == RECEIVED_NS // 1_000_000
    assert (nat["inside_address"], nat["outside_port"]) == ("10.1.2.3", 50_000)
    assert (leased["address"], leased["mac"]) == ("10.1.2.3", "3c22fb010203")
    assert (unread["form"], unread["service"], unread["raw"]) == ("", "unread", UNREAD.encode())
    assert counters.get("collector_lines", form="conntrack") == 1
    assert counters.get("collector_lines", form="") == 1


def break_write(monkeypatch: pytest.MonkeyPatch) -> None:
    write = TableArchive.write

    def crash(self: TableArchive, *arguments: Any) -> Any:
        write(self, *arguments)
        raise Crash

    monkeypatch.setattr(TableArchive, "write", crash)


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(break_write, id="after-the-first-segment"),
        pytest.param(lambda patch: break_append(patch, octets=0), id="before-the-manifest"),
        pytest.param(lambda patch: break_append(patch, octets=400), id="inside-the-group"),
        pytest.param(lambda patch: break_append(patch, octets=None), id="after-the-manifest"),
        pytest.param(break_unlink, id="before-the-spool-is-deleted"),
    ],
)
def test_a_crash_neither_loses_nor_doubles_a_line(
    paths: CollectorPaths, break_it: Callable[[pytest.MonkeyPatch], None]
) -> None:
    write_spool(paths.spool, 1, line_record(conntrack("NEW")))
    archivist, _ = started(paths)
    consume_all(archivist, paths)
    write_spool(
        paths.spool,
        2,
        line_record(conntrack("DESTROY"), 5),
        line_record(dnsmasq("10.1.2.3", MAC), 5),
        record(flow_datagram([Flow(src_port=7)], 1)),
    )
    with pytest.MonkeyPatch.context() as patch:
        break_it(patch)
        with pytest.raises(Crash):
            consume_all(archivist, paths)
    write_spool(paths.spool, 3, line_record(UNREAD, 9))
    consume_all(started(paths)[0], paths)
    assert [row["event"] for row in rows(paths, NAT)] == ["create", "delete"]
    assert len(rows(paths, LEASE)) == len(rows(paths, ACCESS)) == 1
    listed = {entry.path for entry in Manifest(paths.archive).entries() if entry.path}
    present = {str(path.relative_to(paths.archive)) for path in paths.archive.rglob("*.parquet")}
    assert listed == present


def gaps(paths: CollectorPaths) -> list[tuple[str, str, int, int]]:
    return [
        (gap.source, gap.reason, gap.lost, gap.to_ms - gap.from_ms)
        for entry in Manifest(paths.archive).entries()
        for gap in entry.gaps
    ]


def test_a_sender_that_fell_silent_is_a_gap_over_a_restart(paths: CollectorPaths) -> None:
    write_spool(paths.spool, 1, line_record(dnsmasq("10.1.2.3", MAC)))
    consume_all(started(paths)[0], paths)
    write_spool(paths.spool, 2, line_record(UNREAD, 601), line_record(UNREAD, 602))
    consume_all(started(paths, silent_minutes=10)[0], paths)
    assert gaps(paths) == [(f"syslog {GATEWAY} lease", "silent", 0, 601_000)]


def test_a_sender_of_neither_translations_nor_leases_may_be_silent(paths: CollectorPaths) -> None:
    write_spool(paths.spool, 1, line_record(UNREAD), line_record(UNREAD, 90_000))
    consume_all(started(paths)[0], paths)
    assert gaps(paths) == []


def test_missing_numbers_of_a_sender_are_a_gap(paths: CollectorPaths) -> None:
    numbered = '<30>1 - gw conntrack - - [meta sequenceId="{}"] [NEW] nothing'
    lines = [line_record(numbered.format(one), one) for one in (7, 8, 12, 11, 13, 1, 2)]
    write_spool(paths.spool, 1, *lines)
    consume_all(started(paths)[0], paths)
    assert [gap[:3] for gap in gaps(paths)] == [
        (f"syslog {GATEWAY}", "sequence", 3),
        (f"syslog {GATEWAY}", "restart", 0),
    ]


def test_lines_that_the_kernel_dropped_are_a_gap_of_their_own(paths: CollectorPaths) -> None:
    loss = Loss(RECEIVED_NS, RECEIVED_NS + 1_000_000_000, 77)
    write_spool(paths.spool, 1, encode_loss(Listener.SYSLOG, loss))
    consume_all(started(paths)[0], paths)
    assert gaps(paths) == [("syslog socket", "socket", 77, 1000)]
