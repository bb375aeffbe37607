"""Grants of the portal on both kinds of database, and many who want one at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import select

from db.models import Account, AddressInterval, GrantedSession, NasClient, NetworkSession
from identity.domain.access import Granted, Method, Reason
from identity.domain.granting import Basis
from identity.domain.sessions import CloseCause
from identity.office import Office
from identity.services import granted_sessions, granted_time, hand_over, tokens
from identity.services.granted_sessions import Begun, Entering, Told
from identity.services.snapshots import snapshot
from tests.unit.identity.test_central import Desk

MAC = "3c22fb010203"


def test_of_many_connections_at_one_moment_one_takes_the_grant(office_on: Office) -> None:
    desk = Desk(office_on)
    desk.offer(desk.somchai, ends=True)
    names = [f"0A00000900000B2E5F3C11{number:02X}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        took = list(pool.map(lambda name: desk.take(connection=name), names))
    assert sorted(map(str, took)) == ["None"] * 7 + ["somchai"]


def test_two_pages_of_one_sign_in_lay_one_grant(office_on: Office) -> None:
    desk = Desk(office_on)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: desk.offer(desk.somchai), range(6))) == [None] * 6
    assert desk.take() == "somchai"


def test_a_device_more_than_the_role_allows_is_refused_on_both_kinds_of_database(
    office_on: Office,
) -> None:
    desk = Desk(office_on)
    with office_on.database.write() as session:
        account = session.get_one(Account, desk.somchai)
        account.role.simultaneous = 1
        assert hand_over.full_for(session, office_on, account, MAC) is None
        session.add(tokens.prepare(office_on, account, MAC, 1))
        session.flush()
        assert hand_over.full_for(session, office_on, account, MAC) is None
        full = hand_over.full_for(session, office_on, account, "3c22fb0a0b0c")
    assert full is not None and full.reason is Reason.SIMULTANEOUS


def test_a_granted_session_lives_and_ends_on_both_kinds_of_database(office_on: Office) -> None:
    desk = Desk(office_on)
    with office_on.database.read() as session:
        nas = session.get_one(NasClient, 1)
        account = snapshot(session, session.get_one(Account, desk.somchai))
    granted = Granted(account=account, method=Method.PORTAL)
    entering = Entering(device=MAC, basis=Basis.CALL, seconds=600)
    begun = granted_sessions.begin(office_on, nas, granted, entering)
    assert isinstance(begun, Begun) and begun.is_new
    key = begun.session_key
    again = granted_sessions.begin(office_on, nas, granted, entering)
    assert again == Begun(session_key=key, is_new=False)
    now = office_on.clock()
    with office_on.database.read() as session:
        assert granted_time.devices_inside(session, now, desk.somchai) == {MAC}
        due = granted_sessions.due(session, now + timedelta(seconds=30))
    told = Told(ip="10.20.3.4", sent_octets=5, received_octets=7, octets=b"{}")
    granted_sessions.store_look(office_on, nas, due[1], {MAC: told})
    with office_on.database.write() as session:
        row = session.get_one(NetworkSession, key)
        assert (row.input_octets, row.output_octets, row.account_id) == (5, 7, desk.somchai)
        assert set(session.scalars(select(AddressInterval.address))) == {"10.20.3.4"}
        assert granted_sessions.close_over(session, now) == 0
        assert granted_sessions.close_over(session, now + timedelta(minutes=11)) == 1
        assert row.close_cause == CloseCause.GRANT_OVER
        assert granted_sessions.drop_old(session, now + timedelta(minutes=11)) == 0, "on record"
        session.delete(row)
        session.flush()
        assert granted_sessions.drop_old(session, now + timedelta(minutes=11)) == 1
        assert not session.scalars(select(GrantedSession)).all()
