"""The pages of roles, and what is kept of passwords by role and by account."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from db.models import Account, AuditEvent, CoaRequest, Credential, Role
from identity.office import Office
from identity.services import roles
from tests.conftest import add_person
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

FULL = {
    "name": "laboratory", "vlan": "30", "egress_vlans": "20, untagged 40", "down_kbps": "8000",
    "up_kbps": "2000", "session_seconds": "7200", "idle_seconds": "900", "simultaneous": "2",
    "quota_mb_day": "500", "quota_minutes_week": "600", "hours": "mon-fri 07:30-17:00",
    "filter_id": "web", "vendor_role": "lab", "recoverable": "nt-hash", "live": "nothing",
}  # fmt: skip


def stored(office: Office, name: str) -> Role:
    with office.database.read() as session:
        return roles.get(session, name)


def test_a_role_is_made_with_everything_it_grants_and_shown_again(
    admin: Officer, office: Office
) -> None:
    text = admin.follow("/roles/new", "/roles/new", **FULL)
    assert "The role laboratory is stored." in text
    role = stored(office, "laboratory")
    for field, value in FULL.items():
        if field != "live":
            assert str(getattr(role, field)) == value, field
    page = admin.get(f"/roles/{role.id}").text
    for value in ("20, untagged 40", "8000", "mon-fri 07:30-17:00", "web", "lab"):
        assert f'value="{value}"' in page, value
    assert re.search(r'<option selected value="nt-hash"', page)


def test_an_emptied_field_lifts_the_limit_and_the_name_stays(
    admin: Officer, office: Office
) -> None:
    admin.follow("/roles/new", "/roles/new", **FULL)
    number = stored(office, "laboratory").id
    kept = {"name": "other", "vlan": "31", "recoverable": "none", "live": "change"}
    admin.follow(f"/roles/{number}", f"/roles/{number}", **kept)
    role = stored(office, "laboratory")
    assert (role.vlan, role.down_kbps, role.hours, role.filter_id) == (31, None, None, None)
    assert role.recoverable == "none"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"vlan": "5000"}, "A number from 1 to 4094."),
        ({"vlan": "many"}, "Please correct the marked fields."),
        ({"egress_vlans": "voice"}, "is no VLAN"),
        ({"hours": "whenever"}, "Write hours like"),
        ({"name": "staff"}, "There is a role staff already."),
        ({"name": " "}, "Please fill this in."),
        ({"filter_id": "ก" * 80}, "at most 200 octets"),
    ],
)
def test_a_role_that_cannot_be_is_explained_and_nothing_is_stored(
    admin: Officer, office: Office, change: dict[str, str], sentence: str
) -> None:
    answer = admin.post("/roles/new", "/roles/new", **(FULL | change))
    assert answer.status_code == 422
    assert sentence in answer.text
    with office.database.read() as session:
        assert session.scalar(select(Role).where(Role.name == "laboratory")) is None


def test_live_connections_follow_as_the_form_says(admin: Officer, office: Office) -> None:
    seed.add_school_day(office)  # open sessions of students on a MikroTik
    role = stored(office, "student")
    path = f"/roles/{role.id}"
    fields = {"name": "student", "recoverable": "none", "simultaneous": "2", "down_kbps": "4000"}
    text = admin.follow(path, path, **fields, live="change")
    found = re.search(r"Connections told of the change: (\d+)\.", text)
    assert found is not None
    with office.database.read() as session:
        queued = session.scalars(select(CoaRequest).where(CoaRequest.kind == "coa")).all()
    assert len(queued) == int(found[1]) > 0
    assert {one.actor for one in queued} == {"head"}
    text = admin.follow(path, path, **(fields | {"vlan": "30"}), live="disconnect")
    assert f"Connections being ended: {found[1]}." in text


def test_what_is_kept_of_one_password_is_chosen_with_its_price(
    admin: Officer, office: Office
) -> None:
    account_id = add_person(office, "somchai")
    page = admin.get(f"/people/{account_id}").text
    assert "Its price: whoever gets hold of the database" in page
    assert '<option value="role" selected>' in page
    path, form = f"/people/{account_id}/recoverable", f"/people/{account_id}"
    assert "Chosen for somchai." in admin.follow(path, form, recoverable="nt-hash")
    with office.database.read() as session:
        assert session.get_one(Credential, account_id).recoverable_choice == "nt-hash"
        noted = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "account:recoverable_chosen")
        ).one()
    assert (noted.actor, noted.target) == ("head", "somchai")
    admin.follow(path, form, recoverable="role")
    with office.database.read() as session:
        assert session.get_one(Credential, account_id).recoverable_choice is None
    assert admin.post(path, form, recoverable="everything").status_code == 400
    thai = admin.get(f"/people/{account_id}?lang=th").text
    assert "สิ่งที่เก็บจากรหัสผ่าน" in thai


def test_a_device_has_no_password_to_choose_about(admin: Officer, office: Office) -> None:
    add_person(office, "somchai")
    with office.database.write() as session:
        owner = session.scalars(select(Account).where(Account.username == "somchai")).one()
        role = roles.get(session, "device")
        device = Account(
            username="3c22fb010203", kind="device", owner_id=owner.id, role_id=role.id,
            created_at=office.clock(),
        )  # fmt: skip
        session.add(device)
        session.flush()
        number = device.id
    assert 'name="recoverable"' not in admin.get(f"/people/{number}").text
    text = admin.follow(f"/people/{number}/recoverable", f"/people/{number}", recoverable="none")
    assert "has no password." in text
