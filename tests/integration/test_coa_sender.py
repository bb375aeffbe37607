"""radius_server.coa_sender on real sockets and both databases: sent, heard, noted, given up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from common.metrics import Counters
from common.net import parse_prefix
from db.append_only import lifted
from db.ledger import open_ledger
from db.models import AccountingEvent, CoaRequest, NetworkSession
from db.models import NasClient as NasRow
from identity.domain.dynamic import Change, State
from identity.office import Office
from identity.services import dynamic, nas, outbox, people
from identity.stores.sql import NasFacts
from radius_server.coa_sender import CoaSender, Pace
from radius_server.packet.packet import decode
from radius_server.process.accounting import read
from radius_server.worker.clients import NasClient
from radius_server.worker.exchange import Exchange
from radius_server.worker.outcome import Outcome
from tests.conftest import add_person, wait_until
from tests.integration.das_peer import DasPeer, acknowledge, das_peer, refuse, stay_silent
from tests.integration.radius_packets import START, STOP, accounting_request
from tests.integration.radius_site import LOOPBACK, SECRET

QUICK = Pace(send_after=(0.0, 0.15, 0.3), round_seconds=0.6, poll_seconds=0.1)


class School:
    """An office with one NAS and one person on it."""

    def __init__(self, office: Office, peer: DasPeer) -> None:
        self.office = office
        self.peer = peer
        self.counters = Counters()
        self.account_id = add_person(office, "somchai")
        with office.database.write() as session:
            gate = nas.add_nas(
                session, office, "gate", LOOPBACK, SECRET, "test", coa_port=peer.port
            )
        self.nas_id = gate.id

    def account(
        self, session_id: str, status: int = START, seconds: int = 0, nas_id: int | None = None
    ) -> str:
        """An accounting packet of a NAS, committed as a worker commits it; the session's key."""
        facts = NasFacts(
            nas_client_id=nas_id or self.nas_id,
            name="gate",
            network=parse_prefix(LOOPBACK),
            vendor="generic",
            require_message_authenticator=True,
            secret=SECRET.encode(),
        )
        octets = accounting_request(
            1, SECRET.encode(), status, session_id.encode(), name=b"Somchai", seconds=seconds
        )
        received_at = self.office.clock()
        exchange = Exchange(
            None, ("127.0.0.1", 50_000), decode(octets), NasClient(facts), received_at, ()
        )
        record = read(exchange.packet, facts.nas_client_id, received_at)
        assert record.session is not None
        outcome = Outcome(b"k" * 32)
        outcome.accounted(exchange, record, self.account_id, None)
        ledger = open_ledger(self.office.database.url)
        try:
            ledger.commit(outcome.finish())
        finally:
            ledger.close()
        return record.session.session_key

    def request(self, number: int = 1) -> CoaRequest:
        with self.office.database.read() as session:
            found = session.get(CoaRequest, number)
        assert found is not None
        return found

    def session(self, key: str) -> NetworkSession:
        with self.office.database.read() as session:
            found = session.get(NetworkSession, key)
        assert found is not None
        return found

    def suspend(self) -> None:
        with self.office.database.write() as session:
            people.set_state(session, self.office, "somchai", "suspended", "head")

    def dropped(self, reason: str) -> int:
        """How many answers were dropped for it."""
        return self.counters.get("dynamic_dropped", reason=reason)

    def wait_for(self, state: State, seconds: float = 10.0, number: int = 1) -> CoaRequest:
        wait_until(
            lambda: self.request(number).state == state,
            seconds,
            f"the request is {self.request(number).state}",
        )
        return self.request(number)

    @contextmanager
    def sender(self, pace: Pace = QUICK) -> Iterator[CoaSender]:
        """A sender at work."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.bind(("127.0.0.1", 0))
            sender = CoaSender(self.office, self.counters, [channel], pace=pace)
            thread = threading.Thread(target=sender.run)
            thread.start()
            try:
                yield sender
            finally:
                sender.stop()
                thread.join(10)
                assert not thread.is_alive()
                assert self.counters.get("dynamic_internal_errors") == 0

    def ask(self, key: str) -> int:
        """An officer ends a session; the number of the request."""
        with self.office.database.write() as session:
            return dynamic.disconnect_session(session, self.office, key, "officer", "")


def rounds_ended(school: School, count: int) -> Callable[[], bool]:
    """Whether so many rounds have been put off."""

    def ended() -> bool:
        request = school.request()
        return request.attempts == count and request.claimed_by is None

    return ended


@pytest.fixture
def peer() -> Iterator[DasPeer]:
    with das_peer() as listening:
        yield listening


@pytest.fixture
def school(office_on: Office, peer: DasPeer) -> School:
    return School(office_on, peer)


def test_a_suspended_account_s_session_is_ended(school: School, peer: DasPeer) -> None:
    key = school.account("5A")
    school.suspend()
    assert school.request().state == State.QUEUED
    with school.sender():
        done = school.wait_for(State.ACKED)
    assert peer.received[0][0] == 40
    assert peer.is_authentic()
    values = peer.values()
    assert values[1] == b"Somchai"
    assert values[44] == b"5A"
    assert values[31] == b"3C-22-FB-00-00-01"
    assert values[32] == b"ap-load"
    assert set(values) == {80, 1, 44, 31, 32, 55}
    assert (done.reason, done.actor, done.attempts) == ("account_suspended", "head", 1)
    assert (done.error_cause, done.finished_at is None) == (None, False)
    row = school.session(key)
    assert row.close_cause == "disconnected"
    assert row.closed_at == done.finished_at
    assert school.counters.get("dynamic_outcomes", kind="disconnect", outcome="acked") == 1


def test_the_workers_know_of_a_suspension_before_the_nas(school: School, peer: DasPeer) -> None:
    """Else whoever is put off and comes straight back would be let in from memory."""
    school.account("5A")
    school.suspend()
    with school.sender():
        peer.wait()
        request = school.request()
        assert school.office.clock() - request.created_at >= timedelta(seconds=1)
        school.wait_for(State.ACKED)
    assert request.not_before - request.created_at == timedelta(seconds=1)


def test_what_an_officer_asks_for_does_not_wait(school: School) -> None:
    key = school.account("5A")
    with school.office.database.write() as session:
        dynamic.disconnect_session(session, school.office, key, "head")
    request = school.request()
    assert request.next_try_at == request.not_before == request.created_at


def test_a_stop_that_follows_outweighs_our_closing(school: School) -> None:
    key = school.account("5A")
    school.suspend()
    with school.sender():
        school.wait_for(State.ACKED)
    school.account("5A", STOP, seconds=5)
    row = school.session(key)
    assert (row.stop_seen, row.closed_at) == (1, None)


def test_copies_are_octet_for_octet_the_same(school: School, peer: DasPeer) -> None:
    school.account("5A")
    peer.answer = lambda number: acknowledge(number) if number == 3 else None
    school.suspend()
    with school.sender():
        school.wait_for(State.ACKED)
    assert len(peer.received) == 3
    assert len(set(peer.received)) == 1
    assert len(set(peer.sources)) == 1
    assert school.request().attempts == 1


@pytest.mark.parametrize("cause", [None, 401, 501, 504, 508])
def test_a_refusal_and_its_cause_are_kept(school: School, peer: DasPeer, cause: int | None) -> None:
    key = school.account("5A")
    peer.answer = refuse(cause)
    school.suspend()
    with school.sender():
        done = school.wait_for(State.NAKKED)
    assert done.error_cause == cause
    assert school.session(key).closed_at is None
    assert len(peer.received) == 1


def test_a_session_the_nas_does_not_know_is_closed_here(school: School, peer: DasPeer) -> None:
    key = school.account("5A")
    peer.answer = refuse(503)
    school.suspend()
    with school.sender():
        school.wait_for(State.NAKKED)
    assert school.session(key).close_cause == "not_on_nas"
    # It was wrong: the session goes on.
    time.sleep(0.01)  # what it tells is younger than the end
    school.account("5A", 3, seconds=60)
    assert school.session(key).closed_at is None


def test_a_nas_without_resources_is_asked_again(school: School, peer: DasPeer) -> None:
    school.account("5A")
    peer.answer = refuse(506)
    school.suspend()
    with school.sender():
        peer.wait()
        wait_until(lambda: school.request().claimed_by is None, 5, "not put off")
    request = school.request()
    assert request.state == State.QUEUED
    assert request.next_try_at > school.office.clock()


def test_a_silent_nas_is_given_up_after_three_rounds(school: School, peer: DasPeer) -> None:
    key = school.account("5A")
    peer.answer = stay_silent
    school.suspend()
    with school.sender():
        for attempt in (1, 2):
            wait_until(rounds_ended(school, attempt), 10, "no round ended")
            wait = school.request().next_try_at - school.office.clock()
            assert timedelta(0) < wait <= outbox.BACK_OFF[attempt - 1]
            with school.office.database.write() as session:  # as if that time had passed
                session.execute(update(CoaRequest).values(next_try_at=school.office.clock()))
        school.wait_for(State.TIMED_OUT)
    assert len(peer.received) == 3 * len(QUICK.send_after)
    # A new round is a new request, with a new identifier.
    assert len({octets[1] for octets in peer.received}) == 3
    assert school.session(key).closed_at is None


def test_an_answer_with_another_secret_is_no_answer(school: School, peer: DasPeer) -> None:
    school.account("5A")
    peer.secret = b"what an attacker guessed"
    school.suspend()
    with school.sender():
        peer.wait(3)
        wait_until(lambda: school.dropped("bad_response_authenticator") == 3, 5, "not all dropped")
    assert school.request().state == State.QUEUED


def test_a_stranger_s_datagram_changes_nothing(school: School, peer: DasPeer) -> None:
    school.account("5A")
    peer.answer = stay_silent
    school.suspend()
    with (
        school.sender(Pace(send_after=(0.0,), round_seconds=5, poll_seconds=0.1)),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        peer.wait()
        right = peer.reply(peer.received[0], 1, None)
        for octets in (b"", b"\x29", right):
            stranger.sendto(octets, peer.sources[0])
        wait_until(lambda: school.dropped("unexpected") == 3, 5, "not all dropped")
        assert school.request().state == State.QUEUED


def test_a_request_whose_session_ended_meanwhile_is_not_sent(school: School, peer: DasPeer) -> None:
    school.account("5A")
    school.suspend()
    school.account("5A", STOP)
    with school.sender():
        school.wait_for(State.SUPERSEDED)
    assert peer.received == []


def test_equipment_that_takes_no_requests_is_not_asked(school: School, peer: DasPeer) -> None:
    school.account("5A")
    with school.office.database.write() as session:
        nas.set_coa(session, school.office, "gate", "head", address=None, port=0)
    school.suspend()
    with school.sender():
        school.wait_for(State.UNSUPPORTED)
    assert peer.received == []


def test_equipment_that_was_taken_away_is_not_asked(school: School, peer: DasPeer) -> None:
    school.account("5A")
    school.suspend()
    with school.office.database.write() as session:
        session.execute(update(NasRow).values(enabled=False))
    with school.sender():
        school.wait_for(State.UNSUPPORTED)
    assert peer.received == []


def test_a_change_is_sent_with_what_is_to_change(school: School, peer: DasPeer) -> None:
    key = school.account("5A")
    with school.office.database.write() as session:
        dynamic.request_change(session, school.office, key, Change(session_seconds=60), "head")
    with school.sender():
        school.wait_for(State.ACKED)
    assert peer.received[0][0] == 43
    assert peer.is_authentic()
    assert peer.values()[27] == (60).to_bytes(4, "big")
    assert school.session(key).closed_at is None


def test_two_senders_ask_once(school: School, peer: DasPeer) -> None:
    for number in range(40):
        school.account(f"S{number}")
    school.suspend()
    patient = Pace(send_after=(0.0,), round_seconds=20, poll_seconds=0.1)
    with school.sender(patient), school.sender(patient):
        wait_until(
            lambda: all(school.request(n).state == State.ACKED for n in range(1, 41)),
            20,
            "not all were ended",
        )
    assert sorted(peer.values(n)[44] for n in range(len(peer.received))) == sorted(
        f"S{number}".encode() for number in range(40)
    )


def test_what_a_dead_node_had_claimed_is_taken_up(school: School, peer: DasPeer) -> None:
    key = school.account("5A")
    with school.office.database.write() as session:
        dynamic.disconnect_session(session, school.office, key, "head")
        (order,) = outbox.claim(session, school.office, "dead", 10)
    with school.sender():
        time.sleep(0.4)  # nothing comes: the sender looks several times meanwhile
        assert peer.received == []
        with school.office.database.write() as session:  # as if the lease had ended
            session.execute(update(CoaRequest).values(next_try_at=school.office.clock()))
        done = school.wait_for(State.ACKED)
    assert done.attempts == 2
    with school.office.database.write() as session:  # the dead one wakes up
        outbox.finish(session, school.office.clock(), "dead", order.request_id, State.NAKKED, 501)
    assert school.request().state == State.ACKED


def test_a_sender_that_stops_gives_back_what_was_not_answered(
    school: School, peer: DasPeer
) -> None:
    school.account("5A")
    peer.answer = stay_silent
    school.suspend()
    with school.sender(Pace(poll_seconds=0.1)):
        peer.wait()
    request = school.request()
    assert (request.state, request.claimed_by, request.attempts) == (State.QUEUED, None, 0)
    peer.answer = acknowledge
    with school.sender():
        school.wait_for(State.ACKED)


def test_a_packet_that_is_not_kept_is_made_up_for(school: School, peer: DasPeer) -> None:
    school.account("5A")
    with school.office.database.write() as session, lifted(session):
        for event in session.scalars(select(AccountingEvent)):
            session.delete(event)
    school.suspend()
    with school.sender():
        school.wait_for(State.ACKED)  # to the one address of the NAS's prefix
    assert peer.values()[31] == b"3C-22-FB-00-00-01"


def test_a_silent_nas_keeps_nobody_else_waiting(school: School, peer: DasPeer) -> None:
    with das_peer(stay_silent) as dead:
        with school.office.database.write() as session:
            row = nas.add_nas(
                session, school.office, "dead", "127.0.0.2/32", SECRET, "test", coa_port=dead.port
            )
        for number in range(40):
            school.account(f"D{number}", nas_id=row.id)
        school.account("5A")
        school.suspend()
        with school.sender(Pace(poll_seconds=0.1)):
            peer.wait(seconds=4)
            dead.wait(16)
            time.sleep(0.3)  # no more come
            assert len(dead.received) == 16


def test_a_row_that_nobody_can_read_stops_nobody_else(school: School, peer: DasPeer) -> None:
    bad, good = school.ask(school.account("bad")), school.ask(school.account("good"))
    with school.office.database.write() as session:
        session.execute(
            update(CoaRequest).where(CoaRequest.id == bad).values(wanted='{"no_such_thing": 1}')
        )
    with school.sender():
        school.wait_for(State.ACKED, number=good)
        school.wait_for(State.FAILED, number=bad)
    assert len(peer.received) == 1


def test_a_request_that_cannot_be_made_stops_nobody_else(school: School, peer: DasPeer) -> None:
    bad_key = school.account("bad")
    with school.office.database.write() as session, lifted(session):
        # What an older version has stored of a packet, cut short on the way.
        session.execute(
            update(AccountingEvent)
            .where(AccountingEvent.session_key == bad_key)
            .values(octets=b"\x04\x01\x00\x05\x00")
        )
    bad, good = school.ask(bad_key), school.ask(school.account("good"))
    with school.sender():
        school.wait_for(State.ACKED, number=good)
        school.wait_for(State.FAILED, number=bad)
        later = school.ask(school.account("later"))
        school.wait_for(State.ACKED, number=later)


def test_an_outcome_that_the_database_refuses_stops_nobody_else(
    school: School, peer: DasPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = school.ask(school.account("bad")), school.ask(school.account("good"))
    finish = outbox.finish

    def refuse_one(session: Session, now: datetime, node: str, number: int, *more: Any) -> None:
        if number == bad:
            session.execute(update(CoaRequest).where(CoaRequest.id == bad).values(state=None))
        finish(session, now, node, number, *more)

    monkeypatch.setattr(outbox, "finish", refuse_one)
    with school.sender():
        school.wait_for(State.ACKED, number=good)
        later = school.ask(school.account("later"))
        school.wait_for(State.ACKED, number=later)
    assert school.counters.get("dynamic_unwritable") >= 1
    assert school.request(bad).state == State.QUEUED


def test_an_error_cause_beyond_all_numbers_is_a_refusal_without_a_cause(
    school: School, peer: DasPeer
) -> None:
    school.account("5A")
    peer.answer = refuse(0xFFFFFFFF)
    school.suspend()
    with school.sender():
        assert school.wait_for(State.NAKKED).error_cause is None
