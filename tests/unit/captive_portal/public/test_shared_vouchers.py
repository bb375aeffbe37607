"""A code that several people hold: each is shown their own device, and ends no other."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from captive_portal.public.own import sessions as page
from db.models import AuditEvent, CoaRequest, DeviceName, NasClient, Voucher, VoucherDevice
from identity.office import Office
from identity.services import vouchers
from tests.conftest import ADMIN
from tests.unit.captive_portal.public.conftest import HERE, Visitor
from tests.unit.captive_portal.public.own import add_session, my, sign_in_of

THEIR_ADDRESS, THEIR_MAC, THEIRS = "10.5.0.66", "3c22fb0a0b0c", "c" * 32
MY_MAC, MINE, MINE_BEFORE = "3c22fb010203", "a" * 32, "b" * 32
READABLE = "3c:22:fb:0a:0b:0c"


def holders(office: Office, visitor: Visitor, devices: int) -> tuple[str, str]:
    """A code that two devices are online with; the code and the sign-in of the one here."""
    with office.database.write() as session:
        _batch, (code,) = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=60, devices=devices, issuer=ADMIN
        )
    s = sign_in_of(visitor.fill("/voucher?lang=en", code=code).location)
    with office.database.read() as session:
        account_id = session.scalars(select(Voucher.account_id)).one()
    add_session(office, account_id, MINE, HERE, calling_station_id=MY_MAC)
    add_session(office, account_id, THEIRS, THEIR_ADDRESS, calling_station_id=THEIR_MAC)
    add_session(
        office, account_id, MINE_BEFORE, "10.5.0.9", calling_station_id=MY_MAC,
        stop_seen=1, stop_at=office.clock() - timedelta(minutes=2), terminate_cause=4,
    )  # fmt: skip
    return code, s


@pytest.fixture
def shared(office: Office, visitor: Visitor, nas: NasClient) -> tuple[str, str]:
    assert nas.id == 1
    return holders(office, visitor, devices=30)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "WAIT_SECONDS", 0.0)


def requests_to_end(office: Office) -> list[str]:
    with office.database.read() as session:
        return list(session.scalars(select(CoaRequest.session_key)))


@pytest.mark.parametrize("path", ["/me/sessions", "/me/devices", "/status"])
def test_a_holder_sees_the_own_device_and_nobody_elses(
    visitor: Visitor, shared: tuple[str, str], path: str
) -> None:
    text = visitor.get(my(path, shared[1])).text
    assert "3c:22:fb:01:02:03" in text and "Only the device you are holding" in text
    assert READABLE not in text and THEIR_ADDRESS not in text and THEIRS not in text


def test_the_own_earlier_connections_are_listed_too(
    visitor: Visitor, shared: tuple[str, str]
) -> None:
    assert "10.5.0.9" in visitor.get(my("/me/sessions", shared[1])).text


@pytest.mark.parametrize("path", ["/me/sessions", "/me/devices", "/status"])
def test_a_redirect_with_somebody_elses_device_shows_nothing_of_it(
    visitor: Visitor, shared: tuple[str, str], path: str
) -> None:
    """Whoever types the address of a redirect chooses the device in it."""
    visitor.address = "192.0.2.99"
    arrived = visitor.get(f"/p/hall/?mac={READABLE}&ip={THEIR_ADDRESS}").location
    visit = re.search(r"visit=([^&]+)", arrived)
    assert visit is not None
    text = visitor.get(f"{my(path, shared[1])}&visit={visit[1]}").text
    assert THEIR_ADDRESS not in text and THEIRS not in text and ">this device<" not in text
    assert f'value="{THEIR_MAC}"' not in text


def test_a_holder_ends_the_own_connection_and_no_others(
    visitor: Visitor, office: Office, shared: tuple[str, str]
) -> None:
    here = my("/me/sessions", shared[1])
    assert visitor.fill(here, "/me/sessions", session=THEIRS).status_code == 404
    assert requests_to_end(office) == []
    assert visitor.fill(here, "/me/sessions", session=MINE).status_code == 303
    assert requests_to_end(office) == [MINE]


def test_a_holder_names_no_device_of_another(
    visitor: Visitor, office: Office, shared: tuple[str, str]
) -> None:
    here = my("/me/devices", shared[1])
    answer = visitor.fill(here, 'value="name"', mac=THEIR_MAC, name="mine now")
    assert answer.status_code == 404
    assert visitor.fill(here, 'value="name"', mac=MY_MAC, name="phone").status_code == 303
    with office.database.read() as session:
        assert session.scalars(select(DeviceName.mac)).all() == [MY_MAC]


def test_no_holder_gets_a_copy_but_each_may_ask(
    visitor: Visitor, office: Office, shared: tuple[str, str]
) -> None:
    code, s = shared
    here = my("/me/data", s)
    text = visitor.get(here).text
    assert "shown to none of them" in text and "Connections: when" not in text
    assert "Download my data" not in text
    token = re.search(r'name="form_token" value="([^"]+)"', text)
    assert token is not None
    fields = {"form_token": html.unescape(token[1]), "do": "copy", "copy_password": code}
    answer = visitor.post(here, **fields, form="json")
    assert answer.status_code == 403 and THEIR_MAC not in answer.text
    asked = visitor.fill(
        here, "/me/data", do="ask", right="copy", scope="My part.", ask_password=code
    )
    assert asked.status_code == 303
    assert "Your request has number" in visitor.follow(asked).text
    assert "Your requests" not in visitor.get(here).text
    with office.database.read() as session:
        actions = session.scalars(select(AuditEvent.action)).all()
    assert "subject:exported" not in actions


def test_the_one_holder_of_a_code_for_one_device_sees_it_all(
    visitor: Visitor, office: Office, nas: NasClient
) -> None:
    assert nas.id == 1
    _code, s = holders(office, visitor, devices=1)
    assert THEIR_ADDRESS in visitor.get(my("/me/sessions", s)).text


def test_a_code_that_went_on_to_another_device_tells_nothing_of_the_first(
    visitor: Visitor, office: Office, nas: NasClient
) -> None:
    assert nas.id == 1
    _code, s = holders(office, visitor, devices=1)
    now = office.clock()
    with office.database.write() as session:
        voucher = session.scalars(select(Voucher.id)).one()
        session.add_all(
            [
                VoucherDevice(
                    voucher_id=voucher, mac=THEIR_MAC, first_seen_at=now, released_at=now
                ),
                VoucherDevice(voucher_id=voucher, mac=MY_MAC, first_seen_at=now),
            ]
        )
    assert THEIR_ADDRESS not in visitor.get(my("/me/sessions", s)).text


def test_a_full_code_for_several_devices_lists_none_and_lets_none_be_taken_off(
    visitor: Visitor, office: Office, nas: NasClient
) -> None:
    with office.database.write() as session:
        _batch, (code,) = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=60, devices=2, issuer=ADMIN
        )
    for end in ("01", "02"):
        with office.database.write() as session:
            vouchers.redeem(session, office, code.replace("-", ""), f"3c22fb0000{end}")
    arrived = visitor.get(f"/p/{nas.name}/?mac=3c22fb000003&ip={HERE}&lang=en").location
    full = visitor.fill(arrived.replace("/?", "/voucher?lang=en&"), code=code)
    assert "as many devices as it allows" in full.text
    assert "/voucher/devices" not in full.text
    token = re.search(r'name="form_token" value="([^"]+)"', full.text)
    assert token is not None
    for path in ("/voucher/devices?lang=en", "/voucher/devices/release?lang=en"):
        answer = visitor.post(path, form_token=html.unescape(token[1]), code=code)
        assert answer.status_code == 403 and "Ask whoever gave it to you" in answer.text
        assert "0001" not in answer.text and "0002" not in answer.text
