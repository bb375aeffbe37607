"""The statement that docs/archive-format.md shows for DuckDB runs on a real segment."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from common.config import Config
from common.metrics import Counters
from tests.vectors.flows.datagrams import Flow
from tests.vectors.flows.spools import flow_datagram, record, write_spool
from traffic.archive.manifest import Manifest
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.spool import closed_files

PAGE = Path(__file__).parents[4] / "docs" / "archive-format.md"


def test_the_statement_of_the_page_finds_the_translation(tmp_path: Path) -> None:
    paths = CollectorPaths(tmp_path / "s", tmp_path / "t", tmp_path / "archive", "node")
    paths.make()
    archivist = Archivist(Config(), paths, Counters())
    archivist.recover()
    write_spool(paths.spool, 1, record(flow_datagram([Flow(src_port=7)], 0)))
    archivist.consume(closed_files(paths.spool))
    (entry,) = Manifest(paths.archive).entries()
    found = re.search(r"DuckDB:\n\n```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert found is not None
    day = entry.path.split("/")[1].removeprefix("date=")
    statement = (
        found[1]
        .replace("'archive/", f"'{paths.archive}/")
        .replace("2026-11-22", day)
        .replace("nat_src_port = 51234", "src_port = 7")
    )
    assert len(duckdb.execute(statement).fetchall()) == 1
    elsewhere = statement.replace(day, "2001-01-01")
    assert duckdb.execute(elsewhere).fetchall() == []
