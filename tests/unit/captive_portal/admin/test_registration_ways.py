"""Officers choose how visitors register, and see whether messages arrived."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from sqlalchemy import select

from db.models import Message, Registration, Role
from identity.domain.registering import Way
from identity.office import Office
from identity.services import registration_ways
from identity.services.messages import PURPOSE
from tests.conftest import ADMIN
from tests.unit.captive_portal.admin.conftest import Officer


def _role(office: Office, name: str) -> Role:
    with office.database.read() as session:
        return session.scalars(select(Role).where(Role.name == name)).one()


def test_an_officer_opens_a_role_and_answers_for_its_guests(admin: Officer, office: Office) -> None:
    role = _role(office, "guest")
    path = f"/roles/{role.id}/registration"
    assert path in admin.get(f"/roles/{role.id}").text
    page = admin.get(path).text
    assert f'value="{ADMIN}"' in page and "an officer approves" in page
    after = admin.follow(
        path, path, way="mail-code", answerable=ADMIN, provisional_minutes="7", may_sponsor="y"
    )
    assert "Stored how visitors register." in after
    with office.database.read() as session:
        choice = registration_ways.choice_of(session, office, role)
    assert (choice.way, choice.provisional_minutes, choice.answerable) == (
        Way.MAIL_CODE,
        7,
        ADMIN,
    )
    assert choice.may_sponsor and not choice.needs_approval


def test_a_choice_that_lets_anybody_in_is_refused_in_words(admin: Officer, office: Office) -> None:
    guest, staff = _role(office, "guest"), _role(office, "staff")
    path = f"/roles/{guest.id}/registration"
    answer = admin.post(path, path, way="mail-code", answerable="")
    assert answer.status_code == 422 and "Name who answers" in answer.text
    path = f"/roles/{staff.id}/registration"
    answer = admin.post(path, path, way="mail-code", answerable=ADMIN)
    assert answer.status_code == 422 and "one of the house" in answer.text
    answer = admin.post(path, path, way="nonsense", answerable=ADMIN)
    assert answer.status_code == 422
    assert admin.get("/roles/999/registration").status_code == 404
    with office.database.read() as session:
        assert registration_ways.choice_of(session, office, staff).way is Way.CLOSED


def test_messages_are_listed_without_what_they_say_and_tried_again(
    admin: Officer, office: Office
) -> None:
    now = office.clock()
    with office.database.write() as session:
        for number, state in enumerate(("failed", "sent")):
            session.add(
                Message(
                    channel="mail",
                    recipient=f"visitor{number}@home.example",
                    about="registration ABCD2345",
                    content_encrypted=office.vault.encrypt(b'{"body": "code 654321"}', PURPOSE),
                    state=state,
                    created_at=now,
                    next_try_at=now,
                    expires_at=now + timedelta(hours=1),
                    attempts=1,
                    last_error="550 no such user" if state == "failed" else None,
                )
            )
    page = admin.get("/messages/").text
    assert "visitor0@home.example" in page and "550 no such user" in page
    assert "654321" not in page and page.count("Try at once") == 1
    assert "Registration ABCD-2345" in page
    assert "visitor1" not in admin.get("/messages/?state=failed").text
    assert "visitor0" not in admin.get("/messages/?q=visitor1").text
    for typed in ("ABCD-2345", "abcd 2345", "ABCD2345", "ABCD"):
        assert "visitor1" in admin.get(f"/messages/?q={quote(typed)}").text
    assert "visitor1" not in admin.get("/messages/?q=ABCD-2346").text
    assert "tried at once" in admin.follow("/messages/1/retry", "/messages/")
    assert "This message was sent." in admin.follow("/messages/2/retry", "/messages/")
    with office.database.read() as session:
        assert session.get_one(Message, 1).state == "waiting"
    thai = admin.client.get("/messages/?lang=th").text
    assert "คำขอลงทะเบียน ABCD-2345" in thai and "registration ABCD" not in thai


def test_an_officer_sees_how_a_visitor_came_and_whom_they_named(
    admin: Officer, office: Office
) -> None:
    now = office.clock()
    role = _role(office, "guest")
    with office.database.write() as session:
        session.add(
            Registration(
                reference="ABCDEFGH",
                state="pending",
                way="sponsor",
                username="visitor",
                full_name="A Visitor",
                contact="081",
                purpose="a visit",
                sponsor_name="head@school.example",
                host_id=1,
                host_decided_at=now,
                granted_seconds=7200,
                password_hash="x",
                role_id=role.id,
                created_at=now,
            )
        )
        session.add(
            Registration(
                reference="ABCDEFGJ",
                state="draft",
                way="mail-code",
                username="another",
                full_name="Waits For Code",
                contact="a@b.example",
                purpose="a visit",
                password_hash="x",
                role_id=role.id,
                created_at=now,
            )
        )
    page = admin.get("/registrations/ABCDEFGH").text
    assert "the host who is visited agrees" in page and "agreed," in page and "2 h" in page
    assert '<option value="role" selected>' in page
    assert "Waits For Code" in admin.get("/registrations/?state=draft").text
    assert "Waits For Code" not in admin.get("/registrations/").text
