"""A forgotten password: a code to the proven mailbox, the same answer for everybody."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from captive_portal.public import forgotten
from db.models import Account, AuditEvent, CoaRequest, Credential, NasClient, SentCode
from identity.domain.contacts import Channel
from identity.domain.levels import Level
from identity.office import Office
from identity.services import codes, contacts, housekeeping, officers, people
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import HERE, Visitor, make_app
from tests.unit.captive_portal.public.own import (
    PASSWORD,
    add_session,
    letters,
    my,
    sign_in,
    visitor_of,
    with_mail,
)

MAILBOX = "somchai@x.example"
NEW = "three quiet buffaloes"
NEW_FIELDS = {"password": NEW, "password_again": NEW}


@pytest.fixture
def mailing(office: Office, nas: NasClient, monkeypatch: pytest.MonkeyPatch) -> Office:
    """The office with a mail server; somchai has proven a mailbox, malee has none."""
    monkeypatch.setattr(forgotten, "ANSWER_SECONDS", 0.0)
    assert nas.id == 1
    somchai = add_person(office, "somchai", PASSWORD)
    add_person(office, "malee", PASSWORD)
    office = with_mail(office, "https://wifi.x.example")
    with office.database.write() as session:
        contacts.keep(
            session, office, session.get_one(Account, somchai), Channel.MAIL, MAILBOX, "code"
        )
    add_session(office, somchai, "a" * 32, HERE)
    return office


def ask(visitor: Visitor, typed: str) -> str:
    """What somebody reads who forgot the password of `typed`."""
    answer = visitor.fill("/forgot?lang=en", "/forgot", username=typed)
    assert answer.status_code == 303
    text = visitor.follow(answer).text
    return re.sub(r'(value|nonce)="[^"]*"', "", text)


def code_in(body: str) -> str:
    found = re.search(r"[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{4}", body)
    assert found is not None
    return found[0]


def test_a_code_is_mailed_and_lets_its_bearer_choose_a_password_once(mailing: Office) -> None:
    visitor = visitor_of(mailing)
    open_elsewhere = sign_in(visitor)
    ask(visitor, "SomChai")
    ((mailbox, body),) = letters(mailing)
    assert mailbox == MAILBOX and "somchai" in body
    link = re.search(r"https://wifi\.x\.example(/reset\?t=\S+)", body)
    assert link is not None
    for _ in range(2):  # programs that check letters open the link too
        page = visitor.get(f"{link[1]}&lang=en")
        assert code_in(body) in page.text
    fields = NEW_FIELDS | {"code": code_in(body)}
    answer = visitor.fill(f"{link[1]}&lang=en", "/reset", end_sessions="yes", **fields)
    assert answer.status_code == 303
    assert "The new password is set." in visitor.follow(answer).text
    assert sign_in(visitor, password=NEW)
    assert visitor.get(my("/me/data", open_elsewhere)).status_code == 302
    with mailing.database.read() as session:
        assert session.scalars(select(CoaRequest.reason)).all() == ["owner"]
        actions = session.scalars(select(AuditEvent.action)).all()
    assert actions.count("account:reset_asked") == actions.count("account:password_reset") == 1
    again = visitor.fill(f"{link[1]}&lang=en", "/reset", **fields)
    assert again.status_code == 422 and "not right or too old" in again.text
    assert "was changed on" in letters(mailing)[-1][1]


def test_by_the_mailbox_itself_too(mailing: Office) -> None:
    ask(visitor_of(mailing), "Somchai@X.example")
    assert [mailbox for mailbox, _body in letters(mailing)] == [MAILBOX]


def test_everybody_gets_the_same_answer_and_nobody_else_a_letter(mailing: Office) -> None:
    visitor = visitor_of(mailing)
    with mailing.database.write() as session:
        people.set_state(session, mailing, "malee", "suspended", "test")
    answers = {
        ask(visitor, name)
        for name in ("somchai", "malee", "head", "nobody", "nobody@x.example", "3c22fb010203")
    }
    assert len(answers) == 1
    assert len(letters(mailing)) == 1
    with mailing.database.read() as session:
        targets = session.scalars(
            select(AuditEvent.target).where(AuditEvent.action == "account:reset_asked")
        ).all()
    assert sorted(targets) == ["head", "malee", "nobody", "nobody", "nobody", "somchai"]


def test_a_suspended_account_gets_no_code_and_an_old_code_does_not_lift_it(
    mailing: Office,
) -> None:
    visitor = visitor_of(mailing)
    ask(visitor, "somchai")
    code = code_in(letters(mailing)[0][1])
    with mailing.database.write() as session:
        people.set_state(session, mailing, "somchai", "suspended", "test")
    answer = visitor.fill("/reset?lang=en", "/reset", code=code, **NEW_FIELDS)
    assert answer.status_code == 422
    ask(visitor, "somchai")
    assert len(letters(mailing)) == 1


def test_the_time_of_an_answer_does_not_tell_who_has_a_mailbox(
    mailing: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(forgotten, "ANSWER_SECONDS", 60.0)
    monkeypatch.setattr(time, "sleep", waits.append)
    started = time.monotonic()
    for name in ("somchai", "nobody"):
        ask(visitor_of(mailing), name)
    # Each waits for what is left of the same time, counted from before it looked.
    assert len(letters(mailing)) == 1 and len(waits) == 2
    assert all(60 - (time.monotonic() - started) <= wait < 60 for wait in waits)


def test_an_officer_gets_no_code_and_cannot_use_one_from_before(mailing: Office) -> None:
    visitor = visitor_of(mailing)
    nobody = ask(visitor, "no such name")
    ask(visitor, "somchai")
    code = code_in(letters(mailing)[0][1])
    with mailing.database.write() as session:
        officers.grant(session, mailing, "somchai", Level.HELP_DESK, "test")
    used = visitor.fill("/reset?lang=en", "/reset", code=code, **NEW_FIELDS)
    assert used.status_code == 422
    assert ask(visitor, "somchai") == nobody
    assert len(letters(mailing)) == 1
    with mailing.database.read() as session:
        details = session.scalars(
            select(AuditEvent.detail).where(AuditEvent.action == "account:reset_asked")
        ).all()
    assert "officer" in details[-1]


def test_a_code_dies_after_half_an_hour_with_the_next_one_and_with_the_password(
    mailing: Office,
) -> None:
    visitor = visitor_of(mailing)
    ask(visitor, "somchai")
    ask(visitor, "somchai")
    first, second = (code_in(body) for _mailbox, body in letters(mailing))

    def try_it(code: str, at: Office = mailing) -> int:
        return (
            Visitor(make_app(at))
            .fill("/reset?lang=en", "/reset", code=code, **NEW_FIELDS)
            .status_code
        )

    assert try_it(first) == 422
    later = mailing.clock() + timedelta(minutes=31)
    assert try_it(second, replace(mailing, clock=lambda: later)) == 422
    with mailing.database.write() as session:
        hashed = mailing.passwords.hash("another one again")
        people.set_password(session, mailing, "somchai", hashed, "somchai")
    assert try_it(second) == 422
    with mailing.database.read() as session:
        assert session.scalars(select(SentCode.used_at)).all() == [None, None]


def test_typed_by_hand_the_code_may_be_small_spaced_and_with_thai_digits(
    mailing: Office,
) -> None:
    visitor = visitor_of(mailing)
    ask(visitor, "somchai")
    code = code_in(letters(mailing)[0][1])
    thai = code.lower().replace("-", " ").translate(str.maketrans("23456789", "๒๓๔๕๖๗๘๙"))
    answer = visitor.fill("/reset?lang=en", "/reset", code=f" {thai} ", **NEW_FIELDS)
    assert answer.status_code == 303


def test_one_account_gets_three_codes_a_day_and_one_name_three_wishes_an_hour(
    mailing: Office,
) -> None:
    for wishes in (3, 1):
        visitor = visitor_of(mailing)  # a fresh process learns from the database how it stands
        for _ in range(wishes):
            ask(visitor, "somchai")
        answer = visitor.fill("/forgot?lang=en", "/forgot", username="somchai")
        assert answer.status_code == 429
    for _ in range(3):
        ask(visitor, "no such name")
    answer = visitor.fill("/forgot?lang=en", "/forgot", username="no such name")
    assert answer.status_code == 429, "a wait must not tell that there is such an account"
    assert len(letters(mailing)) == 3


def test_a_stranger_who_asks_again_and_again_does_not_use_up_the_owners_codes(
    mailing: Office,
) -> None:
    owner = visitor_of(mailing)
    for number in range(6):
        fresh = visitor_of(mailing)  # no process remembers: what the database counts
        ask(Visitor(fresh.app, f"2001:db8:0:1::{number}"), "somchai")
    assert len(letters(mailing)) == 3, "one /64 is one place"
    ask(owner, "somchai")
    assert len(letters(mailing)) == 4
    for number in range(20):
        ask(Visitor(owner.app, f"198.51.100.{number}"), "somchai")
    assert len(letters(mailing)) == codes.LIMITS[codes.Purpose.RESET].a_day, "no mailbox is flooded"


def test_a_right_code_passes_what_others_have_tried_from_its_address(mailing: Office) -> None:
    visitor = visitor_of(mailing)
    ask(visitor, "somchai")
    code = code_in(letters(mailing)[0][1])
    for _ in range(21):
        wrong = visitor.fill("/reset?lang=en", "/reset", code="ABCD-EFGH-JKMN", **NEW_FIELDS)
    assert wrong.status_code == 429
    right = visitor.fill("/reset?lang=en", "/reset", code=code, **NEW_FIELDS)
    assert right.status_code == 303


def test_codes_are_not_guessed_without_end(mailing: Office) -> None:
    visitor = visitor_of(mailing)
    codes = [
        visitor.fill("/reset?lang=en", "/reset", code="ABCD-EFGH-JKMN", **NEW_FIELDS).status_code
        for _ in range(21)
    ]
    assert codes == [422] * 20 + [429]


def test_a_person_of_a_directory_is_told_where_the_password_is_kept(mailing: Office) -> None:
    with mailing.database.write() as session:
        people.get(session, "somchai").origin = "directory:school"
    visitor = visitor_of(mailing)
    ask(visitor, "somchai")
    ((mailbox, body),) = letters(mailing)
    assert mailbox == MAILBOX and "kept in school" in body
    with mailing.database.read() as session:
        assert session.scalars(select(SentCode)).all() == []


def test_without_a_public_address_no_link_is_mailed(office: Office, mailing: Office) -> None:
    nameless = with_mail(office)
    visitor = visitor_of(nameless)
    token = visitor.get("/forgot").text.split('form_token" value="')[1].split('"')[0]
    visitor.app.test_client(use_cookies=False).post(
        "/forgot",
        data={"form_token": token, "username": "somchai"},
        headers={"Host": "evil.example"},
        environ_base={"REMOTE_ADDR": HERE},
    )
    ((_mailbox, body),) = letters(nameless)
    assert "evil" not in body and "http" not in body and code_in(body)


def test_without_a_mail_server_one_is_told_whom_to_ask(reader: Visitor) -> None:
    text = reader.get("/forgot?lang=en").text
    assert "the staff give you a new password" in text and "<form" not in text
    assert 'href="/forgot' in reader.get("/?lang=en").text


def test_old_codes_are_dropped_a_day_later(mailing: Office) -> None:
    ask(visitor_of(mailing), "somchai")
    assert housekeeping.run_once(mailing).dropped_codes == 0
    later = mailing.clock() + timedelta(days=1, hours=1)
    assert housekeeping.run_once(replace(mailing, clock=lambda: later)).dropped_codes == 1


# The mailbox.


def test_a_mailbox_counts_only_once_its_code_came_back(mailing: Office) -> None:
    visitor = visitor_of(mailing)
    here = my("/me/mailbox", sign_in(visitor, "malee"))
    fields = {"mailbox": "malee@x.example", "old_password": PASSWORD}
    sent = visitor.fill(here, "/me/mailbox", **fields)
    assert "A letter with a code is on its way." in visitor.follow(sent).text
    ((mailbox, body),) = letters(mailing)
    assert mailbox == "malee@x.example"
    ask(visitor, "malee")
    assert len(letters(mailing)) == 1, "not proven yet"
    wrong = visitor.fill(sent.location, "/me/mailbox", code="ABCD-EFGH-JKMN")
    assert wrong.status_code == 422 and "not right or too old" in wrong.text
    done = visitor.fill(sent.location, "/me/mailbox", code=code_in(body))
    assert "The e-mail address is confirmed." in visitor.follow(done).text
    ask(visitor, "malee")
    assert letters(mailing)[-1][0] == "malee@x.example"


def test_somebody_elses_code_confirms_nothing(mailing: Office) -> None:
    visitor = visitor_of(mailing)
    with mailing.database.write() as session:
        somchai = people.get(session, "somchai")
        contacts.begin(session, mailing, somchai, Channel.MAIL, "new@x.example", HERE)
    code = code_in(letters(mailing)[0][1])
    here = my("/me/mailbox", sign_in(visitor, "malee"))
    answer = visitor.fill(f"{here}&sent=1", "/me/mailbox", code=code)
    assert answer.status_code == 422
    reset = visitor.fill("/reset?lang=en", "/reset", code=code, **NEW_FIELDS)
    assert reset.status_code == 422, "a code for a mailbox sets no password"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"mailbox": "nonsense", "old_password": PASSWORD}, "This is no e-mail address."),
        ({"mailbox": "a@b.example,c@d.example", "old_password": PASSWORD}, "no e-mail address"),
        ({"mailbox": "a@b.example\nBcc: c@d.example", "old_password": PASSWORD}, "no e-mail"),
        ({"mailbox": "a@b.example", "old_password": "x"}, "not your password"),
        ({"mailbox": "a@b.example", "old_password": ""}, "Enter your password."),
    ],
)
def test_a_mailbox_needs_to_be_one_and_the_password(
    mailing: Office, fields: dict[str, str], says: str
) -> None:
    visitor = visitor_of(mailing)
    answer = visitor.fill(my("/me/mailbox", sign_in(visitor)), "/me/mailbox", **fields)
    assert answer.status_code == 422 and says in answer.text
    assert letters(mailing) == []


def test_the_old_mailbox_is_told_that_it_is_taken_out(mailing: Office) -> None:
    visitor = visitor_of(mailing)
    here = my("/me/mailbox", sign_in(visitor))
    wrong = visitor.fill(here, "/me/mailbox", do="remove", old_password="wrong")
    assert wrong.status_code == 422
    opened = wrong.text.partition("<details open>")[2].partition("</details>")[0]
    assert 'aria-describedby=" remove-password-error"' in opened, "beside the field that it is of"
    assert 'id="old_password-error"' not in wrong.text
    visitor.fill(here, "/me/mailbox", do="remove", old_password=PASSWORD)
    ((mailbox, body),) = letters(mailing)
    assert mailbox == MAILBOX and "taken out" in body
    with mailing.database.read() as session:
        number = people.get(session, "somchai").id
        assert contacts.address_of(session, number, Channel.MAIL) is None
        assert not session.get_one(Credential, number).must_change
