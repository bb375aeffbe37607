"""Every level at every route, and no route without a rule."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from captive_portal.admin import create_app
from captive_portal.admin.permissions import ALLOWED, Permission, outranks, permissions_of
from db.models import AuditEvent
from identity.domain.levels import FIRST_OFFICER, Level
from identity.office import Office
from identity.services import officers, people
from tests.conftest import ADMIN, ADMIN_PASSWORD
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

ALL = frozenset(Level)
STAFF = ALL - {Level.EXECUTIVE, Level.VOUCHER_DESK}
DESK = {Level.ADMIN, Level.APPROVER, Level.SCHOOL}
ISSUERS = DESK | {Level.VOUCHER_DESK}
VOUCHERS = ISSUERS | {Level.AUDITOR, Level.HELP_DESK}
ADMIN_ONLY = {Level.ADMIN}
MESSAGES = {Level.ADMIN, Level.HELP_DESK}
CONNECTIONS = {
    Level.CUSTODIAN, Level.COORDINATOR, Level.AUDITOR, Level.SCHOOL, Level.HELP_DESK,
}  # fmt: skip
EQUIPMENT = CONNECTIONS | ADMIN_ONLY
ENDERS = {Level.CUSTODIAN, Level.SCHOOL, Level.HELP_DESK}
ASKERS = {Level.CUSTODIAN, Level.COORDINATOR, Level.AUDITOR, Level.SCHOOL}
REVEALERS = {Level.CUSTODIAN, Level.COORDINATOR, Level.SCHOOL}
SECOND = {Level.CUSTODIAN, Level.COORDINATOR}
KEEPERS = {Level.CUSTODIAN, Level.COORDINATOR}
REGISTERS = KEEPERS | {Level.AUDITOR}
CUSTODIAN = {Level.CUSTODIAN}
TOKENS = ASKERS | ADMIN_ONLY
CONSENTS = {Level.ADMIN, Level.COORDINATOR, Level.SCHOOL}
OVERSIGHT = {Level.CUSTODIAN, Level.AUDITOR}

ROUTES: list[tuple[str, str, frozenset[Level] | set[Level]]] = [
    ("GET", "/", ALL),
    ("GET", "/api/status", ALL),
    ("GET", "/registrations/", DESK),
    ("GET", "/registrations/ABCDEFGH", DESK),
    ("POST", "/registrations/ABCDEFGH/approve", DESK),
    ("POST", "/registrations/ABCDEFGH/reject", DESK),
    ("POST", "/registrations/approve", DESK),
    ("GET", "/people/", STAFF),
    ("GET", "/people/1", STAFF),
    ("GET", "/people/new", ADMIN_ONLY),
    ("POST", "/people/new", ADMIN_ONLY),
    ("GET", "/people/classes/", ADMIN_ONLY),
    ("GET", "/people/classes/slips.css", ADMIN_ONLY),
    ("POST", "/people/classes/", ADMIN_ONLY),
    ("POST", "/people/999/state", ADMIN_ONLY),
    ("POST", "/people/999/password", ADMIN_ONLY),
    ("POST", "/people/999/recoverable", ADMIN_ONLY),
    ("POST", "/people/999/scope", ADMIN_ONLY),
    ("POST", "/people/999/levels", ADMIN_ONLY),
    ("GET", "/roles/", STAFF),
    ("GET", "/roles/1", ADMIN_ONLY),
    ("POST", "/roles/1", ADMIN_ONLY),
    ("GET", "/roles/1/registration", ADMIN_ONLY),
    ("POST", "/roles/1/registration", ADMIN_ONLY),
    ("GET", "/messages/", MESSAGES),
    ("POST", "/messages/999/retry", MESSAGES),
    ("GET", "/roles/new", ADMIN_ONLY),
    ("POST", "/roles/new", ADMIN_ONLY),
    ("GET", "/vouchers/", VOUCHERS),
    ("GET", "/vouchers/1", VOUCHERS),
    ("GET", "/vouchers/1/voucher/1", VOUCHERS),
    ("GET", "/vouchers/slips-24.css", VOUCHERS),
    ("GET", "/vouchers/new", ISSUERS),
    ("POST", "/vouchers/new", ISSUERS),
    ("GET", "/vouchers/1/print", ISSUERS),
    ("GET", "/vouchers/1/codes.csv", ISSUERS),
    ("GET", "/vouchers/1/slips.pdf", ISSUERS),
    ("POST", "/vouchers/999/revoke", ISSUERS),
    ("POST", "/vouchers/999/extend", ISSUERS),
    ("POST", "/vouchers/999/receiver", ISSUERS),
    ("POST", "/vouchers/999/release", ISSUERS),
    ("POST", "/vouchers/999/delete-expired", ISSUERS),
    ("GET", "/sessions/", CONNECTIONS),
    ("GET", "/sessions/0000/end", ENDERS),
    ("POST", "/sessions/0000/end", ENDERS),
    ("GET", "/logins/", CONNECTIONS),
    ("GET", "/logins/1", CONNECTIONS),
    ("GET", "/nas/", EQUIPMENT),
    ("GET", "/nas/new", ADMIN_ONLY),
    ("POST", "/nas/new", ADMIN_ONLY),
    ("GET", "/nas/1", EQUIPMENT),
    ("POST", "/nas/999/policy", ADMIN_ONLY),
    ("POST", "/nas/999/settings", ADMIN_ONLY),
    ("GET", "/nas/1/gateway", EQUIPMENT),
    ("POST", "/nas/999/gateway", ADMIN_ONLY),
    ("GET", "/nas/1/gateway/login.html", EQUIPMENT),
    ("GET", "/holds/", REGISTERS),
    ("GET", "/holds/new", CUSTODIAN),
    ("POST", "/holds/new", CUSTODIAN),
    ("POST", "/holds/999/end", CUSTODIAN),
    ("GET", "/lookup/", ASKERS),
    ("POST", "/lookup/", ASKERS),
    ("GET", "/lookup/unlocks/", REVEALERS),
    ("POST", "/lookup/unlocks/", REVEALERS),
    ("GET", "/lookup/unlocks/999", REVEALERS),
    ("POST", "/lookup/unlocks/999/names", REVEALERS),
    ("POST", "/lookup/unlocks/999/decide", SECOND),
    ("GET", "/api/session", ALL),
    ("POST", "/api/lookup", ASKERS),
    ("POST", "/api/unlocks", REVEALERS),
    ("GET", "/api/unlocks/999", REVEALERS),
    ("POST", "/api/unlocks/999/names", REVEALERS),
    ("GET", "/audit/", OVERSIGHT),
    ("GET", "/custody/", REGISTERS),
    ("GET", "/custody/999", REGISTERS),
    ("GET", "/custody/999/form", REGISTERS),
    ("POST", "/custody/999/steps", KEEPERS),
    ("GET", "/registers/request/", REGISTERS),
    ("GET", "/registers/request/new", KEEPERS),
    ("POST", "/registers/request/new", KEEPERS),
    ("GET", "/registers/incident/INC-2569-0001", REGISTERS),
    ("POST", "/registers/incident/INC-2569-0001/step", KEEPERS),
    ("GET", "/registers/", REGISTERS),
    ("GET", "/texts/", STAFF),
    ("GET", "/texts/new", {Level.ADMIN, Level.COORDINATOR}),
    ("POST", "/texts/new", {Level.ADMIN, Level.COORDINATOR}),
    ("GET", "/texts/999", STAFF),
    ("GET", "/consents/", CONSENTS),
    ("GET", "/consents/new", CONSENTS),
    ("POST", "/consents/new", CONSENTS),
    ("GET", "/consents/sample.csv", CONSENTS),
    ("POST", "/consents/import", CONSENTS),
    ("POST", "/consents/999/withdraw", CONSENTS),
    ("GET", "/tokens/", TOKENS),
    ("GET", "/tokens/new", TOKENS),
    ("POST", "/tokens/new", TOKENS),
    ("POST", "/tokens/999/revoke", TOKENS),
]


@pytest.mark.parametrize(("username", "level"), seed.OFFICERS.items())
def test_each_level_reaches_its_pages_and_no_others(
    office: Office, signed_in: Callable[[str], Officer], username: str, level: str
) -> None:
    officer = signed_in(username)
    seed.add_school_day(office)
    held = set(FIRST_OFFICER) if level == "first" else {Level(level)}
    refused = 0
    for method, path, allowed in ROUTES:
        response = officer.get(path) if method == "GET" else officer.post(path)
        assert (response.status_code != 403) == bool(held & allowed), (method, path)
        assert response.status_code < 500, (method, path)
        refused += response.status_code == 403
    with office.database.read() as session:
        denied = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "admin:denied")
        ).all()
    assert len(denied) == refused
    assert {event.actor for event in denied} <= {username}


def test_an_administrator_alone_reads_no_identified_log(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    officer = signed_in("rabop")
    seed.add_school_day(office)
    logs = {
        Permission.VIEW_SESSIONS, Permission.VIEW_LOGINS, Permission.LOOK_UP, Permission.REVEAL,
        Permission.VIEW_AUDIT, Permission.END_SESSIONS, Permission.APPROVE_REVEAL,
    }  # fmt: skip
    assert not logs & permissions_of([Level.ADMIN])
    page = officer.get("/people/12").text
    assert "Last logins" not in page and "Last connections" not in page
    assert "3c:22:fb" not in page and "10.20.3." not in page
    assert "Last login" not in officer.get("/people/").text


def test_nobody_makes_somebody_more_than_they_are(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    officer = signed_in("rabop")
    with office.database.read() as session:
        number = people.get(session, "phoo").id
    for level in ("custodian", "coordinator", "auditor", "help-desk"):
        told = officer.follow(
            f"/people/{number}/levels", f"/people/{number}", level=["executive", level]
        )
        assert "sees more than you do" in told, level
    officer.follow(f"/people/{number}/levels", f"/people/{number}", level=["executive", "approver"])
    with office.database.read() as session:
        assert officers.levels_of(session, number) == (Level.APPROVER, Level.EXECUTIVE)


def test_nobody_sets_the_password_of_somebody_who_sees_more(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    with office.database.read() as session:
        numbers = {name: people.get(session, name).id for name in ("prasan", "phoo")}
    officer = signed_in("rabop")
    path = f"/people/{numbers['prasan']}"
    assert "Set the password" not in officer.get(path).text
    told = officer.follow(f"{path}/password", path, password="green elephant 77")
    assert "may see what you may not" in told
    assert signed_in("prasan").get("/lookup/").status_code == 200
    path = f"/people/{numbers['phoo']}"
    assert "has the new password" in officer.follow(
        f"{path}/password", path, password="green elephant 77"
    )


def test_the_first_officer_may_make_somebody_of_every_level() -> None:
    assert all(outranks(FIRST_OFFICER, [level]) for level in Level)


def test_a_denied_attempt_says_what_was_tried(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    signed_in("phoo").get("/lookup/")
    with office.database.read() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "admin:denied"))
    assert (event.actor, event.target) == ("phoo", "/lookup/")
    assert json.loads(event.detail) == {
        "permission": "look up", "method": "GET", "address": "127.0.0.1",
    }  # fmt: skip


def test_every_page_works_on_either_database(office_on: Office) -> None:
    seed.add_officers(office_on)
    seed.add_school_day(office_on)
    officer = Officer(create_app(office_on))
    officer.sign_in(ADMIN, ADMIN_PASSWORD)
    for method, path, _allowed in ROUTES:
        if method == "GET":
            expected = {
                "/registrations/ABCDEFGH": 404,
                "/sessions/0000/end": 404,
                "/custody/999": 404,
                "/custody/999/form": 404,
                "/lookup/unlocks/999": 404,
                "/api/unlocks/999": 404,
                "/registers/incident/INC-2569-0001": 404,
                "/registers/": 302,
                "/texts/999": 404,
            }.get(path, 200)
            assert officer.get(path).status_code == expected, path
    for path in ("/people/?q=ก&role=student&state=active&org=KRT1", "/registrations/?q=ก"):
        assert officer.get(path).status_code == 200, path
    for path in (
        "/sessions/?show=all&user=ก&mac=aa&address=10.0.0.1&nas=1",
        "/vouchers/?q=ก&state=expired&issuer=head&from=2026-01-01",
    ):
        assert officer.get(path).status_code == 200, path
    for path in ("/logins/?user=ก&mac=aa&outcome=accept&nas=1", "/audit/?actor=a&target=b"):
        assert officer.get(path).status_code == 200, path


def test_nobody_reaches_anything_without_signing_in(app: Flask) -> None:
    stranger = Officer(app)
    for method, path, _allowed in ROUTES:
        response = (
            stranger.get(path) if method == "GET" else stranger.post(path, token_from="/sign-in")
        )
        if path.startswith("/api/"):  # programs are told, not led to a page
            assert response.status_code == 401, (method, path)
            continue
        assert response.status_code == 302, (method, path)
        assert response.location.startswith("/sign-in"), (method, path)


def test_every_route_is_in_this_table_or_public(app: Flask) -> None:
    adapter = app.url_map.bind("localhost")
    covered = {adapter.match(path, method)[0] for method, path, _allowed in ROUTES}
    for endpoint, view in app.view_functions.items():
        if endpoint == "static" or hasattr(view, "is_public"):
            continue
        assert endpoint in covered
        assert getattr(view, "required_permission", None) in set(Permission)


def test_a_view_without_a_rule_is_closed(app: Flask) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secrets")
    assert Officer(app).get("/forgotten").status_code == 403


def test_the_first_officer_may_everything() -> None:
    assert set(ALLOWED) == set(Permission)
    assert permissions_of(FIRST_OFFICER) == set(Permission)


@pytest.mark.parametrize("path", ["/healthz", "/api/health", "/api/openapi.json", "/sign-in"])
def test_public_pages_need_no_sign_in(app: Flask, path: str) -> None:
    assert Officer(app).get(path).status_code == 200
