"""A change of a role reaches the sessions that live on it, on real sockets and both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from db.models import Account, AuditEvent, CoaRequest, NetworkSession
from identity.domain.dynamic import Cause, Change, State
from identity.office import Office
from identity.services import nas, people, role_changes
from identity.services.role_changes import Followed
from radius_server.packet.packet import decode, sub_attributes
from tests.integration.das_peer import DasPeer, das_peer, refuse
from tests.integration.radius_site import SECRET
from tests.integration.test_coa_sender import School


@pytest.fixture
def peer() -> Iterator[DasPeer]:
    with das_peer() as listening:
        yield listening


@pytest.fixture
def school(office_on: Office, peer: DasPeer) -> School:
    return School(office_on, peer)


def make(school: School, vendor: str) -> None:
    with school.office.database.write() as session:
        nas.set_vendor(session, school.office, "gate", vendor, "test")


def set_student(school: School, live: str | None = None, **limits: int | str | None) -> Followed:
    with school.office.database.write() as session:
        return role_changes.set_role(session, school.office, "student", limits, "head", live)


def requests(school: School) -> list[CoaRequest]:
    with school.office.database.read() as session:
        return list(session.scalars(select(CoaRequest).order_by(CoaRequest.id)))


def told(peer: DasPeer, number: int = -1) -> tuple[int, list[tuple[int, int, bytes]]]:
    """Code and vendor attributes of a request."""
    packet = decode(peer.received[number])
    found = [part for value in packet.all(26) for part in sub_attributes(value) or ()]
    return packet.code, found


def test_new_rates_reach_a_make_that_can_change_them(school: School, peer: DasPeer) -> None:
    make(school, "mikrotik")
    key = school.account("5A")
    assert set_student(school, down_kbps=4000) == Followed(changing=1)
    with school.sender():
        done = school.wait_for(State.ACKED)
    assert told(peer) == (43, [(14988, 8, b"0k/4000k")])
    assert (done.kind, done.reason, done.actor) == ("coa", Cause.ROLE_SETTINGS, "head")
    assert school.session(key).closed_at is None
    # Lifted again: the make is told so in its own way.
    assert set_student(school, down_kbps=None) == Followed(changing=1)
    with school.sender():
        school.wait_for(State.ACKED, number=2)
    assert told(peer) == (43, [(14988, 8, b"0k/0k")])


def test_a_make_that_knows_only_disconnect_is_left_alone_unless_it_is_wished(
    school: School, peer: DasPeer
) -> None:
    make(school, "hostapd")
    key = school.account("5A")
    assert set_student(school, down_kbps=4000) == Followed(waiting=1)
    assert requests(school) == []
    assert set_student(school, "disconnect", down_kbps=5000) == Followed(ending=1)
    with school.sender():
        school.wait_for(State.ACKED)
    assert told(peer) == (40, [])
    assert school.session(key).close_cause == "disconnected"


def test_a_vlan_waits_for_the_next_login_while_rates_are_told(
    school: School, peer: DasPeer
) -> None:
    make(school, "coova")
    school.account("5A")
    assert set_student(school, vlan=30, up_kbps=1000) == Followed(changing=1)
    assert Change.load(requests(school)[0].wanted) == Change(up_kbps=1000, down_kbps=0)
    assert set_student(school, "disconnect", vlan=40) == Followed(ending=1)
    assert [one.state for one in requests(school)] == [State.SUPERSEDED, State.QUEUED]


def test_a_make_that_can_ask_again_is_asked_to(school: School, peer: DasPeer) -> None:
    make(school, "cisco")
    school.account("5A")
    assert set_student(school, vlan=30) == Followed(changing=1)
    with school.sender():
        school.wait_for(State.ACKED)
    code, attributes = told(peer)
    assert (code, attributes[0]) == (43, (9, 1, b"subscriber:command=reauthenticate"))


def test_only_the_newest_state_is_told(school: School) -> None:
    make(school, "mikrotik")
    school.account("5A")
    set_student(school, down_kbps=4000)
    set_student(school, session_seconds=3600)
    first, second = requests(school)
    assert first.state == State.SUPERSEDED
    assert Change.load(second.wanted) == Change(down_kbps=4000, up_kbps=0, session_seconds=3600)


def test_what_equipment_is_not_told_moves_nothing(school: School) -> None:
    make(school, "mikrotik")
    school.account("5A")
    assert set_student(school, simultaneous=5, quota_mb_day=100) == Followed()
    assert set_student(school, "nothing", down_kbps=4000) == Followed(waiting=1)
    assert set_student(school, down_kbps=4000) == Followed(), "it was so already"
    assert requests(school) == []


def test_a_refusal_is_on_record_and_not_repeated(school: School, peer: DasPeer) -> None:
    make(school, "mikrotik")
    peer.answer = refuse(401)
    school.account("5A")
    set_student(school, down_kbps=4000)
    with school.sender():
        done = school.wait_for(State.NAKKED)
    assert (done.error_cause, len(peer.received)) == (401, 1)


def test_two_thousand_sessions_are_asked_one_after_the_other(school: School) -> None:
    office, count = school.office, 2000
    now: datetime = office.clock()
    make(school, "mikrotik")
    with office.database.write() as session:
        other = people.NewUser(username="teacher", role="staff", password_hash="x")
        staff = people.add_user(session, office, other, "test").id
        role = session.scalars(select(Account.role_id).where(Account.id == staff)).one()
        assert role
        session.add_all(
            NetworkSession(
                session_key=f"{number:032x}", nas_client_id=school.nas_id, nas_identity="",
                acct_session_id=f"{number}", user_name="x", last_heard_at=now, started_at=now,
                account_id=staff if number == count else school.account_id,
                session_seconds=0, stop_seen=0, input_octets=0, output_octets=0,
            )
            for number in range(count + 1)
        )  # fmt: skip
    followed = set_student(school, down_kbps=4000)
    assert followed == Followed(changing=count)
    due = [one.next_try_at for one in requests(school)]
    assert len(due) == count
    a_second = role_changes.REQUESTS_A_SECOND
    begins = min(due)
    for second in range(0, count // a_second, 7):
        within = [at for at in due if at < begins + timedelta(seconds=second + 1)]
        assert len(within) <= (second + 1) * a_second
    assert max(due) - begins == timedelta(seconds=count // a_second - 1)
    with office.database.read() as session:
        noted = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "role:sessions_follow")
        ).one()
    assert '"changing": 2000' in noted.detail
    assert SECRET not in noted.detail


def test_the_command_says_what_live_sessions_hear(school: School) -> None:
    from tests.conftest import run_command  # local: the site of this office

    make(school, "mikrotik")
    school.account("5A")
    path = str(school.office.config.data_dir.parent / "yuenyan.toml")
    done = run_command("--config", path, "role", "set", "student", "--down-kbps", "4000")
    assert done.stdout == (
        "changed student\n"
        "live sessions told to their equipment (see: yuenyan session requests): 1\n"
    )
    make(school, "generic")
    done = run_command("--config", path, "role", "set", "student", "--vlan", "30")
    assert done.stdout.endswith("going on as before until their next login: 1\n")
