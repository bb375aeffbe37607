"""identity.services.packets: the last packet of a session is found by the time it came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select

from db.append_only import lifted
from db.models import AccountingEvent
from identity.office import Office
from identity.services.packets import LastPacket, first_since, last_packet

START = datetime(2026, 11, 24, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.fixture
def events(office_on: Office) -> Office:
    """A hundred packets a second apart, every third of them deleted."""
    with office_on.database.write() as session:
        for second in range(100):
            session.add(
                AccountingEvent(
                    received_at=at(second),
                    nas_client_id=1,
                    source=f"10.0.0.{second}#1813",
                    status_type=3,
                    session_key=f"s{second % 5}",
                    octets=bytes((second,)),
                )
            )
            session.flush()
        with lifted(session):
            session.execute(delete(AccountingEvent).where(AccountingEvent.id % 3 == 0))
    return office_on


def test_the_packet_heard_last_is_found_with_its_sender(events: Office) -> None:
    with events.database.read() as session:
        assert last_packet(session, "s0", at(60)) == LastPacket("10.0.0.70", bytes((70,)))
        assert last_packet(session, "s4", at(99)) == LastPacket("10.0.0.99", bytes((99,)))
        assert last_packet(session, "s1", at(0)) == LastPacket("10.0.0.6", bytes((6,)))
        assert last_packet(session, "unknown", at(60)) is None
        assert last_packet(session, "s0", at(3600)) is None
        assert last_packet(session, "s0", at(-3600)) is None


def test_the_place_of_a_moment(events: Office) -> None:
    with events.database.read() as session:
        found = [first_since(session, at(second)) for second in range(-1, 102)]
        assert found == sorted(found)
        rows = session.execute(select(AccountingEvent.id, AccountingEvent.received_at)).all()
        for second, place in zip(range(-1, 102), found, strict=True):
            assert {row.id for row in rows if row.id >= place} == {
                row.id for row in rows if row.received_at >= at(second)
            }


def test_without_packets_there_is_no_place(office_on: Office) -> None:
    with office_on.database.read() as session:
        assert first_since(session, START) == 0
        assert last_packet(session, "s0", START) is None
