"""Sessions that the portal begins by a call: one account after the other on one device."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from db.models import Account, NasClient, NetworkSession
from identity.domain.access import Granted, Method
from identity.domain.granting import Basis
from identity.domain.sessions import CloseCause
from identity.office import Office
from identity.services.granted_sessions import Begun, Entering, begin, not_let_in
from identity.services.nas import add_nas
from identity.services.snapshots import snapshot
from tests.conftest import add_person
from tests.moved_clock import Clock

DEVICE = "3c22fb010203"
ENTERING = Entering(device=DEVICE, basis=Basis.CALL, seconds=3600, is_proven=True)


def enter(office: Office, nas: NasClient, account_id: int) -> Begun:
    with office.database.read() as session:
        account = snapshot(session, session.get_one(Account, account_id))
    granted = Granted(account=account, method=Method.PORTAL)
    begun = begin(office, nas, granted, ENTERING)
    assert isinstance(begun, Begun)
    return begun


def test_who_tries_again_after_another_came_in_ends_the_other_ones_session(office: Office) -> None:
    clock = Clock(datetime(2026, 11, 28, 8, tzinfo=UTC))
    office = replace(office, clock=clock)
    somchai, malee = add_person(office, "somchai"), add_person(office, "malee")
    with office.database.write() as session:
        nas = add_nas(session, office, "c", "127.0.0.1/32", "secret of c", "test", vendor="unifi")
    tried = enter(office, nas, somchai)
    with office.database.write() as session:
        not_let_in(session, clock.now, tried)
    clock.now += timedelta(seconds=30)
    others = enter(office, nas, malee)
    clock.now += timedelta(seconds=30)
    again = enter(office, nas, somchai)
    with office.database.read() as session:
        rows = {row.session_key: row for row in session.scalars(select(NetworkSession))}
    assert rows[others.session_key].close_cause == CloseCause.GRANTED_ANEW
    assert rows[others.session_key].closed_at == clock.now
    assert [key for key, row in rows.items() if row.closed_at is None] == [again.session_key]
