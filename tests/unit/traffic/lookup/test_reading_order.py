"""What is committed while a question is answered is in the answer, or missing aloud."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.metrics import Counters
from tests.conftest import Site
from tests.unit.yuenyan.test_at_once import NOW, words
from tests.unit.yuenyan.test_at_once import kept as kept
from tests.vectors.flows.datagrams import (
    TRANSLATED,
    Flow,
    data_set,
    encode_flow,
    template_set,
    version_9,
)
from tests.vectors.flows.spools import RECEIVED_NS, record, write_spool
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths, collector_paths
from traffic.collectors.spool import closed_files
from traffic.lookup import flows, missing, service
from traffic.lookup.coverage import find_gaps
from traffic.moments import from_micros


@pytest.fixture
def waiting(kept: Site) -> CollectorPaths:
    """A flow of the address that is received, and not in the archive yet."""
    paths = collector_paths(kept.config)
    paths.make()
    one = encode_flow(Flow(src="10.1.2.3", src_port=4242), TRANSLATED)
    datagram = version_9(template_set(256, TRANSLATED), data_set(256, [one]))
    write_spool(paths.spool, 77, record(datagram, RECEIVED_NS))
    return paths


def committing(site: Site, paths: CollectorPaths, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, and before it the commit of what waits."""

    def first_commit(*arguments: Any, **named: Any) -> Any:
        if files := closed_files(paths.spool):
            archivist = Archivist(site.config, paths, Counters())
            archivist.recover()
            archivist.consume(files)
        return call(*arguments, **named)

    return first_commit


def test_flows_that_are_committed_while_they_are_asked_for_do_not_vanish(
    kept: Site, waiting: CollectorPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = words(kept)[2:]
    monkeypatch.setattr(flows, "find_gaps", committing(kept, waiting, find_gaps))
    between = json.loads(kept.yuenyan(*asked).stdout)
    assert 4242 not in [one["src_port"] for one in between["flows"]]
    assert between["pending_until"] is not None
    after = json.loads(kept.yuenyan(*asked).stdout)
    assert 4242 in [one["src_port"] for one in after["flows"]]
    assert after["pending_until"] is None


def test_what_is_committed_during_a_look_up_is_said_to_be_missing_from_it(
    kept: Site, waiting: CollectorPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "utc_now", lambda: NOW)
    monkeypatch.setattr(service, "find_gaps", committing(kept, waiting, find_gaps))
    begin = words(kept)[words(kept).index("--from") + 1]
    purpose = ("--case", "1", "--reason", "r", "--json")
    found = kept.yuenyan(
        *("lookup", "--address", "203.0.113.5", "--at", begin, "--tolerance-seconds", "7200"),
        *purpose,
    )
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["pending_until"] is not None


def test_a_spool_file_that_is_closed_while_it_is_looked_for_waits_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datagram = version_9(template_set(256, TRANSLATED))
    write_spool(tmp_path, 7, record(datagram, RECEIVED_NS))
    (tmp_path / f"{7:012d}.spool").rename(tmp_path / f"{7:012d}.open")

    def listed(_folder: str) -> list[str]:
        left = tmp_path / f"{7:012d}.open"
        left.rename(left.with_suffix(".spool"))
        return [left.name]

    monkeypatch.setattr("os.listdir", listed)
    assert missing.waiting_since(str(tmp_path)) == from_micros(RECEIVED_NS // 1000)
