"""What no browser sends is answered with a page for it, on both kinds of database."""

from __future__ import annotations

import pytest

from captive_portal.admin import create_app
from identity.office import Office
from tests.conftest import ADMIN, ADMIN_PASSWORD
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

NUL = "%00"
TOO_LARGE = "9" * 19


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param(f"/people/?q={NUL}", 400, id="search"),
        pytest.param(f"/audit/?actor={NUL}", 400, id="actor"),
        pytest.param(f"/registrations/AB{NUL}", 400, id="reference"),
        pytest.param(f"/people/{TOO_LARGE}", 404, id="account-number"),
        pytest.param(f"/vouchers/{TOO_LARGE}/print", 404, id="batch-number"),
        pytest.param(f"/logins/?nas={TOO_LARGE}", 200, id="nas-of-logins"),
        pytest.param("/logins/?nas=%C2%B2", 200, id="a-digit-that-is-no-number"),
        pytest.param(f"/sessions/?nas={TOO_LARGE}", 200, id="nas-of-sessions"),
        pytest.param("/sessions/?address=[::", 200, id="address"),
        pytest.param("/people/?page=2&endpoint=x&_scheme=javascript&_external=1", 200, id="links"),
    ],
)
def test_addresses_nobody_types(admin: Officer, path: str, status: int) -> None:
    answer = admin.get(path)
    assert answer.status_code == status
    assert "javascript" not in answer.text.partition("<main")[2].partition("</main")[0]


@pytest.mark.parametrize(
    "time",
    [
        pytest.param("0001-01-01T00:00:00+14:00", id="before-all-time"),
        pytest.param("\u00b2\u00b2\u00b2\u00b2-01-01", id="digits-that-are-no-number"),
        pytest.param("1999-13-45", id="no-such-day"),
        pytest.param("1900-01-01 00:00", id="before-all-records"),
    ],
)
def test_times_that_cannot_be_are_refused(admin: Officer, office: Office, time: str) -> None:
    question = {"address": "10.1.2.3", "at": time, "case": "1", "reason": "r", "protocol": ""}
    answer = admin.post("/lookup/", "/lookup/", **question)
    assert answer.status_code == 422
    assert "is not a time" in answer.text or "There is no month 13" in answer.text
    reference = seed.apply(office)
    page = f"/registrations/{reference}"
    text = admin.follow(f"{page}/approve", page, role="guest", expiry="date", date=time)
    assert "Approved" not in text.partition("<main")[2].partition("</form>")[0]


def test_nul_in_a_sign_in_is_no_error_of_ours(office_on: Office) -> None:
    officer = Officer(create_app(office_on))
    assert officer.sign_in(f"{ADMIN}\0", ADMIN_PASSWORD).status_code == 400
    assert officer.sign_in(ADMIN, f"{ADMIN_PASSWORD}\0").status_code == 400
    assert officer.sign_in(ADMIN, ADMIN_PASSWORD).status_code == 302
