"""Tokens of programs: what one looks like, what it may be, and when it is over."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from captive_portal.admin.permissions import ALLOWED, Permission
from common.errors import NotFound, Refused, UsageError
from db.models import ApiToken, AuditEvent, Message, OfficerLevel, VerifiedContact
from identity.domain import api_tokens as domain
from identity.domain.contacts import Channel
from identity.domain.levels import Level
from identity.office import Office
from identity.services import api_tokens, housekeeping, officers, people, roles
from identity.services.api_tokens import Bearer, Refusal, TokenDenied, Wanted
from identity.services.token_endings import State, state_of
from tests.conftest import ADMIN

CUSTODIAN = Wanted(name="watcher", levels=[Level.CUSTODIAN], days=30)


def at(office: Office, moment: datetime) -> Office:
    """The same office at another time."""
    return replace(office, clock=lambda: moment)


def make(office: Office, wanted: Wanted = CUSTODIAN, owner: str = ADMIN) -> tuple[int, str]:
    with office.database.write() as session:
        account = people.get(session, owner)
        made, text = api_tokens.create(session, office, account, wanted, owner)
        return made.id, text


def prove(office: Office, text: str) -> Bearer | TokenDenied:
    with office.database.read() as session:
        return api_tokens.prove(session, office, text)


def refusal(office: Office, text: str) -> Refusal | None:
    found = prove(office, text)
    return found.refusal if isinstance(found, TokenDenied) else None


def test_a_token_can_be_told_from_other_text_without_asking_anybody() -> None:
    text = domain.spell(bytes(range(32)))
    assert text.startswith("yuenyan_") and text.isascii() and len(text) == 80
    assert domain.is_well_formed(text)
    for wrong in (text[:-1], text + "0", text.upper(), text.replace("0", "1", 1), "", f" {text}"):
        assert not domain.is_well_formed(wrong), wrong


def test_nothing_that_is_kept_of_a_token_opens_anything(office: Office) -> None:
    number, text = make(office)
    with office.database.read() as session:
        row = session.get_one(ApiToken, number)
        assert text not in repr(vars(row)) and text.removeprefix("yuenyan_") not in repr(vars(row))
        assert row.secret_hash == domain.digest(text)
        told = session.scalars(select(AuditEvent.detail)).all()
    assert not any(text in detail for detail in told)
    assert isinstance(prove(office, text), Bearer)
    assert make(office, Wanted(name="b", levels=[Level.ADMIN], days=1))[1] != text


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        (Wanted(name="", levels=[Level.ADMIN], days=1), UsageError, "name"),
        (Wanted(name="a\nb", levels=[Level.ADMIN], days=1), UsageError, "name"),
        (Wanted(name="a", levels=[], days=1), UsageError, "levels"),
        (Wanted(name="a", levels=[Level.ADMIN], days=0), UsageError, "1 to 365 days"),
        (Wanted(name="a", levels=[Level.ADMIN], days=366), UsageError, "1 to 365 days"),
        (Wanted(name="a", levels=[Level.SCHOOL], days=1), Refused, "is not school"),
        (Wanted(name="a", levels=[Level.ADMIN], days=1, names=True), Refused, "unlock names"),
        (Wanted(name="a", levels=[Level.ADMIN], days=1, organisation="X"), NotFound, "org list"),
    ],
)
def test_a_token_that_is_more_than_its_owner_is_not_made(
    office: Office, wanted: Wanted, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        make(office, wanted)
    with office.database.read() as session:
        assert session.scalars(select(ApiToken)).all() == []


def test_a_name_is_taken_while_its_token_lives_and_an_officer_has_twenty_at_most(
    office: Office,
) -> None:
    number, _text = make(office)
    with pytest.raises(Refused, match="has a token called 'watcher'"):
        make(office)
    with office.database.write() as session:
        api_tokens.revoke(session, office, number, ADMIN)
        with pytest.raises(Refused, match="revoked already"):
            api_tokens.revoke(session, office, number, ADMIN)
    for index in range(api_tokens.MOST_LIVE):
        make(office, Wanted(name=f"t{index}", levels=[Level.ADMIN], days=1))
    with pytest.raises(Refused, match="has 20 tokens"):
        make(office)


def test_a_token_is_over_with_its_time(office: Office) -> None:
    number, text = make(office)
    with office.database.read() as session:
        found = session.get_one(ApiToken, number)
        ends = found.expires_at
        assert state_of(found, ends) is State.EXPIRED
    assert isinstance(prove(at(office, ends - timedelta(seconds=1)), text), Bearer)
    assert refusal(at(office, ends), text) is Refusal.EXPIRED


def test_suspending_or_a_new_password_of_the_owner_ends_every_token_for_good(
    office: Office,
) -> None:
    _number, text = make(office)
    with office.database.write() as session:
        people.set_state(session, office, ADMIN, "suspended", "command-line")
    assert refusal(office, text) is Refusal.REVOKED
    with office.database.write() as session:
        people.set_state(session, office, ADMIN, "active", "command-line")
    assert refusal(office, text) is Refusal.REVOKED
    _number, second = make(office)
    with office.database.write() as session:
        people.set_password(session, office, ADMIN, "$argon2id$other", "command-line")
    assert refusal(office, second) is Refusal.REVOKED


def test_a_token_of_an_account_that_expired_is_dead_for_good(office: Office) -> None:
    _number, text = make(office)
    with office.database.write() as session:
        people.get(session, ADMIN).expires_at = office.clock()
    with office.database.write() as session:
        assert housekeeping.expire_accounts(session, office.clock()) == 1
    with office.database.write() as session:
        owner = people.get(session, ADMIN)
        owner.state, owner.expires_at = "active", None
    assert refusal(office, text) is Refusal.REVOKED


def test_an_officer_is_told_of_a_token_that_somebody_else_made_in_their_name(
    office: Office,
) -> None:
    mail = office.config.mail.model_copy(update={"host": "mail.example"})
    office = replace(office, config=office.config.model_copy(update={"mail": mail}))
    with office.database.write() as session:
        owner = people.get(session, ADMIN)
        session.add(
            VerifiedContact(
                account_id=owner.id,
                channel=Channel.MAIL,
                address="head@school.example",
                verified_at=office.clock(),
                how="code",
            )
        )
        api_tokens.create(session, office, owner, CUSTODIAN, ADMIN)
    with office.database.write() as session:
        assert session.scalars(select(Message)).all() == []
        owner = people.get(session, ADMIN)
        other = replace(CUSTODIAN, name="other")
        made, _ = api_tokens.create(session, office, owner, other, "command-line", "somchai")
        assert made.created_by == "somchai"
    with office.database.read() as session:
        assert session.scalars(select(Message.recipient)).all() == ["head@school.example"]
        noted = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "token:created")
        ).all()
    assert "somchai" in str(noted[-1].detail)


def test_a_level_that_is_taken_and_given_back_does_not_wake_a_token(office: Office) -> None:
    both = Wanted(name="w", levels=[Level.CUSTODIAN, Level.COORDINATOR], days=9, names=True)
    number, text = make(office, both)
    alone_number, alone = make(office, CUSTODIAN)
    with office.database.write() as session:
        officers.revoke(session, office, ADMIN, Level.CUSTODIAN, "command-line")
    assert refusal(office, alone) is Refusal.REVOKED
    with office.database.write() as session:
        officers.grant(session, office, ADMIN, Level.CUSTODIAN, "command-line")
    found = prove(office, text)
    assert isinstance(found, Bearer) and found.levels == (Level.COORDINATOR,)
    assert refusal(office, alone) is Refusal.REVOKED
    with office.database.write() as session:
        officers.revoke(session, office, ADMIN, Level.COORDINATOR, "command-line")
    assert refusal(office, text) is Refusal.REVOKED
    with office.database.read() as session:
        told = session.execute(
            select(AuditEvent.action, AuditEvent.detail)
            .where(AuditEvent.action.in_(("token:narrowed", "token:ended")))
            .order_by(AuditEvent.id)
        ).all()
    assert [(action, json.loads(detail)) for action, detail in told] == [
        ("token:narrowed", {"token": number, "name": "w", "level": "custodian"}),
        ("token:ended", {"token": alone_number, "name": "watcher", "why": "level"}),
        ("token:ended", {"token": number, "name": "w", "why": "level"}),
    ]


def test_a_token_that_slept_since_an_older_release_does_not_wake_either(office: Office) -> None:
    _number, text = make(office)
    with office.database.write() as session:
        owner = people.get(session, ADMIN)
        session.delete(session.get_one(OfficerLevel, (owner.id, Level.CUSTODIAN)))
    assert refusal(office, text) is Refusal.OWNER
    with office.database.write() as session:
        officers.grant(session, office, ADMIN, Level.CUSTODIAN, "command-line")
    assert refusal(office, text) is Refusal.REVOKED


def test_a_token_of_an_owner_whose_time_is_over_opens_nothing(office: Office) -> None:
    _number, text = make(office)
    with office.database.write() as session:
        people.get(session, ADMIN).expires_at = office.clock()
    assert refusal(office, text) is Refusal.OWNER


def test_a_token_sees_what_both_it_and_its_owner_see(office: Office) -> None:
    with office.database.write() as session:
        roles.add_organisation(session, office, "AREA", "เขต", "test")
        for code in ("S1", "S2"):
            roles.add_organisation(session, office, code, code, "test", parent="AREA")
        numbers = {code: roles.get_organisation(session, code).id for code in ("AREA", "S1", "S2")}
    one_school = Wanted(name="s1", levels=[Level.CUSTODIAN], days=9, organisation="S1")
    _number, text = make(office, one_school)
    found = prove(office, text)
    assert isinstance(found, Bearer)
    assert found.reach.covers(numbers["S1"]) and not found.reach.covers(numbers["S2"])
    with office.database.write() as session:
        people.get(session, ADMIN).organisation_id = numbers["S2"]
    found = prove(office, text)
    assert isinstance(found, Bearer) and not found.reach.covers(numbers["S1"])
    assert not found.reach.covers(numbers["S2"]) and not found.reach.covers(None)
    with pytest.raises(Refused, match="does not see S1"):
        make(office, Wanted(name="again", levels=[Level.ADMIN], days=9, organisation="S1"))


def test_use_is_noted_once_a_minute_and_on_record_once_an_hour_and_address(
    office: Office,
) -> None:
    number, _text = make(office)
    start = office.clock().replace(minute=0, second=0) + timedelta(hours=1)
    steps = ((0, "10.0.0.1"), (20, "10.0.0.1"), (90, "10.0.0.1"), (100, "10.0.0.2"),
             (3700, "10.0.0.2"))  # fmt: skip
    noted = []
    for seconds, address in steps:
        then = at(office, start + timedelta(seconds=seconds))
        with office.database.write() as session:
            noted.append(api_tokens.is_to_note(session, then, number, address))
            if noted[-1]:
                api_tokens.note_use(session, then, number, ADMIN, address)
    assert noted == [True, False, True, True, True]
    with office.database.read() as session:
        rows = session.scalars(select(AuditEvent).where(AuditEvent.action == "token:used")).all()
        assert len(rows) == 3
        assert session.get_one(ApiToken, number).last_used_from == "10.0.0.2"


def test_who_may_unlock_names_is_the_same_here_and_on_the_pages() -> None:
    assert ALLOWED[Permission.REVEAL] == api_tokens._REVEALERS
