"""The system's table of zones says what zoneinfo says, and the process is left as it was."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from common.clock import to_rfc3339
from common.local_time import LocalTime

MOMENTS = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 58, 7_000, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, 59, 999_000, tzinfo=UTC),  # the last second of winter in Berlin
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 0, 0, 1000, tzinfo=UTC),
    datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC),
]


@pytest.mark.parametrize("tables", [None, "/nowhere"], ids=["system", "zoneinfo"])
@pytest.mark.parametrize("zone", ["Asia/Bangkok", "Europe/Berlin", "America/St_Johns", "UTC"])
def test_moments_are_said_as_zoneinfo_says_them(
    zone: str, tables: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tables:
        monkeypatch.setenv("PYTHONTZPATH", tables)
    before = os.environ.get("TZ"), time.localtime(0).tm_gmtoff
    local = LocalTime(zone)
    local.begin()
    try:
        for moment in MOMENTS:
            assert local.of(moment).isoformat() == to_rfc3339(moment, zone)
            value = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
            assert local.text(value) == to_rfc3339(moment, zone)
    finally:
        local.end()
    assert (os.environ.get("TZ"), time.localtime(0).tm_gmtoff) == before


def test_a_time_zone_of_the_process_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    local = LocalTime("Asia/Bangkok")
    local.begin()
    assert local.of(MOMENTS[0]).utcoffset() == timedelta(hours=7)
    local.end()
    assert os.environ["TZ"] == "America/New_York"
