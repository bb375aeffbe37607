"""What `doctor` says of controllers with central web authentication."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from db.models import NasClient, OpenVisit
from identity.office import Office
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from yuenyan.checkup.finding import Finding
from yuenyan.checkup.gateways import check_gateways


def told(office: Office, public_url: str, **settings: str) -> list[Finding]:
    portal = office.config.portal.model_copy(update={"public_url": public_url})
    office = replace(office, config=office.config.model_copy(update={"portal": portal}))
    with office.database.write() as session:
        row = add_nas(session, office, "wlc", "10.5.50.1/32", "a secret", "test", vendor="cisco")
        row.portal_settings_encrypted = seal_portal_settings(office, {"mode": "cwa", **settings})
    with office.database.read() as session:
        return list(check_gateways(office, session.scalars(select(NasClient)).all()))


def test_a_controller_with_its_redirect_list_hands_visitors_over(office: Office) -> None:
    (found,) = told(office, "https://login.school.example", redirect_acl="CAUGHT", ssids="Guests")
    assert found.level == "ok" and "1 can hand visitors back" in found.what


def test_a_controller_without_its_redirect_list_is_named(office: Office) -> None:
    (found,) = told(office, "https://login.school.example")
    assert "wlc hands nobody back: redirect_acl, ssids not set" in found.what


def test_an_address_that_no_redirect_holds_is_told(office: Office) -> None:
    (found,) = told(
        office, f"https://{'l' * 60}.{'m' * 60}.example", redirect_acl="CAUGHT", ssids="Guests"
    )
    assert "too long" in found.what and "shorter" in found.todo


def test_devices_behind_one_address_are_a_warning_here_too(office: Office) -> None:
    now = office.clock()
    with office.database.write() as session:
        for number in range(3):
            session.add(
                OpenVisit(
                    address="192.0.2.9",
                    mac=f"3c22fb01020{number}",
                    visit="v",
                    at=now - timedelta(seconds=5),
                )
            )
    (found,) = told(office, "https://login.school.example", redirect_acl="CAUGHT", ssids="Guests")
    assert "one can be let in by another's sign-in" in found.what
