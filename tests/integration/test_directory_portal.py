"""People of a directory on both portals, against a real slapd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from captive_portal.admin import create_app as create_admin
from captive_portal.public import create_app as create_public
from common import config as configuration
from db.models import AuthEvent
from identity.domain.access import Granted
from identity.domain.levels import Level
from identity.office import Office
from identity.services import officers, people
from identity.services.login import check_password
from tests.conftest import ADMIN, ADMIN_PASSWORD, Site
from tests.slapd import PASSWORD, Slapd, section
from tests.unit.captive_portal.admin.conftest import Officer
from tests.unit.captive_portal.public.conftest import Visitor

pytestmark = pytest.mark.real


@pytest.fixture
def school(site_on: Site, slapd: Slapd, tmp_path: Path) -> Iterator[Office]:
    """The office of a site, on either database, that asks the slapd."""
    path = site_on.config_file
    text = path.read_text(encoding="utf-8") + section(slapd, tmp_path, "timeout_seconds = 1")
    path.write_text(text, encoding="utf-8")
    opened = Office.open(configuration.load(path))
    yield opened
    opened.database.dispose()
    opened.directories.close()


def test_a_visitor_signs_in_with_the_password_of_the_directory(
    school: Office, slapd: Slapd
) -> None:
    visitor = Visitor(create_public(school))
    wrong = visitor.fill("/?lang=en", username="somchai", password="wrong password")
    assert wrong.status_code == 422
    answer = visitor.fill("/?lang=en", username="somchai", password=PASSWORD)
    assert answer.status_code == 303, answer.text
    assert "You are signed in" in visitor.get(answer.location).text
    slapd.stop()
    down = visitor.fill("/?lang=en", username="wipa", password=PASSWORD)
    assert down.status_code == 503 and "not ready" in down.text
    with school.database.read() as session:
        events = session.scalars(select(AuthEvent).order_by(AuthEvent.id)).all()
        assert people.get(session, "somchai").origin == "directory:school"
    assert [(event.reason, event.trace) for event in events] == [
        ("wrong_password", "directory:wrong_password=school"),
        ("ok", "directory:proven=school"),
        ("backend_unavailable", "directory:unreachable=school"),
    ]


def test_the_admin_portal_stays_with_accounts_of_here_and_shows_where_a_password_is(
    school: Office, slapd: Slapd
) -> None:
    officer = Officer(create_admin(school))
    assert officer.sign_in("somchai", PASSWORD).status_code == 401
    with school.database.read() as session:
        assert people.find(session, "somchai") is None, "a stranger makes no account there"
    decision = check_password(school, "somchai", PASSWORD)
    assert isinstance(decision, Granted)
    with school.database.write() as session:
        officers.grant(session, school, "somchai", Level.ADMIN, "test")
    slapd.stop()  # it is not even asked
    assert officer.sign_in("somchai", PASSWORD).status_code == 401
    assert officer.sign_in(ADMIN, ADMIN_PASSWORD).status_code == 302
    page = officer.get(f"/people/{decision.account.account_id}").text
    assert "kept in directory:school" in page
    assert "from the directory" in page
    assert "Set the password" not in page
