"""`doctor` names accounts that look alike, and those whose names few keyboards type."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from db.models import Account, AuthEvent
from identity.office import Office
from identity.services import people
from tests.conftest import Site, add_person
from yuenyan.checkup.finding import Finding
from yuenyan.checkup.names import spelled
from yuenyan.checkup.site import check_database
from yuenyan.commands.doctor import CHECKS

TYPED = "caf\u00e9"
OLD = unicodedata.normalize("NFD", TYPED)
THAI_OLD, THAI = "\u0e01\u0e48\u0e38", "\u0e01\u0e38\u0e48"
"""The tone mark before the vowel, and after it."""


def store(office: Office, name: str) -> int:
    """An account with exactly this name, as an earlier version stored it."""
    number = add_person(office, f"stored-{len(name)}-{name.isascii()}")
    with office.database.write() as session:
        session.execute(update(Account).where(Account.id == number).values(username=name))
    return number


def told(site: Site) -> list[Finding]:
    assert check_database in CHECKS
    return [one for one in check_database(site.config) if one.check == "names"]


def test_two_that_look_alike_are_named_apart_with_what_to_do_and_then_no_more(
    site: Site, office: Office
) -> None:
    store(office, OLD)
    number = add_person(office, TYPED)
    add_person(office, "plain")
    with office.database.write() as session:
        login = AuthEvent(
            at=datetime(2026, 11, 20, 18, 0, tzinfo=UTC),
            user_name=TYPED,
            account_id=number,
            method="pap",
            outcome="accept",
            reason="ok",
        )
        session.add(login)
    (finding,) = told(site)
    assert finding.level == "warn"
    assert f"2 accounts look like {TYPED}" in finding.what
    assert "$'cafe\\u0301' (made 20" in finding.what
    assert "no login in the log" in finding.what
    assert "$'caf\\u00e9'" in finding.what and "last login 2026-11-21" in finding.what
    assert finding.todo.startswith("let $'caf\\u00e9' stay")
    assert finding.todo.endswith("yuenyan user disable $'cafe\\u0301'")

    assert site.yuenyan("user", "disable", OLD).exit_code == 0
    with office.database.read() as session:
        assert people.get(session, TYPED).state == "active"
    assert told(site) == []


def test_one_alone_in_an_old_order_is_told_because_it_is_not_found_in_another(
    site: Site, office: Office
) -> None:
    assert unicodedata.normalize("NFC", THAI_OLD) == THAI != THAI_OLD
    store(office, THAI_OLD)
    with office.database.read() as session:
        assert people.find(session, THAI) is None
    (finding,) = told(site)
    assert finding.what.startswith("1 account has the marks")
    assert THAI_OLD in finding.what
    assert "make the account anew" in finding.todo
    assert finding.todo.endswith("yuenyan user disable $'\\u0e01\\u0e48\\u0e38'")


def test_names_as_they_are_stored_now_are_no_objection(site: Site, office: Office) -> None:
    for name in ("plain", TYPED, THAI):
        add_person(office, name)
    assert told(site) == []


@pytest.mark.parametrize(
    ("name", "told_as"),
    [
        ("plain", "$'plain'"),
        ("it's", "$'it\\u0027s'"),
        ("back\\slash", "$'back\\u005cslash'"),
        ("\U0001f600", "$'\\U0001f600'"),
    ],
)
def test_a_name_is_spelled_for_the_shell(name: str, told_as: str) -> None:
    assert spelled(name) == told_as
