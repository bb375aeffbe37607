"""My devices: named, registered and taken out by their owner alone."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from db.models import Account, CoaRequest, DeviceName, NasClient, VoucherDevice
from identity.office import Office
from identity.services import people, roles, vouchers
from identity.services.devices import add_device
from tests.conftest import ADMIN, add_person
from tests.unit.captive_portal.public.conftest import HERE, MAC, Visitor
from tests.unit.captive_portal.public.own import add_session, my, sign_in, sign_in_of

PRIVATE = "da7e00000001"
PRINTER = "3c22fb999999"
THEIRS = "3c22fb0a0b0c"


@pytest.fixture
def somchai(office: Office, nas: NasClient) -> int:
    assert nas.id == 1
    mine, theirs = add_person(office, "somchai"), add_person(office, "malee")
    add_session(office, mine, "a" * 32, HERE)
    add_session(office, mine, "b" * 32, "10.5.0.9", calling_station_id=PRIVATE)
    add_session(office, theirs, "c" * 32, "10.5.0.66", calling_station_id=THEIRS)
    return mine


@pytest.fixture
def two_allowed(office: Office, somchai: int) -> int:
    with office.database.write() as session:
        roles.set_own_devices(session, office, "student", 2, "test")
    return somchai


def registered(office: Office) -> dict[str, tuple[str, int | None]]:
    with office.database.read() as session:
        rows = session.scalars(select(Account).where(Account.kind == "device")).all()
    return {row.username: (row.state, row.owner_id) for row in rows}


def test_devices_seen_are_listed_and_a_private_address_is_called_normal(
    visitor: Visitor, somchai: int
) -> None:
    text = visitor.get(my("/me/devices", sign_in(visitor))).text
    assert "3c:22:fb:01:02:03" in text and "da:7e:00:00:00:01" in text
    assert text.count('<span class="tag">private address</span>') == 1
    assert text.count('<span class="tag">this device</span>') == 1
    assert "is normal" in text and "Leave it as it is." in text
    assert "3c:22:fb:0a:0b:0c" not in text
    assert "Register a device" not in text, "the role allows none"


def test_a_name_is_kept_and_taken_back(visitor: Visitor, office: Office, somchai: int) -> None:
    here = my("/me/devices", sign_in(visitor))
    answer = visitor.fill(here, "/me/devices", do="name", mac=MAC, name="  my\tphone <b> ")
    assert "my phone &lt;b&gt;" in visitor.follow(answer).text
    visitor.fill(here, "/me/devices", do="name", mac=MAC, name="")
    with office.database.read() as session:
        assert session.scalars(select(DeviceName)).all() == []
    too_long = visitor.fill(here, "/me/devices", do="name", mac=MAC, name="x" * 41)
    assert too_long.status_code == 422 and "at most 40 characters" in too_long.text


def test_a_page_that_was_open_too_long_keeps_the_device_that_was_typed(
    visitor: Visitor, office: Office, two_allowed: int
) -> None:
    assert two_allowed
    here = my("/me/devices", sign_in(visitor))
    typed = {"address": "3C-22-FB-99-99-01", "device_name": "Printer of room 12"}
    late = visitor.fill(here, "do-add", do="add", form_token="of an earlier page", **typed)
    assert late.status_code == 400
    assert all(f'value="{one}"' in late.text for one in typed.values())
    for place in ("cross-site", "same-site"):
        forged = visitor.app.test_client(use_cookies=False).post(
            here,
            data={"do": "add", **typed},
            headers={"Sec-Fetch-Site": place},
            environ_base={"REMOTE_ADDR": HERE},
        )
        assert forged.status_code == 400
        assert not any(one in forged.text for one in typed.values())
    assert registered(office) == {}


@pytest.mark.parametrize("do", ["name", "remove"])
@pytest.mark.parametrize("mac", [THEIRS, PRINTER, "", "nonsense", "ffffffffffff"])
def test_a_device_of_somebody_else_is_neither_told_of_nor_touched(
    visitor: Visitor, office: Office, somchai: int, do: str, mac: str
) -> None:
    with office.database.write() as session:
        add_device(session, office, PRINTER, "device", "malee", "test")
    here = my("/me/devices", sign_in(visitor))
    answer = visitor.fill(here, "/me/devices", do=do, mac=mac, name="mine")
    assert answer.status_code == 404 and "not in your list" in answer.text
    assert registered(office)[PRINTER][0] == "active"
    with office.database.read() as session:
        assert session.scalars(select(DeviceName)).all() == []


def test_a_device_is_registered_up_to_the_roles_limit_and_logs_in_by_its_address(
    visitor: Visitor, office: Office, two_allowed: int
) -> None:
    here = my("/me/devices", sign_in(visitor))
    for last in ("91", "92"):
        answer = visitor.fill(
            here, "do-add", do="add", address=f"3C-22-FB-99-99-{last}", device_name="Printer"
        )
        assert answer.status_code == 303, answer.text
    page = visitor.get(here).text
    assert page.count('<span class="tag">registered</span>') == 2 and "Printer" in page
    assert "Take one out first." in page and "do-add" not in page
    assert registered(office) == {
        "3c22fb999991": ("active", two_allowed),
        "3c22fb999992": ("active", two_allowed),
    }
    answer = visitor.fill(here, "/me/devices", do="add", address="3c22fb999993")
    assert answer.status_code == 422 and "as many devices as you may" in answer.text
    assert len(registered(office)) == 2


@pytest.mark.parametrize(
    ("address", "says"),
    [
        pytest.param(PRIVATE, "private address, which the device changes", id="private"),
        pytest.param("nonsense", "This is no device address.", id="nonsense"),
        pytest.param("ff:ff:ff:ff:ff:ff", "This is no device address.", id="broadcast"),
        pytest.param(THEIRS, "cannot be registered here", id="seen-with-somebody-else"),
        pytest.param(PRINTER, "cannot be registered here", id="registered-by-somebody-else"),
    ],
)
def test_what_cannot_be_registered_is_said_beside_the_field_without_telling_whose_it_is(
    visitor: Visitor, office: Office, two_allowed: int, address: str, says: str
) -> None:
    with office.database.write() as session:
        add_device(session, office, PRINTER, "device", "malee", "test")
    here = my("/me/devices", sign_in(visitor))
    answer = visitor.fill(here, "do-add", do="add", address=address)
    assert answer.status_code == 422
    assert says in answer.text and "malee" not in answer.text
    assert 'aria-describedby="address-hint address-error"' in answer.text
    assert list(registered(office)) == [PRINTER]


def test_who_may_register_none_cannot_by_a_forged_form(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    here = my("/me/devices", sign_in(visitor))
    answer = visitor.fill(here, "/me/devices", do="add", address=PRINTER)
    assert answer.status_code == 403 and registered(office) == {}


def test_a_device_taken_out_leaves_the_network_and_its_address_is_free_again(
    visitor: Visitor, office: Office, two_allowed: int
) -> None:
    here = my("/me/devices", sign_in(visitor))
    visitor.fill(here, "do-add", do="add", address=PRINTER)
    with office.database.read() as session:
        device = people.get(session, PRINTER)
    add_session(office, device.id, "e" * 32, "10.5.0.77", calling_station_id=PRINTER)
    answer = visitor.fill(here, "/me/devices", do="remove", mac=PRINTER)
    assert "taken out" in visitor.follow(answer).text
    assert registered(office) == {f"{PRINTER}-{device.id}": ("expired", two_allowed)}
    with office.database.read() as session:
        assert session.scalars(select(CoaRequest.session_key)).all() == ["e" * 32]
    with office.database.write() as session:
        add_device(session, office, PRINTER, "device", "malee", "test")
    assert visitor.fill(here, "/me/devices", do="remove", mac=PRINTER).status_code == 404


def test_a_voucher_guest_sees_the_devices_of_the_voucher_and_registers_none(
    visitor: Visitor, office: Office, two_allowed: int
) -> None:
    with office.database.write() as session:
        _batch, codes = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=60, devices=1, issuer=ADMIN
        )
        roles.set_own_devices(session, office, "guest", 5, "test")
    s = sign_in_of(visitor.fill("/voucher?lang=en", code=codes[0]).location)
    with office.database.write() as session:
        session.add(VoucherDevice(voucher_id=1, mac=PRIVATE, first_seen_at=office.clock()))
    page = visitor.get(my("/me/devices", s)).text
    assert "da:7e:00:00:00:01" in page and "3c:22:fb:01:02:03" not in page
    assert "Register a device" not in page
    answer = visitor.fill(my("/me/devices", s), "/me/devices", do="add", address=PRINTER)
    assert answer.status_code == 403 and registered(office) == {}
