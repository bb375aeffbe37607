"""Issuing, printing and revoking vouchers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from captive_portal.admin.voucher_words import in_words
from db.models import Account, AuditEvent, Voucher, VoucherGuess
from identity.domain.guessing import SITE, Guesser, Lane
from identity.office import Office
from identity.services import voucher_guard, vouchers
from tests.unit.captive_portal.admin.conftest import Officer

BATCH = {
    "name": "ค่ายภาษา", "count": "30", "minutes": "480", "devices": "2", "role": "guest",
    "validity": "from_first_use", "code_length": "10", "language": "th",
}  # fmt: skip
CODE = re.compile(r'<p class="code length-11">([0-9A-Z-]+)</p>')


def test_a_batch_is_issued_printed_and_the_printing_is_recorded(
    admin: Officer, office: Office
) -> None:
    assert "ready to be printed" in admin.follow("/vouchers/new", "/vouchers/new", **BATCH)
    page = admin.get("/vouchers/1/print").text
    codes = CODE.findall(page)
    assert len(set(codes)) == 30
    assert page.count('<section class="sheet">') == 2
    assert page.count('<div class="login"><svg') == 30
    assert "ใช้ได้ 8 ชั่วโมง นับจากใช้ครั้งแรก" in page
    style = admin.get("/vouchers/slips-24.css")
    assert style.mimetype == "text/css" and "@page { size: 210mm 297mm" in style.text
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
    assert page.count('<section class="sheet">') == 3


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
    "change",
    [
        {"count": "0"}, {"count": "2001"}, {"count": "many"}, {"role": "x"}, {"validity": "x"},
        {"quota_mb": "none"}, {"nas": "nowhere"},
    ],
)  # fmt: skip
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
    for path in ("", "/print", "/slips.pdf", "/codes.csv", "/voucher/1"):
        assert admin.get(f"/vouchers/9{path}").status_code == 404
    assert admin.post("/vouchers/9/revoke", sure="yes").status_code == 404


def test_what_goes_together_badly_is_said_in_words(admin: Officer) -> None:
    for change, says in (
        ({"validity": "fixed_window"}, "Choose the day on which the vouchers end."),
        ({"hours": "whenever"}, "Write hours like"),
        ({"code_length": "8", "digits_only": "y"}, "8 digits can be guessed"),
        ({"prefix": "MTG", "code_length": "8"}, "A prefix is for codes of 10 or 12"),
        ({"end": "yesterday"}, "Write the date like"),
        ({"minutes": ""}, "out of range"),
    ):
        page = admin.post("/vouchers/new", "/vouchers/new", **{**BATCH, **change})
        assert page.status_code == 422 and says in page.text, change


def test_all_terms_are_issued_shown_and_found_again(admin: Officer, office: Office) -> None:
    terms = {
        **BATCH, "validity": "minutes_of_use", "receiver": "ครูสมศรี", "uses": "3",
        "quota_mb": "1500", "down_kbps": "4000", "up_kbps": "1000", "idle_seconds": "300",
        "hours": "mon-fri 08:00-16:00", "ssid": "Guests", "prefix": "mtg", "language": "both",
        "end": "2599-12-31", "note": "สำรอง",
    }  # fmt: skip
    admin.follow("/vouchers/new", "/vouchers/new", **terms)
    page = admin.get("/vouchers/1").text
    for shown in ("minutes of being connected", "1,500", "4,000", "mon-fri 08:00-16:00", "Guests"):
        assert shown in page
    assert "ครูสมศรี" in page and "สำรอง" in page
    code = re.search(r"MTG-[0-9A-Z]{5}-[0-9A-Z]{5}", admin.get("/vouchers/1/print").text)
    assert code is not None and code[0] not in page
    admin.follow("/vouchers/new", "/vouchers/new", **{**BATCH, "name": "English camp"})
    for query, names in (
        ("q=ครูสมศรี", {"ค่ายภาษา"}),
        ("issuer=head", {"ค่ายภาษา", "English camp"}),
        ("issuer=nobody", set()),
        ("state=expired", set()),
        ("state=unused&q=camp", {"English camp"}),
        ("from=2599-01-01", set()),
        ("to=2020-01-01", set()),
    ):
        text = admin.get(f"/vouchers/?{query}").text
        found = {name for name in ("ค่ายภาษา", "English camp") if f">{name}</a>" in text}
        assert found == names, query
    assert "Write the date like" in admin.get("/vouchers/?from=someday").text


def test_a_sheet_is_handed_over_extended_and_exported(admin: Officer, office: Office) -> None:
    admin.follow("/vouchers/new", "/vouchers/new", **{**BATCH, "quota_mb": "10"})
    sheet = "/vouchers/1"
    page = admin.follow(f"{sheet}/receiver", sheet, receiver="ครูสมชาย ห้อง ม.3/2")
    assert "on record who has the sheet" in page and "ครูสมชาย ห้อง ม.3/2" in page
    assert "Say by what to extend" in admin.follow(f"{sheet}/extend", sheet)
    assert "An extension is" in admin.follow(f"{sheet}/extend", sheet, minutes="a lot")
    assert "30 vouchers are extended" in admin.follow(
        f"{sheet}/extend", sheet, minutes="60", megabytes="5"
    )
    with office.database.read() as session:
        row = session.get_one(Voucher, 1)
        assert (row.extra_minutes, row.extra_mb) == (60, 5)
    file = admin.get(f"{sheet}/codes.csv")
    assert file.headers["Content-Disposition"] == 'attachment; filename="vouchers-1.csv"'
    lines = file.data.decode("utf-8-sig").splitlines()
    assert lines[0] == "voucher,code,state,first_used_at,expires_at" and len(lines) == 31


def test_a_voucher_that_was_extended_says_so_on_its_slip_and_its_page(admin: Officer) -> None:
    terms = {**BATCH, "count": "2", "minutes": "120", "quota_mb": "10"}
    admin.follow("/vouchers/new", "/vouchers/new", **terms)
    one = "/vouchers/1/voucher/1"
    assert "Extended by" not in admin.get(one).text
    admin.follow("/vouchers/1/extend", one, voucher="1", minutes="60", megabytes="1500")
    page = admin.get(one).text
    assert "Extended by" in page and "1,500 MB" in page
    sheet = admin.get("/vouchers/1").text
    assert sheet.count("Extended by") == 1 and "<small>1,500 MB</small>" in sheet
    slips = re.findall(r"<article.*?</article>", admin.get("/vouchers/1/print").text, re.DOTALL)
    assert len(slips) == 2
    assert "3 ชั่วโมง นับจากใช้ครั้งแรก" in slips[0] and "1.5 GB" in slips[0]
    assert "2 ชั่วโมง นับจากใช้ครั้งแรก" in slips[1] and "10 MB" in slips[1]
    revoked = admin.follow("/vouchers/1/revoke", one, voucher="1", sure="yes")
    assert "1 vouchers are revoked" in revoked
    again = admin.follow("/vouchers/1/extend", one, voucher="1", minutes="60")
    assert "revoked ones stay revoked" in again


def test_a_sheet_comes_as_pdf(admin: Officer) -> None:
    admin.follow("/vouchers/new", "/vouchers/new", **{**BATCH, "count": "3"})
    answer = admin.get("/vouchers/1/slips.pdf?layout=58")
    assert answer.mimetype == "application/pdf" and answer.data.startswith(b"%PDF-")
    assert 'filename="vouchers-1-58.pdf"' in answer.headers["Content-Disposition"]


def test_one_voucher_gives_a_device_up_and_is_revoked(admin: Officer, office: Office) -> None:
    admin.follow("/vouchers/new", "/vouchers/new", **BATCH)
    with office.database.write() as session:
        code = vouchers.codes_of(session, office, 1)[0].code.replace("-", "")
        vouchers.redeem(session, office, code, "a2b4c6010203")
    one = "/vouchers/1/voucher/1"
    assert "a2:b4:c6:01:02:03" in admin.get(one).text
    done = admin.follow("/vouchers/1/release", one, voucher="1", mac="a2b4c6010203")
    assert "another can use it now" in done and "No device uses it" in done
    again = admin.follow("/vouchers/1/release", one, voucher="1", mac="a2b4c6010203")
    assert "This device does not use the voucher" in again
    revoked = admin.follow("/vouchers/1/revoke", one, voucher="1", sure="yes")
    assert "1 vouchers are revoked" in revoked
    with office.database.read() as session:
        assert session.get_one(Voucher, 1).state == "revoked"
        assert session.get_one(Voucher, 2).state == "unused"
    assert admin.post("/vouchers/1/revoke", one, voucher="999", sure="yes").status_code == 404
    assert "1 expired vouchers are deleted" not in admin.follow(
        "/vouchers/1/delete-expired", "/vouchers/1"
    )


def test_the_voucher_desk_hands_out_vouchers_and_sees_nothing_else(
    signed_in: Callable[[str], Officer],
) -> None:
    desk = signed_in("khupong")
    assert "ready to be printed" in desk.follow("/vouchers/new", "/vouchers/new", **BATCH)
    assert len(CODE.findall(desk.get("/vouchers/1/print").text)) == 30
    page = desk.get("/").text
    assert 'href="/vouchers/"' in page
    for path in ("/people/", "/sessions/", "/logins/", "/registrations/"):
        assert f'href="{path}"' not in page
        assert desk.get(path).status_code == 403
    refused = desk.post("/vouchers/new", "/vouchers/new", **{**BATCH, "role": "staff"})
    assert refused.status_code == 422


def test_the_first_page_warns_when_somebody_guesses_codes(admin: Officer, office: Office) -> None:
    assert "guesses voucher codes" not in admin.get("/").text
    guesser = Guesser(lane=Lane.WEAK)
    with office.database.write() as session:
        now = office.clock()
        session.add(VoucherGuess(key="site:weak", level=SITE.room * 1000, at=now, closed_at=now))
        session.add(VoucherGuess(key="device:x", level=9000, at=now, closed_at=now))
    with office.database.read() as session:
        assert not voucher_guard.standing(session, guesser, office.clock()).lets_right_codes
    page = admin.get("/").text
    assert page.count("Somebody guesses voucher codes (short codes and codes of digits)") == 1


def test_the_guest_of_a_voucher_is_called_so_in_the_language_of_the_page(
    admin: Officer, office: Office
) -> None:
    admin.follow("/vouchers/new", "/vouchers/new", **BATCH)
    with office.database.write() as session:
        (code, *_others) = (row.code for row in vouchers.codes_of(session, office, 1))
        vouchers.redeem(session, office, code.replace("-", ""), "a2b4c6010203")
        guest = session.scalars(select(Account).where(Account.username == "voucher-1")).one()
        assert guest.guest_name == "Voucher 1 (ค่ายภาษา)"
        number = guest.id
    for path in ("/people/?q=voucher-1", f"/people/{number}"):
        assert "Voucher 1 (ค่ายภาษา)" in admin.get(path).text
    for path in ("/people/?q=voucher-1&lang=th", f"/people/{number}?lang=th"):
        page = admin.get(path).text
        assert "คูปอง 1 (ค่ายภาษา)" in page and "Voucher 1" not in page
    assert in_words("Voucher hunter (me)") == "Voucher hunter (me)"
