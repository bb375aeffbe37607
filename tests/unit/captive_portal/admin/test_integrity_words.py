"""The first page says in both languages when the proof of integrity is in danger."""

from __future__ import annotations

import pytest
from flask import Flask

from captive_portal.admin import integrity
from captive_portal.admin.integrity import integrity_warnings
from common.clock import utc_now
from common.errors import ArchiveError
from identity.office import Office
from tests.unit.captive_portal.admin.conftest import Officer
from traffic.archive.selftest import SelfTest, save_result
from traffic.integrity import GRAVE, Alarm, Trouble


@pytest.mark.parametrize("trouble", list(Trouble))
def test_every_trouble_is_said_in_both_languages(
    app: Flask, office: Office, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    alarm = Alarm(
        trouble=trouble, grave=trouble in GRAVE, hours=27, who="/mnt/usb", detail="segment-missing"
    )
    monkeypatch.setattr(integrity, "find_alarms", lambda *_arguments: [alarm])
    told = {}
    for language in ("en", "th"):
        with app.test_request_context(f"/?lang={language}"):
            ((grave, told[language]),) = integrity_warnings(office.config, utc_now())
        assert grave is alarm.grave
        assert "%(" not in told[language]
    assert told["en"].isascii()
    assert any("ก" <= letter <= "๙" for letter in told["th"])
    if "witness" in trouble and trouble is not Trouble.NO_WITNESS:
        assert "/mnt/usb" in told["th"]


def test_a_blind_self_test_is_the_first_thing_to_do(admin: Officer, office: Office) -> None:
    archive = office.config.data_dir / "archive"
    at_ms = int(utc_now().timestamp() * 1000)
    save_result(archive, SelfTest(at_ms=at_ms, ways=24, missed=("seal-dropped",)))
    page = admin.get("/").text
    assert "tampering that is not noticed any more: seal-dropped" in page
    assert '<li class="grave">' in page


def test_what_cannot_be_read_is_said_elsewhere(
    app: Flask, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ArchiveError("seals.jsonl", "line 1 is damaged")

    monkeypatch.setattr(integrity, "find_alarms", fail)
    with app.test_request_context("/"):
        assert list(integrity_warnings(office.config, utc_now())) == []
