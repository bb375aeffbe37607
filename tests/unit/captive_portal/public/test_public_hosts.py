"""Hosts who are flooded, or have something else to do before they let anybody in."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from db.models import Credential, Registration
from identity.office import Office
from tests.unit.captive_portal.public import test_public_ways as ways
from tests.unit.captive_portal.public.conftest import Visitor
from tests.unit.captive_portal.public.test_public_ways import check, only, register, sign_in

able, choose, host, phone = ways.able, ways.choose, ways.host, ways.phone


def test_a_host_refuses_everybody_on_the_list_but_nobody_who_came_later(
    able: Office, phone: Visitor, host: str
) -> None:
    register(phone, sponsor_name="somsri", username="joker1")
    register(phone, sponsor_name="somsri", username="joker2")
    page = sign_in(phone, "/guests?lang=en").location
    shown = phone.get(page).text
    check(shown)
    assert "Refuse everybody on this list" in shown
    empty = phone.fill(page, "/refuse-all", reason=" ")
    assert empty.status_code == 422
    check(empty.text)
    register(phone, sponsor_name="somsri", username="honest")
    with able.database.read() as session:
        first = session.scalars(select(Registration.id).order_by(Registration.id)).all()
    answer = phone.fill(page, "/refuse-all", reason="ไม่รู้จัก", newest=str(first[1]))
    assert answer.status_code == 303
    with able.database.read() as session:
        rows = session.scalars(select(Registration).order_by(Registration.id)).all()
    assert [row.state for row in rows] == ["rejected", "rejected", "pending"]


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("ดร.สมหญิง ใจดี", "ดร.สมหญิง ใจดี"),
        ("น.ส. J.R. Smith-Jones", "น.ส. J.R. Smith-Jones"),
        ("Reset now: https://evil.example/x ครู", "Reset … … ครู"),
        ("Open evil.example today", "Open … today"),
        ("ask boss@evil.example", "ask …"),
    ],
)
def test_no_stranger_writes_a_link_into_a_letter_of_the_office(
    able: Office, phone: Visitor, host: str, name: str, read: str
) -> None:
    register(phone, sponsor_name="somsri", full_name=name, purpose="see https://evil.example/p")
    ((_receiver, _subject, body),) = ways.sent(able)
    assert f"Name: {read}\n" in body and "evil" not in body
    assert "nobody has checked it" in body and "ยังไม่มีผู้ใดตรวจสอบ" in body


def test_whoever_still_has_the_printed_password_lets_nobody_in(
    able: Office, phone: Visitor, host: str
) -> None:
    location = register(phone, sponsor_name="somsri")
    reference = location.partition("?")[0].rpartition("/")[2]
    path = f"/guests/{reference}?lang=en"
    page = sign_in(phone, path).location
    form = phone.get(page).text
    with able.database.write() as session:
        row = session.scalars(select(Credential)).all()
        for one in row:
            one.must_change = True
    token = re.search(r'name="form_token" value="([^"]+)"', form)
    text = re.search(r'name="s" value="([^"]+)"', form)
    assert token is not None and text is not None
    fields = {"s": text[1], "form_token": token[1]}
    for path_of, more in (("agree", {"stay": "1h"}), ("refuse", {"reason": "no"})):
        answer = phone.post(f"/guests/{reference}/{path_of}", **fields, **more)
        assert answer.status_code == 303 and "/me/password" in answer.location
    assert "/me/password" in sign_in(phone, path).location
    assert "สมหญิง" not in phone.get(page).text
    assert only(able).state == "pending"
