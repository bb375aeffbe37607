"""A worker tells the sessions of one Acct-Session-Id apart, on either database."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from common.net import parse_prefix
from db.ledger import Ledger, open_ledger
from db.ledger.batch import UnclearError
from db.models import AccountingEvent, NetworkSession
from identity.domain.reused_ids import numbered_key
from identity.domain.sessions import SessionState
from identity.office import Office
from identity.stores.sql import NasFacts, SqlStore, StoredSession
from radius_server.packet.packet import decode
from radius_server.process.accounting import AccountingRecord, read
from radius_server.worker.clients import NasClient
from radius_server.worker.exchange import Exchange
from radius_server.worker.outcome import Outcome
from radius_server.worker.reused_ids import MAXIMUM_SESSIONS, ReusedIds
from tests.integration.radius_packets import attribute
from tests.unit.radius_server.worker.test_worker import Wire

START, STOP, INTERIM = 1, 2, 3
FIRST, SECOND = "11" * 8, "22" * 8


class Site:
    """What accounting leaves behind; each `say` is one batch of a worker."""

    def __init__(self, office: Office, nas: NasClient) -> None:
        self.office, self.nas, self.now = office, nas, office.clock()
        self.store = SqlStore(office)
        self.ledger: Ledger = open_ledger(office.config.database_url)
        self.reused_ids = ReusedIds(self.store)
        self.looked = 0
        """How many batches were looked at closer."""

    def say(self, *packets: tuple[int, int, str | None, float]) -> list[str]:
        """Take packets (status, Acct-Session-Time, login, seconds after the beginning)."""
        said = [self._record(*packet) for packet in packets]
        outcome = Outcome(b"k" * 32)
        for (exchange, record), packet in zip(said, packets, strict=True):
            outcome.accounted(exchange, record, 7, packet[2])
        try:
            if outcome.is_unclear:
                raise UnclearError
            self.ledger.commit(outcome.finish())
        except UnclearError:
            self.looked += 1
            self.ledger.commit(outcome.placed(self.reused_ids.place).finish())
        return [record.session.session_key for _, record in said if record.session is not None]

    def _record(
        self, status: int, seconds: int, reference: str | None, at: float
    ) -> tuple[Exchange, AccountingRecord]:
        moment = self.now + timedelta(seconds=at)
        body = b"".join(
            attribute(kind, value)
            for kind, value in (
                (40, status.to_bytes(4, "big")),
                (44, b"00000001"),
                (1, b"somchai"),
                (31, b"3C-22-FB-00-00-01"),
                (8, bytes((10, 0, 0, int(reference or "0", 16) % 200 + 1))),
                *(((46, seconds.to_bytes(4, "big")),) if seconds else ()),
                (55, int(moment.timestamp()).to_bytes(4, "big")),
            )
        )
        octets = bytes((4, 1)) + (20 + len(body)).to_bytes(2, "big") + bytes(16) + body
        packet = decode(octets)
        exchange = Exchange(Wire(), ("127.0.0.1", 1), packet, self.nas, moment, ())
        return exchange, read(packet, self.nas.facts.nas_client_id, moment)

    def stored(self) -> dict[str, NetworkSession]:
        with self.office.database.read() as session:
            return {row.session_key: row for row in session.scalars(select(NetworkSession))}


@pytest.fixture
def site(office_on: Office) -> Iterator[Site]:
    facts = NasFacts(
        nas_client_id=1,
        name="switch",
        network=parse_prefix("127.0.0.1/32"),
        vendor="generic",
        require_message_authenticator=True,
        secret=b"a shared secret of some length",
    )
    site = Site(office_on, NasClient(facts))
    yield site
    site.ledger.close()
    site.store.close()


def test_a_device_that_comes_back_has_a_session_of_its_own(site: Site) -> None:
    (first,) = site.say((START, 0, FIRST, 0))
    site.say((INTERIM, 60, FIRST, 60), (STOP, 61, FIRST, 61))
    (second,) = site.say((START, 0, SECOND, 63))
    assert site.say((INTERIM, 60, SECOND, 123), (STOP, 90, SECOND, 153)) == [second, second]
    stored = site.stored()
    assert set(stored) == {first, second}
    one, other = stored[first], stored[second]
    assert (one.session_ref, one.session_seconds, one.stop_seen) == (FIRST, 61, 1)
    assert (other.session_ref, other.session_seconds, other.stop_seen) == (SECOND, 90, 1)
    assert one.stop_at is not None
    assert one.stop_at < other.started_at == site.now + timedelta(seconds=63)
    with site.office.database.read() as session:
        events = session.scalars(select(AccountingEvent.session_key).order_by(AccountingEvent.id))
        assert events.all() == [first, first, first, second, second, second]


def test_stop_and_start_that_arrive_together_are_told_apart(site: Site) -> None:
    site.say((START, 0, FIRST, 0))
    keys = site.say((STOP, 5, FIRST, 5), (START, 0, SECOND, 6), (STOP, 2, SECOND, 8))
    assert keys[0] != keys[1] == keys[2]
    assert site.stored()[keys[1]].session_seconds == 2


def test_what_comes_late_finds_the_session_it_was_part_of(site: Site) -> None:
    (first,) = site.say((START, 0, FIRST, 0))
    site.say((STOP, 61, FIRST, 61))
    (second,) = site.say((START, 0, SECOND, 63))
    assert site.say((INTERIM, 60, SECOND, 123)) == [second]
    assert site.say((STOP, 61, FIRST, 130)) == [first]  # resent after a lost answer
    assert site.stored()[second].stop_seen == 0


def test_a_login_within_a_session_begins_no_other(site: Site) -> None:
    (first,) = site.say((START, 0, FIRST, 0))
    assert site.say((INTERIM, 60, SECOND, 60)) == [first]
    assert site.say((STOP, 90, SECOND, 90), (INTERIM, 80, SECOND, 91)) == [first, first]
    assert len(site.stored()) == 1


def test_equipment_that_counts_from_one_after_a_restart_and_sends_no_class(site: Site) -> None:
    keys = []
    for boot in range(12):
        (started,) = site.say((START, 0, None, boot * 1000))
        assert site.say((INTERIM, 300, None, boot * 1000 + 300)) == [started]
        assert site.say((START, 0, None, boot * 1000)) == [started], "a copy that came late"
        assert site.say((STOP, 400, None, boot * 1000 + 400)) == [started]
        keys.append(started)
    assert len(set(keys)) == 12
    stored = site.stored()
    assert [stored[key].session_seconds for key in keys] == [400] * 12


def test_a_session_that_was_ended_without_a_stop_is_over_too(site: Site) -> None:
    (first,) = site.say((START, 0, FIRST, 0))
    with site.office.database.write() as session:
        row = session.get_one(NetworkSession, first)
        row.closed_at, row.close_cause = site.now + timedelta(seconds=10), "disconnected"
    (second,) = site.say((START, 0, SECOND, 12))
    assert second != first


def test_only_a_key_that_stands_for_two_sessions_costs_a_question(site: Site) -> None:
    site.say((START, 0, FIRST, 0), (INTERIM, 60, FIRST, 60))
    site.say((INTERIM, 120, FIRST, 120), (STOP, 150, FIRST, 150))
    site.say((STOP, 150, FIRST, 155))
    assert site.looked == 0, "a stop that is sent again is part of what it stopped"
    site.say((START, 0, SECOND, 157))
    assert site.looked == 1


class Remembering(SqlStore):
    """A store that holds so many ended sessions of one key, a thousand seconds apart."""

    def __init__(self, office: Office, first: SessionState, count: int) -> None:
        super().__init__(office)
        self.asked: list[int] = []
        """How many keys each look-up named."""
        self.held: dict[str, StoredSession] = {}
        for number in range(1, count + 1):
            key = numbered_key(first.session_key, number)
            began = first.started_at + timedelta(seconds=1000 * number)
            self.held[key] = StoredSession(
                replace(
                    first,
                    session_key=key,
                    session_ref=f"{number:016x}",
                    started_at=began,
                    last_heard_at=began,
                    stop_seen=1,
                    stop_at=began + timedelta(seconds=400),
                ),
                None,
            )

    def sessions(self, keys: Collection[str]) -> dict[str, StoredSession]:
        self.asked.append(len(keys))
        return {key: self.held[key] for key in keys if key in self.held}


@pytest.mark.parametrize("count", [511, 512, 513, 4096, 4500])
def test_visits_are_told_apart_however_many_there_have_been(site: Site, count: int) -> None:
    _, record = site._record(START, 0, None, 0)
    first = record.session
    assert first is not None
    first_key = first.session_key
    store = Remembering(site.office, first, count)
    reused_ids = ReusedIds(store)

    def place(reference: int, at: float) -> str:
        ref = f"{reference:016x}"
        _, record = site._record(START, 0, ref, at)
        reused_ids.place([record], [(7, ref)])
        assert record.session is not None
        return record.session.session_key

    assert place(count + 1, 1000 * count + 500) == numbered_key(first_key, count + 1)
    assert place(count, 1000 * count + 500) == numbered_key(first_key, count), "a late packet"
    assert len(store.asked) <= 2 * 6, "six look-ups for a batch"
    assert sum(store.asked) <= 2 * MAXIMUM_SESSIONS
    store.close()
