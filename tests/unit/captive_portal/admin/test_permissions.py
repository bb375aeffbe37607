"""Every level at every route, and no route without a rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from captive_portal.admin import create_app
from captive_portal.admin.permissions import ALLOWED, Level, Permission
from identity.office import Office
from tests.conftest import ADMIN, ADMIN_PASSWORD
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

ALL = {"admin", "approver", "auditor"}
DESK = {"admin", "approver"}
OVERSIGHT = {"admin", "auditor"}
ADMIN_ONLY = {"admin"}

ROUTES = [
    ("GET", "/", ALL),
    ("GET", "/api/status", ALL),
    ("GET", "/registrations/", DESK),
    ("GET", "/registrations/ABCDEFGH", DESK),
    ("POST", "/registrations/ABCDEFGH/approve", DESK),
    ("POST", "/registrations/ABCDEFGH/reject", DESK),
    ("POST", "/registrations/approve", DESK),
    ("GET", "/people/", ALL),
    ("GET", "/people/1", ALL),
    ("GET", "/people/new", ADMIN_ONLY),
    ("POST", "/people/new", ADMIN_ONLY),
    ("POST", "/people/999/state", ADMIN_ONLY),
    ("POST", "/people/999/password", ADMIN_ONLY),
    ("POST", "/people/999/recoverable", ADMIN_ONLY),
    ("POST", "/people/999/scope", ADMIN_ONLY),
    ("GET", "/roles/", ALL),
    ("GET", "/roles/1", ADMIN_ONLY),
    ("POST", "/roles/1", ADMIN_ONLY),
    ("GET", "/roles/new", ADMIN_ONLY),
    ("POST", "/roles/new", ADMIN_ONLY),
    ("GET", "/vouchers/", ALL),
    ("GET", "/vouchers/1", ALL),
    ("GET", "/vouchers/new", DESK),
    ("POST", "/vouchers/new", DESK),
    ("GET", "/vouchers/1/print", DESK),
    ("POST", "/vouchers/999/revoke", DESK),
    ("GET", "/sessions/", OVERSIGHT),
    ("GET", "/sessions/0000/end", ADMIN_ONLY),
    ("POST", "/sessions/0000/end", ADMIN_ONLY),
    ("GET", "/logins/", OVERSIGHT),
    ("GET", "/logins/1", OVERSIGHT),
    ("GET", "/nas/", OVERSIGHT),
    ("GET", "/nas/new", ADMIN_ONLY),
    ("POST", "/nas/new", ADMIN_ONLY),
    ("GET", "/nas/1", OVERSIGHT),
    ("POST", "/nas/999/policy", ADMIN_ONLY),
    ("POST", "/nas/999/settings", ADMIN_ONLY),
    ("GET", "/holds/", OVERSIGHT),
    ("GET", "/holds/new", ADMIN_ONLY),
    ("POST", "/holds/new", ADMIN_ONLY),
    ("POST", "/holds/999/end", ADMIN_ONLY),
    ("GET", "/lookup/", OVERSIGHT),
    ("POST", "/lookup/", OVERSIGHT),
    ("GET", "/audit/", OVERSIGHT),
    ("GET", "/custody/", OVERSIGHT),
    ("GET", "/custody/999", OVERSIGHT),
    ("GET", "/custody/999/form", OVERSIGHT),
    ("POST", "/custody/999/steps", ADMIN_ONLY),
    ("GET", "/registers/request/", OVERSIGHT),
    ("GET", "/registers/request/new", ADMIN_ONLY),
    ("POST", "/registers/request/new", ADMIN_ONLY),
    ("GET", "/registers/incident/INC-2569-0001", OVERSIGHT),
    ("POST", "/registers/incident/INC-2569-0001/step", ADMIN_ONLY),
    ("GET", "/registers/", OVERSIGHT),
]


@pytest.mark.parametrize(("username", "level"), seed.OFFICERS.items())
def test_each_level_reaches_its_pages_and_no_others(
    office: Office, signed_in: Callable[[str], Officer], username: str, level: str
) -> None:
    officer = signed_in(username)
    seed.add_school_day(office)
    for method, path, allowed in ROUTES:
        response = officer.get(path) if method == "GET" else officer.post(path)
        assert (response.status_code != 403) == (level in allowed), (method, path)
        assert response.status_code < 500, (method, path)


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
                "/registers/incident/INC-2569-0001": 404,
                "/registers/": 302,
            }.get(path, 200)
            assert officer.get(path).status_code == expected, path
    for path in ("/people/?q=ก&role=student&state=active&org=KRT1", "/registrations/?q=ก"):
        assert officer.get(path).status_code == 200, path
    for path in ("/sessions/?show=all&user=ก&mac=aa&address=10.0.0.1&nas=1", "/vouchers/?q=ก"):
        assert officer.get(path).status_code == 200, path
    for path in ("/logins/?user=ก&mac=aa&outcome=accept&nas=1", "/audit/?actor=a&target=b"):
        assert officer.get(path).status_code == 200, path


def test_nobody_reaches_anything_without_signing_in(app: Flask) -> None:
    stranger = Officer(app)
    for method, path, _allowed in ROUTES:
        response = (
            stranger.get(path) if method == "GET" else stranger.post(path, token_from="/sign-in")
        )
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


def test_the_administrator_may_everything() -> None:
    assert set(ALLOWED) == set(Permission)
    assert all(Level.ADMIN in levels for levels in ALLOWED.values())


@pytest.mark.parametrize("path", ["/healthz", "/api/health", "/api/openapi.json", "/sign-in"])
def test_public_pages_need_no_sign_in(app: Flask, path: str) -> None:
    assert Officer(app).get(path).status_code == 200
