"""Whose session a packet is: what Class says first, and the database only for the others."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from identity.stores.sql import SqlStore
from radius_server.process import class_attribute
from radius_server.process.accounting import AccountingRecord
from radius_server.worker.directory import Directory
from radius_server.worker.owners import Owners

KEY = bytes(32)
REFERENCE = bytes(range(8))


class Store:
    """Accounts and vouchers by name, and what was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def account_ids(self, usernames: Collection[str]) -> dict[str, int]:
        self.asked.append(sorted(usernames))
        known = {"somchai": 7, "3c22fb010203": 9}
        return {name: known[name] for name in usernames if name in known}

    def voucher_accounts(self, codes: Collection[str]) -> dict[str, int]:
        return {code: 11 for code in codes if code == "BCDFGHJK"}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def owners(store: Store) -> Owners:
    kept = cast(SqlStore, store)
    return Owners(Directory(kept), kept, KEY)


def record(user_name: str | None, *class_values: bytes) -> AccountingRecord:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    return AccountingRecord(1, now, user_name, None, "", None, None, None, (), class_values)


def test_the_database_is_not_asked_for_whom_class_tells_of(store: Store, owners: Owners) -> None:
    ours = class_attribute.seal(KEY, 5, REFERENCE)
    foreign = class_attribute.seal_foreign(KEY, "uni.example", REFERENCE)
    found = owners.find([record("anonymous", ours), record("x@uni.example", foreign)])
    assert found == [(5, REFERENCE.hex()), (None, REFERENCE.hex())]
    assert store.asked == []


def test_names_are_asked_for_together_and_once(store: Store, owners: Owners) -> None:
    forged = class_attribute.seal(bytes(31) + b"x", 5, REFERENCE)
    packets: list[Any] = [
        record("Somchai "),
        record("3C-22-FB-01-02-03", forged),
        record("bcdf-ghjk"),
        record("nobody"),
        record(None),
        record("somchai", class_attribute.seal(KEY, 5, REFERENCE)),
    ]
    expected = [(7, None), (9, None), (11, None), (None, None), (None, None), (5, REFERENCE.hex())]
    assert owners.find(packets) == expected
    assert owners.find(packets) == expected
    assert store.asked == [["3c22fb010203", "bcdf-ghjk", "nobody", "somchai"]]


def test_a_name_that_changed_hands_is_asked_for_anew(store: Store) -> None:
    directory = Directory(cast(SqlStore, store))
    owners = Owners(directory, cast(SqlStore, store), KEY)
    owners.find([record("somchai")])
    directory.drop("SOMCHAI")
    owners.find([record("somchai")])
    directory.forget()
    owners.find([record("somchai")])
    assert store.asked == [["somchai"]] * 3
