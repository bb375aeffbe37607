"""Whose account a name is, in whichever order or form its marks were typed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from db.models import Account
from identity.office import Office
from identity.services import people
from identity.stores.sql import SqlStore
from radius_server.worker.directory import Directory

TONE_LAST, TONE_FIRST = "คร\u0e39\u0e49", "คร\u0e49\u0e39"
"""They look the same, and both are typed; the first is the composed one."""


def _add(office: Office, *names: str) -> None:
    with office.database.write() as session:
        for name in names:
            people.add_user(
                session, office, people.NewUser(username=name, password_hash="$argon2id$"), "test"
            )


@pytest.fixture
def directory(office: Office) -> Iterator[Directory]:
    store = SqlStore(office)
    yield Directory(store)
    store.close()


@pytest.mark.parametrize("made", [TONE_LAST, TONE_FIRST])
@pytest.mark.parametrize("typed", [TONE_LAST, TONE_FIRST])
def test_marks_in_another_order_are_the_same_account(
    office: Office, directory: Directory, made: str, typed: str
) -> None:
    assert TONE_LAST != TONE_FIRST
    _add(office, made)
    account = directory.load([typed])[typed]
    assert account is not None
    assert account.username == TONE_LAST
    directory.forget()
    assert directory.account_ids([typed]) == {typed: account.account_id}


def test_an_accent_of_its_own_is_the_same_account(office: Office, directory: Directory) -> None:
    _add(office, "josé")
    typed = unicodedata.normalize("NFD", "josé")
    assert directory.load([typed])[typed] is not None


def test_an_account_stored_before_is_still_found_as_it_was_spelled(
    office: Office, directory: Directory
) -> None:
    _add(office, "old", TONE_LAST)
    with office.database.write() as session:
        session.execute(
            update(Account).where(Account.username == "old").values(username=TONE_FIRST)
        )
    found = directory.load([TONE_FIRST, TONE_LAST])
    assert [found[name].username for name in (TONE_FIRST, TONE_LAST)] == [TONE_FIRST, TONE_LAST]  # type: ignore[union-attr]
