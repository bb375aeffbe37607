"""The portal while the disk is full: nobody new, in words that say whom to tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from common import disk
from common.config import Archive
from common.disk import Room
from db.models import AuthEvent, Voucher
from identity.office import Office
from identity.services import vouchers
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import Visitor, make_app

PASSWORD = "password of theirs"


@pytest.fixture
def full(office: Office, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """A visitor of a site that refuses while its disk is full, which it is."""
    archive = Archive(disk_full="refuse-logins")
    config = office.config.model_copy(update={"archive": archive})
    monkeypatch.setattr(disk, "room_of", lambda _path: Room(97, 1 << 20))
    return Visitor(make_app(replace(office, config=config)))


def test_the_right_password_is_refused_and_recorded_as_that(full: Visitor, office: Office) -> None:
    number = add_person(office, "somchai", PASSWORD)
    answer = full.fill("/?lang=en", username="somchai", password=PASSWORD)
    assert answer.status_code == 422
    assert "no room for its records" in answer.text
    with office.database.read() as session:
        event = session.scalars(select(AuthEvent)).one()
    assert (event.outcome, event.reason, event.account_id) == ("reject", "disk_full", number)


def test_it_is_said_in_thai(full: Visitor, office: Office) -> None:
    add_person(office, "somchai", PASSWORD)
    assert "ไม่มีพื้นที่เก็บข้อมูล" in full.fill("/", username="somchai", password=PASSWORD).text


def test_a_wrong_password_learns_nothing_of_it(full: Visitor, office: Office) -> None:
    add_person(office, "somchai", PASSWORD)
    answer = full.fill("/?lang=en", username="somchai", password="wrong")
    assert "is not right" in answer.text


def test_the_clock_of_a_voucher_does_not_start(full: Visitor, office: Office) -> None:
    with office.database.write() as session:
        _batch, codes = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=60, devices=1, issuer="head"
        )
    answer = full.fill("/voucher?lang=en", code=codes[0])
    assert "no room for its records" in answer.text
    with office.database.read() as session:
        assert session.scalars(select(Voucher)).one().first_used_at is None
