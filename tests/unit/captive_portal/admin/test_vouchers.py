"""Issuing, printing and revoking vouchers."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from db.models import AuditEvent, Voucher
from identity.office import Office
from identity.services import vouchers
from tests.unit.captive_portal.admin.conftest import Officer

BATCH = {"name": "ค่ายภาษา", "count": "30", "minutes": "480", "devices": "2", "role": "guest"}
CODE = re.compile(r'<p class="code">([0-9A-Z-]+)</p>')


def test_a_batch_is_issued_printed_and_the_printing_is_recorded(
    admin: Officer, office: Office
) -> None:
    assert "ready to be printed" in admin.follow("/vouchers/new", "/vouchers/new", **BATCH)
    page = admin.get("/vouchers/1/print").text
    codes = CODE.findall(page)
    assert len(set(codes)) == 30
    assert page.count('<section class="page by-24">') == 2
    assert page.count("<svg") == 30
    assert "8 ชั่วโมง" in page
    assert "8 h from first use" in page
    with office.database.read() as session:
        issued = vouchers.codes_of(session, office, 1)
        printed = session.scalar(select(AuditEvent).where(AuditEvent.action == "voucher:printed"))
    assert codes == [voucher.code for voucher in issued]
    assert printed is not None
    assert printed.actor == "head"
    assert '"count": 30' in printed.detail
    assert not any(code in printed.detail for code in codes)


def test_the_large_cards_fill_a_page_with_ten(admin: Officer) -> None:
    admin.follow("/vouchers/new", "/vouchers/new", **BATCH)
    page = admin.get("/vouchers/1/print?layout=10").text
    assert page.count('<section class="page by-10">') == 3


def test_a_used_voucher_is_counted_and_not_printed_again(admin: Officer, office: Office) -> None:
    admin.follow("/vouchers/new", "/vouchers/new", **BATCH)
    code = CODE.findall(admin.get("/vouchers/1/print").text)[0]
    with office.database.write() as session:
        vouchers.redeem(session, office, code.replace("-", ""), "a2b4c6010203")
    assert code not in admin.get("/vouchers/1/print").text
    assert "<b>29</b><span>unused</span></li><li><b>1</b><span>in use</span>" in admin.get(
        "/vouchers/1"
    ).text.replace("\n", "").replace("  ", "")


def test_a_large_batch_is_printed_in_parts(admin: Officer) -> None:
    admin.follow("/vouchers/new", "/vouchers/new", **{**BATCH, "count": "250"})
    first = admin.get("/vouchers/1/print").text
    second = admin.get("/vouchers/1/print?part=2").text
    assert len(CODE.findall(first)) == 240
    assert len(CODE.findall(second)) == 10
    assert not set(CODE.findall(first)) & set(CODE.findall(second))


def test_a_missing_public_address_is_pointed_out(admin: Officer) -> None:
    admin.follow("/vouchers/new", "/vouchers/new", **BATCH)
    assert "portal.public_url is not set" in admin.get("/vouchers/1/print").text
    assert "Set portal.public_url" in admin.get("/vouchers/1").text


@pytest.mark.parametrize(
    "change", [{"count": "0"}, {"count": "2001"}, {"count": "many"}, {"minutes": ""}, {"role": "x"}]
)
def test_impossible_batches_are_refused(admin: Officer, change: dict[str, str]) -> None:
    response = admin.post("/vouchers/new", "/vouchers/new", **{**BATCH, **change})
    assert response.status_code == 422
    assert "Please correct the marked fields." in response.text


def test_revoking_needs_a_tick_and_takes_every_code(admin: Officer, office: Office) -> None:
    admin.follow("/vouchers/new", "/vouchers/new", **BATCH)
    assert "Tick the box" in admin.follow("/vouchers/1/revoke", "/vouchers/1")
    assert "30 vouchers are revoked" in admin.follow(
        "/vouchers/1/revoke", "/vouchers/1", sure="yes"
    )
    with office.database.read() as session:
        assert set(session.scalars(select(Voucher.state))) == {"revoked"}
    assert "No unused voucher is left" in admin.get("/vouchers/1/print").text


def test_an_unknown_batch_is_not_found(admin: Officer) -> None:
    for path in ("/vouchers/9", "/vouchers/9/print"):
        assert admin.get(path).status_code == 404
    assert admin.post("/vouchers/9/revoke", sure="yes").status_code == 404
