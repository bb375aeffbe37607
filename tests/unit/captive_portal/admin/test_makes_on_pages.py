"""What officers read of makes that ask RADIUS for a device, or do no accounting."""

from __future__ import annotations

from datetime import timedelta

from db.models import AuthEvent, GrantedSession
from identity.office import Office
from tests.conftest import add_person
from tests.unit.captive_portal.admin.conftest import Officer
from tests.unit.captive_portal.public.conftest import open_session


def test_devices_that_were_only_sent_to_the_portal_are_no_refused_logins(
    admin: Officer, office: Office
) -> None:
    with office.database.write() as session:
        for reason in ("sent_to_portal", "sent_to_portal", "wrong_password"):
            event = AuthEvent(
                at=office.clock(), user_name="x", method="mac", outcome="reject", reason=reason
            )
            session.add(event)
    assert admin.get("/api/status").get_json()["logins_refused_24h"] == 1


def test_the_list_of_connections_says_how_one_is_known_that_no_accounting_tells_of(
    admin: Officer, office: Office
) -> None:
    somchai = add_person(office, "somchai")
    row = open_session(office, somchai)
    assert "no accounting" not in admin.get("/sessions/").text
    now = office.clock()
    with office.database.write() as session:
        session.add(
            GrantedSession(
                session_key=row.session_key,
                nas_client_id=row.nas_client_id,
                account_id=somchai,
                device="3c22fb010203",
                basis="link",
                began_at=now,
                ends_at=now + timedelta(hours=1),
                next_look_at=now,
            )
        )
    page = admin.get("/sessions/").text
    assert "no accounting: the portal gave the link; nobody confirmed it" in page
