"""The outbox of accounting for home servers, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from db.ledger import Batch, open_ledger
from db.models.base import to_micros
from identity.office import Office
from identity.services import relay_outbox
from identity.services.relay_outbox import BACK_OFF, SETTLE

LEASE = timedelta(seconds=30)


def owe(office: Office, session_key: str, *, realm: str = "x", ago: float = 10.0) -> None:
    """As a worker's commit writes it."""
    at = office.clock() - timedelta(seconds=ago)
    row: tuple[Any, ...] = (to_micros(at), realm, session_key, b"\x04", to_micros(at + SETTLE), 0)
    ledger = open_ledger(office.database.url)
    try:
        ledger.commit(Batch(relays=[row]))
    finally:
        ledger.close()


def claim(office: Office, node: str, *realms: str, after: float = 0.0) -> list[int]:
    now = office.clock() + timedelta(seconds=after)
    with office.database.write() as session:
        found = relay_outbox.claim(session, realms or ("x",), node, now, now + LEASE, 100)
    return [owed.number for owed in found]


def test_of_a_session_only_the_oldest_is_handed_out(office_on: Office) -> None:
    for key in ("a", "a", "b", "a"):
        owe(office_on, key)
    assert claim(office_on, "one") == [1, 3]
    assert claim(office_on, "two") == []
    with office_on.database.write() as session:
        relay_outbox.delivered(session, "one", [1, 3])
    assert claim(office_on, "two") == [2]


def test_what_a_dead_node_had_is_taken_up_when_its_lease_ends(office_on: Office) -> None:
    owe(office_on, "a")
    assert claim(office_on, "one") == [1]
    assert claim(office_on, "two", after=31) == [1]
    with office_on.database.write() as session:
        relay_outbox.delivered(session, "one", [1])  # it was not dead, and is late
    with office_on.database.read() as session:
        assert relay_outbox.backlogs(session)[0].waiting == 1


def test_what_came_this_second_rests_and_other_realms_are_not_touched(office_on: Office) -> None:
    owe(office_on, "a", ago=0.0)
    owe(office_on, "b", realm="y")
    assert claim(office_on, "one") == []
    assert claim(office_on, "one", after=1.5) == [1]


@pytest.mark.parametrize("attempts", [0, 2, 40])
def test_what_nobody_answers_waits_longer_each_time(office_on: Office, attempts: int) -> None:
    owe(office_on, "a")
    assert claim(office_on, "one") == [1]
    with office_on.database.write() as session:
        relay_outbox.put_off(session, "one", office_on.clock(), {1: attempts})
    wait = BACK_OFF[min(attempts, len(BACK_OFF) - 1)].total_seconds()
    assert claim(office_on, "one", after=wait - 2) == []
    assert claim(office_on, "one", after=wait + 2) == [1]


def test_what_is_too_old_is_dropped_and_counted(office_on: Office) -> None:
    owe(office_on, "a", ago=1000)
    owe(office_on, "b", ago=10)
    with office_on.database.write() as session:
        before = office_on.clock() - timedelta(seconds=500)
        assert relay_outbox.drop_older(session, before) == 1
    with office_on.database.read() as session:
        (backlog,) = relay_outbox.backlogs(session)
    assert (backlog.realm, backlog.waiting, backlog.attempts) == ("x", 1, 0)


def test_a_row_that_cannot_be_stored_takes_its_batch_along(office_on: Office) -> None:
    """Stored or not: what is owed and what is on record are one commit."""
    ledger = open_ledger(office_on.database.url)
    event = (0, 1, "s", 1, "k", None, None, None, None, None, b"\x04")
    broken: tuple[Any, ...] = (None, "x", "k", b"\x04", 0, 0)
    try:
        with pytest.raises(Exception, match=r"(?i)null"):
            ledger.commit(Batch(accounting_events=[event], relays=[broken]))
    finally:
        ledger.close()
    with office_on.database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM accounting_event")) == 0
