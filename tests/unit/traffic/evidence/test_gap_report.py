"""The gap report of a bundle knows every gap that a look-up of the period would have told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.engine import Database
from tests.conftest import Site
from tests.unit.traffic.lookup.test_logged import PHONE, archive_lines, with_collector
from tests.unit.traffic.lookup.test_logged import site as site
from tests.unit.traffic.lookup.test_samples import STATE
from tests.unit.traffic.lookup.test_service import SENT
from tests.unit.traffic.lookup.test_service import database as database
from tests.vectors.syslog.spools import conntrack, dnsmasq
from traffic.evidence.reports import gap_report
from traffic.lookup import let_go
from traffic.lookup.attribution import Window
from traffic.lookup.coverage import open_reader


def report(site: Site, database: Database) -> dict[str, Any]:
    window = Window(SENT - timedelta(minutes=5), SENT + timedelta(minutes=5))
    reader = open_reader(site.config)
    return gap_report(database, site.config, reader, window, datetime.now(UTC))


def test_a_period_of_which_everything_came_is_said_to_be_complete(
    site: Site, database: Database
) -> None:
    archive_lines(site, (-5, conntrack("NEW")), (5, conntrack("DESTROY")))
    assert report(site, database) == {"gaps": [], "complete": True}


def test_a_gateway_that_fell_silent_is_in_it(site: Site, database: Database) -> None:
    site = with_collector(site, silent_minutes=10)
    archive_lines(site, (-3000, dnsmasq("10.9.9.1", PHONE)), (3000, dnsmasq("10.9.9.1", PHONE)))
    told = report(site, database)
    assert "silent" in [gap["reason"] for gap in told["gaps"]] and not told["complete"]


def test_translations_that_are_listed_now_and_then_are_said_to_be(
    site: Site, database: Database
) -> None:
    archive_lines(site, (0, STATE))
    told = report(site, database)
    assert [gap["reason"] for gap in told["gaps"]] == ["sampled"] and not told["complete"]


def test_what_was_let_go_before_the_edge_of_retention_is_said(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_lines(site, (0, conntrack("NEW")))
    monkeypatch.setattr(let_go, "_has_purged", lambda *_: True)
    old = SENT - timedelta(days=800)
    reader = open_reader(site.config)
    told = gap_report(database, site.config, reader, Window(old, old), datetime.now(UTC))
    assert "let_go" in [gap["reason"] for gap in told["gaps"]]
