"""Signing in with the code on a slip."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from db.models import AuthEvent, NasClient, OpenVisit, Voucher, VoucherBatch, VoucherDevice
from identity.domain.vouchers import Terms, Validity
from identity.office import Office
from identity.services import voucher_changes, vouchers
from tests.conftest import ADMIN
from tests.unit.captive_portal.public.conftest import LOGIN_URL, MAC, Visitor

REFUSED = "This code cannot be used"


@pytest.fixture
def code(office: Office) -> str:
    with office.database.write() as session:
        _, codes = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=60, devices=1, issuer=ADMIN
        )
    return codes[0]


def state(office: Office) -> str:
    with office.database.read() as session:
        return session.scalars(select(Voucher.state)).one()


@pytest.mark.parametrize("spelling", [str, str.lower, lambda code: code.replace("-", " ")])
def test_a_code_signs_in_however_it_is_typed(
    visitor: Visitor, office: Office, code: str, spelling: type[str]
) -> None:
    answer = visitor.fill("/voucher?lang=en", code=spelling(code))
    assert answer.status_code == 303
    page = visitor.follow(answer).text
    assert "You are signed in" in page and "Guest" in page
    assert "59 min" in page or "1 h" in page
    assert state(office) == "active"
    assert "Voucher 1 (" not in page, "what officers call it says nothing to its holder"
    with office.database.read() as session:
        sheet = session.scalars(select(VoucherBatch.name)).one()
    local = office.clock().astimezone(ZoneInfo("Asia/Bangkok"))
    named = datetime.strptime(sheet, "%Y-%m-%d %H:%M").replace(tzinfo=local.tzinfo)
    assert abs(local - named) < timedelta(minutes=2), "named by the clock on the wall"


def test_opening_the_address_of_a_slip_only_fills_the_code_in(
    visitor: Visitor, office: Office, code: str
) -> None:
    page = visitor.follow(visitor.get(f"/v?c={code}"))
    assert f'value="{code}"' in page.text
    assert state(office) == "unused"
    assert 'value="&#34;&gt;&lt;script&gt;"' in visitor.follow(visitor.get('/v?c="><script>')).text


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        pytest.param("", "Enter the code on your slip.", id="empty"),
        pytest.param("ฟหกดเ้่าสว", "Switch the keyboard to English", id="thai-keyboard"),
        pytest.param("AAAAA-BBBBB", REFUSED, id="unknown"),
        pytest.param("too short", REFUSED, id="no-code"),
    ],
)
def test_codes_that_are_refused(visitor: Visitor, typed: str, message: str) -> None:
    answer = visitor.fill("/voucher?lang=en", code=typed)
    assert answer.status_code == 422 and message in answer.text


def test_unknown_expired_and_revoked_read_the_same(
    visitor: Visitor, office: Office, code: str
) -> None:
    visitor.fill("/voucher", code=code)
    with office.database.write() as session:
        session.scalars(select(Voucher)).one().expires_at = office.clock() - timedelta(1)
    assert REFUSED in visitor.fill("/voucher?lang=en", code=code).text
    with office.database.write() as session:
        voucher_changes.revoke_batch(session, office, 1, ADMIN)
    assert REFUSED in visitor.fill("/voucher?lang=en", code=code).text


def test_a_second_device_is_told_why_it_is_refused(
    visitor: Visitor, office: Office, nas: NasClient, code: str
) -> None:
    first = visitor.get("/p/hall/?mac=3c22fb010203&lang=en").location
    assert visitor.fill(first.replace("/?", "/voucher?"), code=code).status_code == 303
    with office.database.read() as session:
        assert session.scalars(select(VoucherDevice.mac)).all() == [MAC]
    second = visitor.get("/p/hall/?mac=3c22fb010204&lang=en").location
    answer = visitor.fill(second.replace("/?", "/voucher?"), code=code)
    assert "as many devices as it allows" in answer.text


def test_guessing_is_slowed_and_no_code_is_written_down(
    visitor: Visitor, office: Office, code: str
) -> None:
    for _ in range(10):
        assert visitor.fill("/voucher?lang=en", code="AAAAA-BBBBB").status_code == 422
    answer = visitor.fill("/voucher?lang=en", code="AAAAA-BBBBB")
    assert answer.status_code == 429 and "Please wait 1 minutes" in answer.text
    assert state(office) == "unused"
    with office.database.read() as session:
        assert set(session.scalars(select(AuthEvent.user_name))) == {"voucher"}


def test_a_form_without_its_token_uses_up_nothing(
    visitor: Visitor, office: Office, code: str
) -> None:
    assert visitor.post("/voucher", code=code).status_code == 400
    assert state(office) == "unused"


def test_a_signed_in_page_does_not_let_further_devices_in(
    visitor: Visitor, office: Office, code: str, nas: NasClient
) -> None:
    first = visitor.get(f"/p/{nas.name}/?mac={MAC}").location
    answer = visitor.fill(first.replace("/?", "/voucher?"), code=code)
    assert 'name="password"' in visitor.follow(answer).text
    sign_in = answer.location.partition("s=")[2].partition("&")[0]
    second = visitor.get(f"/p/{nas.name}/?mac=3c22fb010204").location
    other = visitor.get(second.replace("/?", f"/connect?s={sign_in}&lang=en&"))
    assert other.status_code == 403
    assert 'name="password"' not in other.text
    assert "as many devices" in other.text
    again = visitor.get(first.replace("/?", f"/connect?s={sign_in}&"))
    assert again.status_code == 200
    with office.database.read() as session:
        assert list(session.scalars(select(VoucherDevice.mac))) == [MAC]


def test_wrong_codes_count_for_a_whole_ipv6_site(visitor: Visitor, code: str) -> None:
    for number in range(10):
        visitor.address = f"2001:db8::{number + 1:x}"
        assert visitor.fill("/voucher?lang=en", code="AAAAA-BBBBB").status_code == 422
    visitor.address = "2001:db8::ffff"
    assert visitor.fill("/voucher?lang=en", code="AAAAA-BBBBB").status_code == 429
    # Nobody can guess ten symbols, so whoever holds the slip gets in behind the same address.
    assert visitor.fill("/voucher?lang=en", code=code).status_code == 303
    visitor.address = "2001:db8:0:1::1"
    assert visitor.fill("/voucher?lang=en", code="AAAAA-BBBBB").status_code == 422


def test_after_wrong_short_codes_a_right_one_must_wait_as_well(
    visitor: Visitor, office: Office
) -> None:
    with office.database.write() as session:
        _, (short,) = vouchers.issue(session, office, Terms(count=1, code_length=8), ADMIN)
    for _ in range(10):
        assert visitor.fill("/voucher?lang=en", code="AAAA-BBBB").status_code == 422
    wrong = visitor.fill("/voucher?lang=en", code="AAAA-BBBB")
    right = visitor.fill("/voucher?lang=en", code=short)
    assert wrong.status_code == right.status_code == 429
    assert wrong.text.count("Too many attempts") == right.text.count("Too many attempts") == 1
    assert state(office) == "unused"


def test_what_can_be_no_code_is_no_guess(visitor: Visitor) -> None:
    for _ in range(12):
        assert visitor.fill("/voucher?lang=en", code="ABC").status_code == 422


def test_a_scanned_code_completes_the_visit_that_the_gateway_began(
    visitor: Visitor, office: Office, nas: NasClient, code: str
) -> None:
    visitor.get(f"/p/{nas.name}/?mac={MAC}")
    scanned = visitor.get(f"/v?c={code}&lang=en")
    page = visitor.follow(scanned)
    assert f'value="{code}"' in page.text and "Connect this phone" not in page.text
    answer = visitor.fill(scanned.location, code=code)
    handed = visitor.follow(answer).text
    assert 'name="password"' in handed and LOGIN_URL in handed
    with office.database.read() as session:
        assert session.scalars(select(VoucherDevice.mac)).all() == [MAC]
        assert session.scalars(select(OpenVisit)).all() == []


def test_a_scan_behind_an_address_that_two_phones_share_takes_neither_visit(
    visitor: Visitor, nas: NasClient, code: str
) -> None:
    visitor.get(f"/p/{nas.name}/?mac={MAC}")
    visitor.get(f"/p/{nas.name}/?mac=3c22fb010204")
    scanned = visitor.get(f"/v?c={code}&lang=en")
    assert "visit=" not in scanned.location
    detour = html.unescape(visitor.follow(scanned).text)
    assert f'href="http://192.0.2.1/v?c={code}"' in detour


def test_a_scan_from_another_address_finds_nobody_s_visit(
    visitor: Visitor, nas: NasClient, code: str
) -> None:
    visitor.get(f"/p/{nas.name}/?mac={MAC}")
    visitor.address = "192.0.2.8"
    assert "visit=" not in visitor.get(f"/v?c={code}").location


def test_the_way_through_the_gateway_brings_the_code_along(
    visitor: Visitor, office: Office, nas: NasClient, code: str
) -> None:
    page = visitor.follow(visitor.get(f"/v?c={code}&lang=en"))
    detour = re.search(r'href="(http://192[^"]+)"', page.text)
    assert detour is not None
    # The gateway catches that address and sends the browser here with it and the phone's MAC.
    caught = quote(html.unescape(detour[1]), safe="")
    arrived = visitor.get(f"/p/{nas.name}/?mac={MAC}&url={caught}&lang=en")
    form = visitor.follow(arrived)
    assert f'value="{code}"' in form.text
    answer = visitor.fill(arrived.location, code=code)
    assert 'name="password"' in visitor.follow(answer).text
    with office.database.read() as session:
        assert session.scalars(select(VoucherDevice.mac)).all() == [MAC]


def test_another_address_that_was_caught_brings_no_code(visitor: Visitor, nas: NasClient) -> None:
    for url in ("http://192.0.2.1.evil.example/v?c=ABCDE-FGHJK", "http://192.0.2.1/v?c=<b>"):
        answer = visitor.get(f"/p/{nas.name}/?mac={MAC}&url={quote(url, safe='')}")
        assert "/voucher" not in answer.location


def test_whoever_holds_a_code_takes_a_device_off_it_once_a_day(
    visitor: Visitor, office: Office, nas: NasClient, code: str
) -> None:
    first = visitor.get(f"/p/{nas.name}/?mac={MAC}&lang=en").location
    visitor.fill(first.replace("/?", "/voucher?"), code=code)
    second = visitor.get(f"/p/{nas.name}/?mac=3c22fb010204&lang=en").location
    full = visitor.fill(second.replace("/?", "/voucher?"), code=code)
    assert "Take another device off" in full.text

    def send(page: str, action: str) -> str:
        form = next(form for form in re.findall(r"<form.*?</form>", page, re.S) if action in form)
        target = re.search(r'action="([^"]+)"', form)
        fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
        assert target is not None
        values = {name: html.unescape(value) for name, value in fields}
        return visitor.post(html.unescape(target[1]), **values).text

    listed = send(full.text, "/voucher/devices")
    assert "0203" in listed and MAC not in listed
    assert "was taken off" in send(listed, "/voucher/devices/release")
    assert visitor.fill(second.replace("/?", "/voucher?"), code=code).status_code == 303
    full = visitor.fill(first.replace("/?", "/voucher?"), code=code)
    again = send(send(full.text, "/voucher/devices"), "/voucher/devices/release")
    assert "in the last 24 hours" in again


def test_devices_are_listed_to_nobody_without_a_right_code(visitor: Visitor, code: str) -> None:
    opened = visitor.get("/voucher?lang=en").text
    token = re.search(r'name="token" value="([^"]+)"', opened) or re.search(
        r'type="hidden" name="(?:\w+)" value="([^"]+)"', opened
    )
    assert token is not None
    name = re.search(r'type="hidden" name="(\w+)"', opened)
    assert name is not None
    fields = {name[1]: html.unescape(token[1]), "code": "AAAAA-BBBBB"}
    assert visitor.post("/voucher/devices?lang=en", **fields).status_code == 422
    assert visitor.post("/voucher/devices?lang=en", code=code).status_code == 400


def test_the_status_page_tells_what_a_voucher_has_left_for_its_whole_life(
    visitor: Visitor, office: Office
) -> None:
    with office.database.write() as session:
        terms = Terms(
            count=1, validity=Validity.MINUTES_OF_USE, minutes=300, quota_mb=500, devices=2
        )
        _, (code,) = vouchers.issue(session, office, terms, ADMIN)
    page = visitor.follow(visitor.fill("/voucher?lang=en", code=code)).text
    assert "Data of this voucher" in page and "500 MB of 500 MB left" in page
    assert "Time of this voucher" in page and "5 h of 5 h left" in page
    assert "counts anew" not in page
