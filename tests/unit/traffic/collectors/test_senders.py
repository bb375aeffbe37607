"""Who may send flows: named, registered, or said to be anybody."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from common.clock import unix_milliseconds
from common.config import Config
from common.errors import BackendUnavailable
from common.metrics import Counters
from db.engine import Database
from identity.office import Office
from identity.services import nas
from traffic.collectors.intake import Intake
from traffic.collectors.senders import EQUIPMENT, EquipmentNote, Senders, read_refused


def packed(text: str) -> bytes:
    address = ip_address(text)
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def senders(state: Path | None, *named: str) -> Senders:
    return Senders(Config.model_validate({"collector": {"exporters": named}}), state)


def heard(one: Senders, *addresses: str) -> list[str]:
    one.refresh()
    return [text for text in addresses if one.exporter(packed(text)) == text]


def register(office: Office, name: str, prefix: str) -> None:
    with office.database.write() as session:
        nas.add_nas(session, office, name, prefix, "a long shared secret", "head")


ALL = ("127.0.0.1", "::1", "10.1.0.9", "10.2.0.1", "2001:db8::7")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param((), ["127.0.0.1", "::1", "10.1.0.9"], id="registered"),
        pytest.param(("10.2.0.0/16", "2001:db8::/32"), ["10.2.0.1", "2001:db8::7"], id="named"),
        pytest.param(("any",), list(ALL), id="anybody"),
    ],
)
def test_registered_equipment_sends_flows_unless_other_is_named(
    tmp_path: Path, named: tuple[str, ...], expected: list[str]
) -> None:
    (tmp_path / EQUIPMENT).write_text('["10.1.0.0/24"]')
    assert heard(senders(tmp_path, *named), *ALL) == expected


def test_nothing_is_lost_before_it_is_known_what_equipment_there_is(tmp_path: Path) -> None:
    one = senders(tmp_path)
    assert heard(one, *ALL) == list(ALL)
    (tmp_path / EQUIPMENT).write_text("[]")
    assert heard(one, *ALL) == ["127.0.0.1", "::1"]


def test_equipment_that_is_registered_later_is_heard_without_a_restart(
    tmp_path: Path, office: Office
) -> None:
    note, one = EquipmentNote(tmp_path), senders(tmp_path)
    register(office, "first", "10.1.0.0/24")
    note.write(office.database)
    assert heard(one, *ALL) == ["127.0.0.1", "::1", "10.1.0.9"]
    register(office, "second", "10.2.0.1")
    note.write(office.database)
    assert heard(one, *ALL) == ["127.0.0.1", "::1", "10.1.0.9", "10.2.0.1"]
    with office.database.write() as session:
        nas.remove_nas(session, office, "first", "head")
    note.write(office.database)
    assert heard(one, *ALL) == ["127.0.0.1", "::1", "10.2.0.1"]


def test_the_note_is_written_only_when_it_says_something_else(
    tmp_path: Path, office: Office
) -> None:
    note = EquipmentNote(tmp_path)
    note.write(office.database)
    os.utime(tmp_path / EQUIPMENT, (1, 1))
    note.write(office.database)
    assert (tmp_path / EQUIPMENT).stat().st_mtime == 1


def test_a_database_that_is_away_leaves_the_note_as_it_was(tmp_path: Path) -> None:
    (tmp_path / EQUIPMENT).write_text('["10.1.0.0/24"]')
    with pytest.raises(BackendUnavailable):
        EquipmentNote(tmp_path).write(Database("sqlite:////nowhere/at/all.db"))
    assert heard(senders(tmp_path), *ALL) == ["127.0.0.1", "::1", "10.1.0.9"]


@pytest.mark.parametrize("text", ["", "{", "7", '["10.1.0.0/24", 5, "x"]'])
def test_a_damaged_note_changes_nothing(tmp_path: Path, text: str) -> None:
    one = senders(tmp_path)
    (tmp_path / EQUIPMENT).write_text('["10.1.0.0/24"]')
    assert "10.1.0.9" in heard(one, *ALL)
    (tmp_path / EQUIPMENT).write_text(text)
    assert heard(one, *ALL) == ["127.0.0.1", "::1", "10.1.0.9"]


def test_strangers_are_told_and_a_flood_of_them_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / EQUIPMENT).write_text("[]")
    one = senders(tmp_path)
    flood = [f"10.9.{number // 250}.{number % 250}" for number in range(500)]
    assert heard(one, *flood) == []
    one.note_refused()
    assert len(read_refused(tmp_path, 0)) == 100
    assert "10.9.1.249" in read_refused(tmp_path, 0)
    assert read_refused(tmp_path, unix_milliseconds() + 1_000) == []


def test_made_up_addresses_do_not_hide_a_router_that_sends(tmp_path: Path) -> None:
    (tmp_path / EQUIPMENT).write_text("[]")
    one = senders(tmp_path)
    assert heard(one, *(f"10.9.0.{number}" for number in range(200)), "192.0.2.9") == []
    one.note_refused()
    assert "192.0.2.9" in read_refused(tmp_path, 0)


@pytest.mark.parametrize(
    ("collector", "allowed"),
    [
        pytest.param({"exporters": ["any"]}, False, id="flows of anybody"),
        pytest.param({"exporters": ["any", "10.1.0.0/16"]}, True, id="and a prefix"),
        pytest.param({}, False, id="nobody"),
    ],
)
def test_whoever_takes_flows_of_anybody_takes_no_log_lines_of_anybody(
    collector: dict[str, Any], allowed: bool
) -> None:
    intake = Intake(Config.model_validate({"collector": collector}), Counters())
    assert intake.may_send(packed("10.1.0.9")) is allowed
    assert intake.may_send(packed("127.0.0.1")) is (not allowed)
