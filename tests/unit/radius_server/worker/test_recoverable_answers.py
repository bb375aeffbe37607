"""What RecoverSecret is answered with: what an account keeps, nothing, or that nobody can say."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from common.metrics import Counters
from identity.domain.access import AccountSnapshot, Denied, Method, Reason, Unavailable
from identity.domain.recoverable import Recoverable, nt_hash
from identity.domain.throttle import Penalties
from identity.office import Office
from identity.services import people
from identity.stores.sql import KeptSecret, SqlStore
from identity.vault import Vault
from identity.verified import TABLE_OCTETS, VerifiedPasswords
from radius_server.process.questions import (
    Dialogue,
    FindAccount,
    RecoveredSecret,
    RecoverSecret,
)
from radius_server.worker.directory import Directory
from radius_server.worker.questions import Login, Questions
from radius_server.worker.responders import Responders

PASSWORD = "seven elephants"
ENDED = Denied(Reason.BAD_REQUEST, Method.PAP)
KINDS = {
    "password": Recoverable.PASSWORD,
    "hash": Recoverable.NT_HASH,
    "nothing": None,
}


@pytest.fixture
def stocked(office_on: Office) -> Office:
    for name, kind in KINDS.items():
        new = people.NewUser(
            username=name, password_hash="$argon2id$", password=PASSWORD, recoverable=kind
        )
        with office_on.database.write() as session:
            people.add_user(session, office_on, new, "test")
    return office_on


def _told(office: Office) -> dict[str, Any]:
    """The answers for every account, asked for in one turn."""
    told: dict[str, Any] = {}

    def ask(name: str) -> Dialogue:
        account = yield FindAccount(name)
        assert isinstance(account, AccountSnapshot)
        told[name] = yield RecoverSecret(account)
        return ENDED

    store = SqlStore(office)
    questions = Questions(
        store,
        Directory(store),
        VerifiedPasswords(b"key", bytearray(TABLE_OCTETS)),
        Counters(),
        threads=1,
        queue_limit=10,
        wake=lambda: None,
        penalties=Penalties(secrets.token_bytes(32)),
        responders=Responders(1.0, Counters(), office.clock),
    )
    try:
        decided, dropped = questions.start([Login(ask(name), None) for name in KINDS])
        assert [login.decision for login in decided] == [ENDED] * len(KINDS)
        assert not dropped
    finally:
        questions.close()
        store.close()
    return told


def test_each_account_gets_what_it_keeps(stocked: Office) -> None:
    assert _told(stocked) == {
        "password": RecoveredSecret(password=PASSWORD.encode()),
        "hash": RecoveredSecret(nt_hash=nt_hash(PASSWORD)),
        "nothing": None,
    }


def test_under_another_key_nobody_can_say_and_who_keeps_nothing_is_not_held_up(
    stocked: Office,
) -> None:
    other = replace(stocked, vault=Vault(b"the key of another site"))
    assert _told(other) == {
        "password": Unavailable("vault"),
        "hash": Unavailable("vault"),
        "nothing": None,
    }


def test_what_is_kept_is_read_once_until_something_changes(stocked: Office) -> None:
    asked: list[list[int]] = []

    class Counting(SqlStore):
        def recoverable(self, account_ids: Collection[int]) -> dict[int, KeptSecret | None]:
            asked.append(sorted(account_ids))
            return super().recoverable(account_ids)

    store = Counting(stocked)
    directory = Directory(store)
    accounts = directory.load(set(KINDS))
    numbers = sorted(account.account_id for account in accounts.values() if account)
    first = directory.kept_secrets(numbers)
    assert directory.kept_secrets(numbers[:1]) == {numbers[0]: first[numbers[0]]}
    assert asked == [numbers]
    with stocked.database.write() as session:
        person = people.get(session, "password")
        people.set_password(session, stocked, "password", "$argon2id$2", "test", "8 elephants")
    directory.forget()
    again = directory.kept_secrets(numbers)
    store.close()
    changed = [number for number in numbers if again[number] != first[number]]
    assert changed == [person.id]
    assert asked == [numbers, numbers]


def test_a_secret_is_in_no_repr() -> None:
    assert PASSWORD not in repr(RecoveredSecret(password=PASSWORD.encode()))
    assert PASSWORD not in repr(people.NewUser(username="x", password_hash="x", password=PASSWORD))
