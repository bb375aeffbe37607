"""How full the disk is, and when the gate closes."""

from __future__ import annotations

from pathlib import Path

import pytest

from common import disk
from common.disk import Gate, Level, Room, room_of


@pytest.mark.parametrize(
    ("used", "level"),
    [
        (0, Level.ROOMY),
        (69, Level.ROOMY),
        (70, Level.FILLING),
        (85, Level.NEARLY),
        (94, Level.NEARLY),
        (95, Level.FULL),
        (100, Level.FULL),
    ],
)
def test_the_levels_begin_at_70_85_and_95_per_cent(used: int, level: Level) -> None:
    assert Room(used, 0).level is level


def test_what_is_still_to_be_written_makes_the_room_smaller() -> None:
    room = Room(90, 100, 1000)
    assert (room.without(40).used_percent, room.without(40).level) == (94, Level.NEARLY)
    assert room.without(60).level is Level.FULL
    assert room.without(101).free_octets == -1
    assert Room(90, 100).without(60).level is Level.NEARLY, "of a disk of unknown size"


def test_a_path_that_is_not_there_is_unknown_and_not_full(tmp_path: Path) -> None:
    assert room_of(tmp_path) is not None
    assert room_of(tmp_path / "nothing") is None
    assert not Gate(tmp_path / "nothing", "refuse-logins").is_closed()


def test_only_a_site_that_chose_so_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used = 95
    monkeypatch.setattr(disk, "room_of", lambda _path: Room(used, 1 << 30))
    gate = Gate(tmp_path, "refuse-logins")
    assert gate.is_closed() and gate.is_closed()
    assert not Gate(tmp_path, "warn").is_closed()
    used = 94
    assert not gate.is_closed()
    told = capsys.readouterr().out
    assert told.count("disk_full_logins_refused") == 1
    assert told.count("disk_has_room_logins_admitted") == 1
