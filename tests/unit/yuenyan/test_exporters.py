"""Doctor on who may send flows."""

from __future__ import annotations

from typing import Any

import pytest

from common.metrics import Counters
from tests.conftest import Site
from traffic.collectors.paths import collector_paths
from traffic.collectors.senders import EQUIPMENT, Senders
from yuenyan.checkup.site import check_exporters, check_streams


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"netflow": ("0.0.0.0:2055",), "ipfix": (), "exporters": ("any",)}, ["0.0.0.0:2055"]),
        ({"ipfix": ("[::]:4739",), "exporters": ("any",)}, ["[::]:4739"]),
        ({"ipfix": ("[::1]:4739",), "exporters": ("any",)}, []),
        ({"netflow": ("0.0.0.0:2055",), "exporters": ("10.0.0.0/8",)}, []),
        ({"netflow": ("0.0.0.0:2055",), "exporters": ()}, []),
    ],
)
def test_a_port_for_flows_that_is_open_to_anybody_is_told_with_what_to_do(
    site: Site, change: dict[str, Any], told: list[str]
) -> None:
    collector = site.config.collector.model_copy(update=change)
    config = site.config.model_copy(update={"collector": collector})
    found = list(check_exporters(config))
    assert [one.check for one in found] == ["collector.exporters"] * len(told)
    for finding, listen in zip(found, told, strict=True):
        assert listen in finding.what and "exporters = [" in finding.todo


def test_equipment_that_was_refused_today_is_told_with_what_to_do(site: Site) -> None:
    collector = site.config.collector.model_copy(update={"exporters": ()})
    config = site.config.model_copy(update={"collector": collector})
    state = collector_paths(config).state
    state.mkdir()
    (state / EQUIPMENT).write_text("[]")
    senders = Senders(config, state)
    senders.refresh()
    assert senders.exporter(bytes(10) + b"\xff\xff\x0a\x09\x00\x01") is None
    senders.note_refused()
    (finding,) = check_exporters(config)
    assert "10.9.0.1" in finding.what
    assert "yuenyan nas add" in finding.todo


def test_connections_that_found_no_place_are_told_with_what_to_do(site: Site) -> None:
    assert list(check_streams(site.config)) == []
    counters = Counters()
    path = site.config.data_dir / "metrics" / "collector.prom"
    counters.add("collector_streams_refused", 0)
    counters.write(path)
    assert list(check_streams(site.config)) == []
    counters.add("collector_streams_refused", 7)
    counters.write(path)
    (finding,) = check_streams(site.config)
    assert "7 connections" in finding.what
    assert "ipfix_connections" in finding.todo
