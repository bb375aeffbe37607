"""Halves of files that a killed process left are deleted; nothing else is."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from identity.office import Office
from traffic.keeping.keeper import Keeper
from traffic.keeping.leftovers import CERTAIN, left_over, take_away

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
HALVES = (
    "archive/flow/date=2026-11-20/hour=03/node-000001.aside",
    "archive/.archive-id.aside",
    "archive/verified.json.4711",
    "archive/manifest.index.4711",
    "archive/manifest.checkpoint.12",
    "witnesses/usb/state.json.4711",
    "witnesses/clock/00000003.aside",
    "metrics/radius-0.4711.tmp",
    "keys/.vault.key.a1b2c3_d",
    "ca/.server.key.a1b2c3_d",
    "collector/equipment.json.4711",
)
WHOLE = (
    "archive/manifest.jsonl",
    "archive/flow/date=2026-11-20/hour=03/node-000001.parquet",
    "archive/flow/date=2026-11-20/hour=03/node-000002.orphan",
    "archive/.archive-id",
    "archive/.keep.lock",
    "spool/000001.open",
    "spool/000001.spool",
    "metrics/radius-0.prom",
    "keys/server.pem",
    "yuenyan.db-wal",
    "logs/portal.json.1",
    "backup/somebody.aside",
    "archive/manifest.torn",
    "metrics/own-script.tmp",
    "archive/manifest.jsonl.20261120",  # somebody's own copy, by its day
)


def put(folder: Path, name: str, age: timedelta) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    moment = (NOW - age).timestamp()
    os.utime(path, (moment, moment))
    return path


@pytest.mark.parametrize("name", HALVES)
def test_a_half_of_a_file_goes_after_a_day(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name, CERTAIN - timedelta(minutes=1))
    assert take_away(tmp_path, NOW) == 0, "somebody may be writing it"
    assert path.exists()
    assert take_away(tmp_path, NOW + timedelta(minutes=2)) == 1
    assert not path.exists()


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_or_is_taken_up_stays(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, name, timedelta(days=400))
    assert take_away(tmp_path, NOW) == 0
    assert path.exists()


def test_links_are_neither_followed_nor_deleted(tmp_path: Path) -> None:
    elsewhere, data = tmp_path / "elsewhere", tmp_path / "var"
    data.mkdir()
    precious = put(elsewhere, "x.aside", timedelta(days=400))
    (data / "archive").mkdir()
    (data / "archive" / "folder").symlink_to(elsewhere)
    (data / "archive" / "y.aside").symlink_to(precious)
    assert list(left_over(data, NOW + timedelta(days=400))) == []


def test_each_purge_takes_them_away_and_a_rehearsal_does_not(office: Office) -> None:
    data = office.config.data_dir
    path = data / "archive" / "nat" / "node-000001.aside"
    path.parent.mkdir(parents=True)
    path.touch()
    os.utime(path, (1, 1))
    keeper = Keeper(office, synchronised=True)
    keeper.purge(dry_run=True)
    assert path.exists()
    assert keeper.purge().left_over == 1
    assert not path.exists()
