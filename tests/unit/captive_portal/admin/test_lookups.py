"""Asking who used an address."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from captive_portal.admin.lookups import read_time
from common.errors import UsageError
from db.models import AuditEvent
from identity.office import Office
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

ZONE = "Asia/Bangkok"


def question(office: Office) -> dict[str, str]:
    local = (office.clock() - timedelta(minutes=5)).astimezone(ZoneInfo(ZONE))
    return {
        "address": "10.20.3.41",
        "port": "",
        "protocol": "",
        "at": f"{local:%d/%m}/{local.year + 543} {local:%H:%M:%S}",
        "tolerance": "30",
        "case": "12/2569",
        "reason": "หมายศาล",
    }


@pytest.mark.parametrize(
    "text",
    [
        "22/11/2569 14:05:12",
        "22/11/2026 14:05:12",
        "22-11-2569 14.05:12",
        "๒๒/๑๑/๒๕๖๙ ๑๔:๐๕:๑๒ น.",
        "2569-11-22 14:05:12",
        "2026-11-22T14:05:12+07:00",
        "2026-11-22T07:05:12Z",
    ],
)
def test_a_time_is_read_as_letters_write_it_and_echoed_in_both_calendars(text: str) -> None:
    read = read_time(text, ZONE)
    assert read.moment.isoformat() == "2026-11-22T07:05:12+00:00"
    assert read.thai == "2569-11-22 14:05:12"
    assert read.western == "2026-11-22 14:05:12"


@pytest.mark.parametrize("text", ["yesterday", "32/13/2569 10:00", "22/11/2569"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_time(text, ZONE)


def test_the_answer_names_the_account_its_evidence_and_its_limits(
    admin: Officer, office: Office
) -> None:
    seed.add_school_day(office)
    response = admin.post("/lookup/", "/lookup/", **question(office))
    assert response.status_code == 200
    assert "One account held this address" in response.text
    assert "พิมพ์ชนก น้ำผึ้งป่า" in response.text
    assert "network_session:" in response.text
    assert "They do not prove which person" in response.text
    assert "B.E. 25" in response.text
    with office.database.read() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "lookup:run"))
    assert event.actor == "head"
    assert "หมายศาล" in event.detail


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"case": ""}, "Please fill this in."),
        ({"reason": " "}, "Please fill this in."),
        ({"address": "somewhere"}, "is not an IP address"),
        ({"at": "noon"}, "is not a time"),
        ({"port": "70000"}, "A number from 0 to 65535."),
    ],
)
def test_a_question_that_makes_no_sense_is_neither_answered_nor_recorded(
    admin: Officer, office: Office, change: dict[str, str], sentence: str
) -> None:
    response = admin.post("/lookup/", "/lookup/", **{**question(office), **change})
    assert response.status_code == 422
    assert sentence in response.text
    with office.database.read() as session:
        assert not session.scalars(
            select(AuditEvent).where(AuditEvent.action == "lookup:run")
        ).all()
