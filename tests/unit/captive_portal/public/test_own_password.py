"""Changing one's password, and being made to before the network opens (R14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from db.models import Account, CoaRequest, Credential, NasClient, PortalToken
from identity.domain.contacts import Channel
from identity.domain.recoverable import Recoverable
from identity.office import Office
from identity.services import contacts, importing, people, recoverable
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import HERE, Visitor
from tests.unit.captive_portal.public.own import (
    PASSWORD,
    add_session,
    letters,
    my,
    sign_in,
    sign_in_of,
    visitor_of,
    with_mail,
)

NEW = "three quiet buffaloes"
FIELDS = {"old_password": PASSWORD, "password": NEW, "password_again": NEW}
ARRIVAL = "/p/hall/?mac=3C:22:FB:01:02:03&ip=10.5.50.20&lang=en"


@pytest.fixture
def somchai(office: Office, nas: NasClient) -> int:
    assert nas.id == 1
    number = add_person(office, "somchai", PASSWORD)
    add_session(office, number, "a" * 32, HERE)
    add_session(office, number, "b" * 32, "10.5.0.9")
    return number


def credential(office: Office, number: int) -> Credential:
    with office.database.read() as session:
        return session.get_one(Credential, number)


def test_the_new_password_holds_this_page_goes_on_and_every_other_sign_in_ends(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    elsewhere, here = sign_in(visitor), sign_in(visitor)
    answer = visitor.fill(my("/me/password", here), "/me/password", **FIELDS)
    assert answer.status_code == 303
    assert "The password is changed." in visitor.follow(answer).text
    assert "somchai" in visitor.get(my("/me/password", sign_in_of(answer.location))).text
    for ended in (elsewhere, here):
        assert visitor.get(my("/me/data", ended)).status_code == 302
    assert sign_in(visitor, password=NEW)
    with office.database.read() as session:
        assert session.scalars(select(CoaRequest)).all() == [], "sessions stay unless chosen"


def test_other_live_sessions_end_when_their_owner_chooses_so(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    fields = FIELDS | {"end_sessions": "yes"}
    visitor.fill(my("/me/password", sign_in(visitor)), "/me/password", **fields)
    with office.database.read() as session:
        asked = session.scalars(select(CoaRequest)).all()
    assert [(row.session_key, row.reason) for row in asked] == [("b" * 32, "owner")]


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        pytest.param({"old_password": "x"}, "old_password", "not your password", id="wrong"),
        pytest.param({"old_password": ""}, "old_password", "Enter your password.", id="none"),
        pytest.param({"password": "short"}, "password", "at least 8 characters", id="short"),
        pytest.param({"password_again": "x"}, "password_again", "not the same", id="not-twice"),
        pytest.param(
            {"password": PASSWORD, "password_again": PASSWORD}, "password", "old password", id="old"
        ),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_changes(
    visitor: Visitor, office: Office, somchai: int, changed: dict[str, str], field: str, says: str
) -> None:
    before = credential(office, somchai).password_hash
    answer = visitor.fill(
        my("/me/password", sign_in(visitor)), "/me/password", **(FIELDS | changed)
    )
    assert answer.status_code == 422
    assert answer.text.count(says) >= 2 and f'id="{field}-error"' in answer.text
    assert NEW not in answer.text and PASSWORD not in answer.text
    assert credential(office, somchai).password_hash == before


def test_an_open_page_is_no_way_to_guess_without_end(visitor: Visitor, somchai: int) -> None:
    here = my("/me/password", sign_in(visitor))
    for _ in range(5):
        visitor.fill(here, "/me/password", **(FIELDS | {"old_password": "x"}))
    answer = visitor.fill(here, "/me/password", **FIELDS)
    assert answer.status_code == 422 and "Too many attempts" in answer.text


def test_what_is_kept_recoverable_is_kept_of_the_new_password(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        account = session.get_one(Account, somchai)
        recoverable.choose(session, office, account, Recoverable.PASSWORD, "test")
    visitor.fill(my("/me/password", sign_in(visitor)), "/me/password", **FIELDS)
    row = credential(office, somchai)
    kept = recoverable.open_sealed(office.vault, somchai, "password", row.recoverable or b"")
    assert kept.decode() == NEW


def test_the_owner_gets_a_letter_about_it(office: Office, somchai: int) -> None:
    mailing = with_mail(office)
    with office.database.write() as session:
        account = session.get_one(Account, somchai)
        contacts.keep(session, mailing, account, Channel.MAIL, "somchai@x.example", "code")
    visitor = visitor_of(mailing)
    visitor.fill(my("/me/password", sign_in(visitor)), "/me/password", **FIELDS)
    ((mailbox, body),) = letters(office)
    assert mailbox == "somchai@x.example"
    assert "ถูกเปลี่ยนเมื่อ" in body and "was changed on" in body
    assert NEW not in body and PASSWORD not in body


def test_a_directorys_person_is_told_where_to_change_it(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    s = sign_in(visitor)
    with office.database.write() as session:
        session.get_one(Account, somchai).origin = "directory:school"
    text = visitor.get(my("/me/password", s)).text
    assert "is changed there: school" in text and 'name="old_password"' not in text
    token = visitor.get(my("/me/data", s)).text.split('form_token" value="')[1].split('"')[0]
    answer = visitor.post(my("/me/password", s), form_token=token, **FIELDS)
    assert answer.status_code == 403


# Passwords that somebody else chose.


def import_wipa(office: Office, password: str = PASSWORD) -> int:
    """An account from a list, as `yuenyan user import` makes it."""
    roster = importing.read(
        f"username,password,role\nwipa,{password},student\n".encode(), "Asia/Bangkok"
    )
    with office.database.read() as session:
        roster = importing.check(session, office, roster, update=False)
    importing.apply(office, roster, "test")
    with office.database.read() as session:
        return people.get(session, "wipa").id


def test_an_imported_password_is_changed_before_the_hand_off(
    visitor: Visitor, office: Office, nas: NasClient
) -> None:
    number = import_wipa(office)
    answer = visitor.fill(visitor.get(ARRIVAL).location, username="wipa", password=PASSWORD)
    assert answer.location.startswith("/me/password?")
    page = visitor.follow(answer)
    assert "Choose a password of your own" in page.text and "somebody else knows it" in page.text
    # Whoever types the address of the hand-over instead comes back here.
    skipped = visitor.get(answer.location.replace("/me/password", "/connect"))
    assert skipped.status_code == 302 and skipped.location.startswith("/me/password?")
    with office.database.read() as session:
        assert session.scalars(select(PortalToken)).all() == []
    changed = visitor.fill(answer.location, "/me/password", **FIELDS)
    assert changed.location.startswith("/connect?")
    assert f'action="{nas.login_url}"' in visitor.follow(changed).text
    assert not credential(office, number).must_change


def test_a_reset_by_an_officer_and_an_update_by_a_list_call_for_it_too(
    office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        people.set_password(
            session, office, "somchai", office.passwords.hash(NEW), "head", must_change=True
        )
    assert credential(office, somchai).must_change
    with office.database.write() as session:
        people.set_password(session, office, "somchai", office.passwords.hash(NEW), "somchai")
    assert not credential(office, somchai).must_change
    roster = importing.read(f"username,password\nsomchai,{PASSWORD}\n".encode(), "Asia/Bangkok")
    with office.database.read() as session:
        roster = importing.check(session, office, roster, update=True)
    importing.apply(office, roster, "test")
    assert credential(office, somchai).must_change


def test_a_directorys_person_is_not_held_up_by_an_old_mark(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        session.get_one(Credential, somchai).must_change = True
    s = sign_in(visitor)
    with office.database.write() as session:
        session.get_one(Account, somchai).origin = "directory:school"
    assert visitor.get(my("/connect", s)).location.startswith("/status?")


def test_a_school_of_small_pupils_can_switch_it_off(office: Office, nas: NasClient) -> None:
    import_wipa(office)
    passwords = office.config.passwords.model_copy(update={"change_first": False})
    config = office.config.model_copy(update={"passwords": passwords})
    visitor = visitor_of(replace(office, config=config))
    answer = visitor.fill(visitor.get(ARRIVAL).location, username="wipa", password=PASSWORD)
    assert answer.location.startswith("/connect?")


def test_without_a_gateway_the_change_is_asked_for_as_well(
    make_visitor: Callable[..., Visitor], office: Office
) -> None:
    import_wipa(office)
    answer = make_visitor().fill("/?lang=en", username="wipa", password=PASSWORD)
    assert answer.location.startswith("/me/password?")
