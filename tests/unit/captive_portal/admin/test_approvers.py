"""What an approver may grant: roles, and applicants of which organisation."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from common.errors import Refused, UsageError
from db.models import Account, AuditEvent
from identity.domain.levels import Level
from identity.office import Office
from identity.services import approval, people, registrations, roles, vouchers
from tests.conftest import ADMIN, Site, add_person
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

SignIn = Callable[[str], Officer]


@pytest.fixture
def schools(office: Office, app: Flask) -> dict[str, int]:
    """Two schools; the approver `kruya` of `app` belongs to the first."""
    with office.database.write() as session:
        found = {
            code: roles.add_organisation(session, office, code, code, "test")
            for code in ("KRT1", "KRT2")
        }
        session.flush()
        people.get(session, "kruya").organisation_id = found["KRT1"].id
        return {code: one.id for code, one in found.items()}


def apply(office: Office, username: str, organisation_id: int | None = None) -> str:
    reference = seed.apply(office, username)
    with office.database.write() as session:
        found = registrations.find(session, reference)
        assert found is not None
        found.organisation_id = organisation_id
    return reference


def account(office: Office, username: str) -> Account | None:
    with office.database.read() as session:
        return people.find(session, username)


def approve(officer: Officer, reference: str, role: str) -> str:
    return officer.follow(
        f"/registrations/{reference}/approve", "/registrations/", role=role, expiry="7"
    )


def test_an_approver_lets_guests_in_and_nobody_else(office: Office, signed_in: SignIn) -> None:
    reference = seed.apply(office)
    approver = signed_in("kruya")
    page = approver.get(f"/registrations/{reference}").text
    assert '<option value="guest" selected>' in page
    assert 'value="staff"' not in page
    approve(approver, reference, "staff")
    assert account(office, "wirat.k") is None
    assert "Approved" in approve(approver, reference, "guest")
    found = account(office, "wirat.k")
    assert found is not None and found.kind == "guest"


def test_an_administrator_lets_everybody_in(office: Office, admin: Officer) -> None:
    reference = seed.apply(office)
    assert 'value="staff"' in admin.get(f"/registrations/{reference}").text
    approve(admin, reference, "staff")
    found = account(office, "wirat.k")
    assert found is not None and found.kind == "person"


def test_a_role_that_an_administrator_allows_can_be_granted(
    office: Office, signed_in: SignIn
) -> None:
    reference = seed.apply(office)
    admin = signed_in(ADMIN)
    with office.database.read() as session:
        number = people.get(session, "kruya").id
    page = admin.get(f"/people/{number}").text
    assert "Roles this approver may grant" in page
    text = admin.follow(
        f"/people/{number}/scope", f"/people/{number}", role=["guest", "student"], where="own"
    )
    assert "Chosen for kruya." in text
    approve(signed_in("kruya"), reference, "student")
    found = account(office, "wirat.k")
    assert found is not None and found.role.name == "student"
    with office.database.read() as session:
        noted = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "account:approver_scope")
        ).one()
    assert (noted.actor, noted.target) == ("head", "kruya")
    assert "guest, student" in noted.detail


def test_the_rule_is_the_service_s_not_the_page_s(office: Office, schools: dict[str, int]) -> None:
    here, there = apply(office, "suda", schools["KRT1"]), apply(office, "ananda", schools["KRT2"])
    with office.database.write() as session, pytest.raises(Refused, match="may not grant"):
        registrations.approve(session, office, here, "kruya", role="staff")
    elsewhere = pytest.raises(Refused, match="another organisation")
    with office.database.write() as session, elsewhere:
        registrations.approve(session, office, there, "kruya")
    with office.database.write() as session, elsewhere:
        registrations.reject(session, office, there, "kruya", "no")
    assert account(office, "ananda") is None


def test_an_approver_sees_and_decides_the_own_school_s_applicants(
    office: Office, schools: dict[str, int], signed_in: SignIn
) -> None:
    mine = apply(office, "suda", schools["KRT1"])
    unknown = apply(office, "wirat.k", None)
    theirs = apply(office, "ananda", schools["KRT2"])
    approver = signed_in("kruya")
    page = approver.get("/registrations/").text
    assert mine in page and unknown in page
    assert theirs not in page
    assert '<span class="count">2</span>' in page
    assert approver.get(f"/registrations/{theirs}").status_code == 404
    assert "There is no such registration." in approver.follow(
        "/registrations/approve", "/registrations/", reference=[theirs], role="guest", expiry="1"
    )
    approve(approver, mine, "guest")
    found = account(office, "suda")
    assert found is not None and found.organisation_id == schools["KRT1"]
    assert account(office, "ananda") is None

    admin = signed_in(ADMIN)
    assert theirs in admin.get("/registrations/").text
    approve(admin, theirs, "guest")
    found = account(office, "ananda")
    assert found is not None and found.organisation_id == schools["KRT2"]


def test_an_approver_for_all_schools_decides_for_all(
    office: Office, schools: dict[str, int], signed_in: SignIn
) -> None:
    theirs = apply(office, "ananda", schools["KRT2"])
    with office.database.write() as session:
        approval.set_scope(session, office, "kruya", ["guest"], True, "head")
    assert theirs in signed_in("kruya").get("/registrations/").text
    with office.database.write() as session:
        approval.reset_scope(session, office, "kruya", "head")
    assert theirs not in signed_in("kruya").get("/registrations/").text


def test_vouchers_are_held_to_the_same_roles(office: Office, signed_in: SignIn) -> None:
    approver = signed_in("kruya")
    assert 'value="staff"' not in approver.get("/vouchers/new").text
    with office.database.write() as session, pytest.raises(Refused, match="may not grant"):
        vouchers.create_batch(
            session, office, count=1, role="staff", minutes=60, devices=1, issuer="kruya"
        )


def issue(office: Office, issuer: str, role: str = "guest") -> tuple[int, list[str]]:
    with office.database.write() as session:
        batch, codes = vouchers.create_batch(
            session, office, count=3, role=role, minutes=60, devices=1, issuer=issuer, name="ค่าย"
        )
        return batch.id, list(codes)


def is_kept_from(officer: Officer, office: Office, number: int, codes: list[str], why: str) -> None:
    """Whether the officer is offered none of it, and is told `why` when asking anyway."""
    page = officer.get(f"/vouchers/{number}").text
    assert f"/vouchers/{number}/print" not in page
    assert f"/vouchers/{number}/revoke" not in page
    sheet = officer.get(f"/vouchers/{number}/print", follow_redirects=True).text
    assert not any(code in sheet for code in codes)
    assert why in sheet
    told = officer.follow(f"/vouchers/{number}/revoke", "/vouchers/new", sure="yes")
    assert why in told
    with office.database.read() as session:
        assert {one.state for one in vouchers.codes_of(session, office, number)} == {"unused"}
        printed = select(AuditEvent).where(
            AuditEvent.action.in_(("voucher:printed", "voucher:revoked"))
        )
        assert session.scalars(printed).all() == []


def is_left_to(officer: Officer, number: int, codes: list[str]) -> None:
    """Whether the officer prints and revokes them, and is offered both."""
    page = officer.get(f"/vouchers/{number}").text
    assert f"/vouchers/{number}/print" in page
    assert all(code in officer.get(f"/vouchers/{number}/print").text for code in codes)
    assert "3 vouchers are revoked" in officer.follow(
        f"/vouchers/{number}/revoke", f"/vouchers/{number}", sure="yes"
    )


def test_an_approver_gets_no_role_from_somebody_else_s_sheet(
    office: Office, signed_in: SignIn
) -> None:
    number, codes = issue(office, ADMIN, "staff")
    why = "You may not grant the role"
    is_kept_from(signed_in("kruya"), office, number, codes, why)
    is_left_to(signed_in(ADMIN), number, codes)


def test_an_approver_s_sheets_are_those_of_the_own_organisation(
    office: Office, schools: dict[str, int], signed_in: SignIn
) -> None:
    new = people.NewUser(username="khruthai", password_hash="$argon2id$", levels=(Level.APPROVER,))
    with office.database.write() as session:
        people.add_user(session, office, new, "test").organisation_id = schools["KRT2"]
    approver = signed_in("kruya")
    for issuer in ("khruthai", ADMIN):
        number, _codes = issue(office, issuer)
        for path in (f"/vouchers/{number}", f"/vouchers/{number}/print"):
            assert approver.get(path).status_code == 404
        revoking = approver.post(f"/vouchers/{number}/revoke", "/vouchers/new", sure="yes")
        assert revoking.status_code == 404
    with office.database.write() as session:
        people.get(session, "khruthai").organisation_id = schools["KRT1"]
    is_left_to(approver, *issue(office, "khruthai"))
    is_left_to(approver, *issue(office, "kruya"))
    number, codes = issue(office, ADMIN)
    with office.database.write() as session:
        approval.set_scope(session, office, "kruya", ["guest"], True, "head")
    is_left_to(approver, number, codes)


def test_only_an_approver_s_grants_are_chosen(office: Office, schools: dict[str, int]) -> None:
    with office.database.write() as session:
        with pytest.raises(Refused, match="is no approver"):
            approval.set_scope(session, office, ADMIN, ["guest"], True, "head")
        with pytest.raises(UsageError):
            approval.set_scope(session, office, "kruya", ["device"], True, "head")


def test_the_command_says_and_sets_what_an_approver_may_grant(site: Site, office: Office) -> None:
    seed.add_officers(office)
    shown = site.yuenyan("user", "approver", "kruya")
    assert shown.stdout == "kruya may grant: guest (everywhere)\n"
    done = site.yuenyan("user", "approver", "kruya", "--role", "guest", "--role", "student")
    assert done.stdout == "kruya may grant: guest, student (everywhere)\n"
    assert site.yuenyan("user", "approver", "kruya", "--default").stdout == shown.stdout
    assert site.yuenyan("user", "approver", "kruya", "--role", "emperor").exit_code == 1


def test_an_approver_without_an_organisation_is_not_given_everywhere_unasked(
    site: Site, office: Office
) -> None:
    seed.add_officers(office)
    refused = site.yuenyan("user", "approver", "kruya", "--own-organisation")
    assert refused.exit_code == 1
    assert "belongs to no organisation" in refused.stderr and "--everywhere" in refused.stderr
    assert json.loads(site.yuenyan("user", "approver", "kruya", "--json").stdout)["default"]
    assert site.yuenyan("user", "approver", "kruya", "--everywhere").exit_code == 0
    with office.database.write() as session:
        found = roles.add_organisation(session, office, "KRT1", "KRT1", "test")
        session.flush()
        people.get(session, "kruya").organisation_id = found.id
    done = site.yuenyan("user", "approver", "kruya", "--own-organisation")
    assert done.stdout == "kruya may grant: guest (KRT1)\n"


@pytest.mark.parametrize("more", [(), ("--role", "guest"), ("--default",), ("--own-organisation",)])
@pytest.mark.parametrize("name", [ADMIN, "truat", "somchai"])
def test_who_is_no_approver_is_told_as_such(
    site: Site, office: Office, name: str, more: tuple[str, ...]
) -> None:
    seed.add_officers(office)
    add_person(office, "somchai")
    told = site.yuenyan("user", "approver", name, *more)
    assert (told.exit_code, told.stdout) == (1, "")
    assert f"{name} is no approver" in told.stderr
