"""Signing in with the code on a slip."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.models import AuthEvent, NasClient, Voucher, VoucherDevice
from identity.office import Office
from identity.services import vouchers
from tests.conftest import ADMIN
from tests.unit.captive_portal.public.conftest import MAC, Visitor

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
        vouchers.revoke_batch(session, office, 1, ADMIN)
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
    answer = visitor.fill("/voucher?lang=en", code=code)
    assert answer.status_code == 429 and "Please wait 10 minutes" in answer.text
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
    assert visitor.fill("/voucher?lang=en", code=code).status_code == 429
    visitor.address = "2001:db8:0:1::1"
    assert visitor.fill("/voucher?lang=en", code=code).status_code == 303
