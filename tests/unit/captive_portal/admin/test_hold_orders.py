"""Orders to keep records, entered and ended at a desk, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Flask
from sqlalchemy import select

from db.models import Hold
from identity.office import Office
from tests.unit.captive_portal.admin.conftest import Officer

FIELDS = {
    "authority": "สภ.เมืองชัยภูมิ",
    "document": "ตช 0031/99",
    "first": "1/11/2569",
    "last": "30/11/2569",
    "until": "2027-06-30",
    "reason": "คดี 12/2570",
    "approved_by": "truat",
}


def stored(office: Office) -> list[Hold]:
    with office.database.read() as session:
        return list(session.scalars(select(Hold)))


def test_an_order_is_entered_with_thai_days_and_listed(admin: Officer, office: Office) -> None:
    page = admin.follow("/holds/new", "/holds/new", **FIELDS)
    assert "ตช 0031/99" in page and "in force" in page and "everybody" in page
    (hold,) = stored(office)
    assert hold.from_at == datetime.fromisoformat("2026-11-01T00:00:00+07:00")
    assert hold.to_at == datetime.fromisoformat("2026-11-30T23:59:59.999+07:00")
    assert hold.until_at == datetime.fromisoformat("2027-06-30T23:59:59.999+07:00")
    assert (hold.created_by, hold.approved_by, hold.account_id) == ("head", "truat", None)


def test_what_the_law_does_not_know_is_refused_in_words(admin: Officer, office: Office) -> None:
    answer = admin.post("/holds/new", "/holds/new", **FIELDS | {"until": "1/12/2571"})
    assert answer.status_code == 422
    assert "two years from their entry" in answer.text
    answer = admin.post("/holds/new", "/holds/new", **FIELDS | {"approved_by": "head"})
    assert "Nobody approves the own order" in answer.text
    answer = admin.post("/holds/new", "/holds/new", **FIELDS | {"until": "someday"})
    assert answer.status_code == 422
    answer = admin.post("/holds/new", "/holds/new", **FIELDS | {"document": ""})
    assert "Please fill this in." in answer.text
    assert stored(office) == []


def test_an_order_is_ended_with_a_reason_and_once(admin: Officer, office: Office) -> None:
    admin.follow("/holds/new", "/holds/new", **FIELDS)
    number = stored(office)[0].id
    assert "Say why it ends" in admin.follow(f"/holds/{number}/end", "/holds/", reason=" ")
    assert "ended early" in admin.follow(f"/holds/{number}/end", "/holds/", reason="หนังสือ 5")
    assert stored(office)[0].ended_by == "head"
    assert "ended before" in admin.follow(f"/holds/{number}/end", "/holds/", reason="again")


def test_an_auditor_reads_the_orders_and_changes_none(
    app: Flask, signed_in: Callable[[str], Officer]
) -> None:
    auditor = signed_in("truat")
    page = auditor.client.get("/holds/?lang=th").text
    assert "คำสั่งให้เก็บข้อมูล" in page and "/holds/new" not in page
