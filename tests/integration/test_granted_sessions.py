"""Sessions at makes that do no accounting: on record, looked after, and ended by the maker's call.

The portal and the keeper are the real ones; each controller answers over HTTP as documented.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import pytest
from sqlalchemy import select, update

from captive_portal.vendors import controller, unifi_control
from captive_portal.vendors.keeper import GrantKeeper
from common.metrics import Counters
from db.models import (
    Account,
    AccountingEvent,
    AddressInterval,
    CoaRequest,
    GrantedSession,
    NasClient,
    NetworkSession,
    Role,
)
from identity.domain.dynamic import State
from identity.domain.sessions import CloseCause
from identity.office import Office
from identity.services import dynamic, granted_sessions, housekeeping, outbox, sessions
from identity.services.enforcement import Enforcement
from identity.services.nas_portal import portal_settings, seal_portal_settings
from tests.conftest import add_person, wait_until
from tests.integration.controllers import (
    DEVICE_ADDRESS,
    KEY,
    SITE,
    Asked,
    Console,
    Operator,
    Reply,
    Running,
    Zone,
    serving,
    told,
)
from tests.unit.captive_portal.public.conftest import (
    HERE,
    MAC,
    Visitor,
    make_app,
    open_session,
)
from tests.unit.captive_portal.public.test_public_hand_over import add_gateway, connect, signed
from traffic.lookup.holders import whole_sessions
from yuenyan.processes.grant_keeper import GrantKeeping

LOOPBACK = ("127.0.0.0/8",)
MAKES = ["unifi", "unifi-legacy", "omada", "opnsense"]


class Fake(Protocol):
    """A controller with one device."""

    used: int
    absent: bool

    @property
    def inside(self) -> bool: ...

    def answer(self, one: Asked) -> Reply: ...


@dataclass
class School:
    """A portal, a keeper and a controller, and somchai whose device is let in."""

    office: Office
    visitor: Visitor
    keeper: GrantKeeper
    fake: Fake
    running: Running
    somchai: int
    arrival: str

    def hand_over(self) -> None:
        path = connect(self.visitor, self.arrival, signed(self.office, self.somchai))
        answer = self.visitor.get(path)
        assert answer.status_code == 303, answer.text
        assert self.fake.inside

    def row(self) -> NetworkSession:
        with self.office.database.read() as session:
            return session.scalars(select(NetworkSession)).one()

    def look(self) -> None:
        """Look now, and not only in a while."""
        with self.office.database.write() as session:
            session.execute(update(GrantedSession).values(next_look_at=self.office.clock()))
        assert self.keeper.look_due() == 1

    def age(self, **more: float) -> None:
        """Let the session be so much older."""
        by = timedelta(**more)
        with self.office.database.write() as session:
            for held in session.scalars(select(GrantedSession)):
                held.began_at -= by
                held.ends_at -= by
                held.seen_at = held.seen_at and held.seen_at - by
            row = session.scalars(select(NetworkSession)).one()
            for name in ("started_at", "first_heard_at", "last_heard_at"):
                setattr(row, name, getattr(row, name) - by)

    def throw_out(self) -> int:
        with self.office.database.write() as session:
            return dynamic.disconnect_session(
                session, self.office, self.row().session_key, "head", "test"
            )

    def request(self) -> CoaRequest:
        with self.office.database.read() as session:
            return session.scalars(select(CoaRequest)).one()


def settings_of(make: str, url: str) -> tuple[str, dict[str, str], str]:
    """The make, its settings, and how its redirect looks."""
    base = {"controller": url, "allow_http": "yes"}
    account = {"mode": "legacy", "username": "portal", "password": "password of it"}
    omada = {"omadac_id": "c21f", "site": "school", "time_unit": "milliseconds"}
    operator = {"operator": "portal", "operator_password": "password of it"}
    by_unifi = f"/p/hall/?id={MAC}&ap=aabbccddee01"
    return {
        "unifi": ("unifi", base | {"api_key": KEY, "site_id": SITE}, by_unifi),
        "unifi-legacy": ("unifi", base | account, by_unifi),
        "omada": (
            "omada",
            base | omada | operator,
            f"/p/hall/?clientMac={MAC}&apMac=aabbccddee01&ssidName=School&radioId=0",
        ),
        "opnsense": (
            "opnsense",
            base | {"api_key": "key", "api_secret": "secret"},
            f"/p/hall/?zone=0&mac={MAC}",
        ),
    }[make]


@contextmanager
def school_of(office: Office, make: str) -> Iterator[School]:
    portal = office.config.portal.model_copy(update={"controller_networks": list(LOOPBACK)})
    config = office.config.model_copy(update={"portal": portal})
    here = replace(office, config=config)
    fake: Fake = {"omada": Operator, "opnsense": Zone}.get(make, Console)()
    with serving(fake.answer) as running:
        vendor, settings, arrival = settings_of(make, running.url)
        add_gateway(here, vendor, **settings)
        somchai = add_person(here, "somchai")
        keeper = GrantKeeper(here, Counters())
        yield School(here, Visitor(make_app(here)), keeper, fake, running, somchai, arrival)


@pytest.fixture
def school(office: Office, request: pytest.FixtureRequest) -> Iterator[School]:
    with school_of(office, getattr(request, "param", "unifi")) as made:
        yield made


@pytest.mark.parametrize("school", MAKES, indirect=True)
def test_a_session_is_on_record_from_its_start_to_the_end_that_an_officer_gives_it(
    school: School,
) -> None:
    school.hand_over()
    with school.office.database.read() as session:
        (view,) = sessions.list_sessions(session, active=True)
    assert (view.account, view.nas, view.known_by) == ("somchai", "hall", "call")

    school.fake.used = 4_000
    school.look()
    row = school.row()
    assert (row.input_octets, row.output_octets) == (4_000, 4_000)
    assert row.account_id == school.somchai and row.session_ref is not None
    with school.office.database.read() as session:
        addresses = set(session.scalars(select(AddressInterval.address)))
        kept = session.scalars(select(AccountingEvent).order_by(AccountingEvent.id)).all()
    device = HERE if "zone=0" in school.arrival else DEVICE_ADDRESS
    assert addresses == {device}
    assert [one.status_type for one in kept] == [1, 3] and b"4000" in kept[1].octets

    school.throw_out()
    with school.office.database.read() as session:
        now = school.office.clock()
        assert not outbox.is_due(session, now), "no datagram is sent for it"
    assert school.keeper.end_due() == 1
    assert not school.fake.inside
    assert school.request().state == State.ACKED
    row = school.row()
    assert row.close_cause == CloseCause.DISCONNECTED and row.closed_at is not None
    assert school.keeper.end_due() == 0
    with school.office.database.read() as session:
        assert not granted_sessions.due(session, school.office.clock() + timedelta(days=1))


@pytest.mark.parametrize("school", MAKES, indirect=True)
def test_a_device_that_left_is_closed_and_one_that_comes_back_goes_on(school: School) -> None:
    school.hand_over()
    school.look()
    school.fake.absent = True
    school.look()
    assert school.row().closed_at is None, "a phone may sleep for a minute"
    school.age(minutes=4)
    school.look()
    row = school.row()
    assert row.close_cause == CloseCause.NOT_ON_NAS
    assert row.closed_at == row.last_heard_at
    school.fake.absent = False
    school.look()
    row = school.row()
    assert row.closed_at is None and row.last_heard_at > row.started_at


@pytest.mark.parametrize("school", ["unifi-legacy"], indirect=True)
def test_a_device_that_was_not_asked_for_has_not_left(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unifi_control, "_MOST_CALLS", 1)
    school.hand_over()
    school.look()
    with school.office.database.write() as session:
        other = open_session(school.office, school.somchai)
        session.merge(other).calling_station_id = "3c22fb0a0b0c"
        held = session.scalars(select(GrantedSession)).one()
        long_ago = school.office.clock() - timedelta(hours=1)
        session.add(
            GrantedSession(
                session_key=other.session_key,
                nas_client_id=held.nas_client_id,
                account_id=school.somchai,
                device="3c22fb0a0b0c",
                basis=held.basis,
                began_at=long_ago,
                ends_at=held.ends_at,
                next_look_at=school.office.clock(),
            )
        )
        held.next_look_at = long_ago

    def closed() -> set[str]:
        with school.office.database.read() as session:
            found = select(NetworkSession.calling_station_id).where(
                NetworkSession.closed_at.is_not(None)
            )
            return {mac or "" for mac in session.scalars(found)}

    assert school.keeper.look_due() == 2 and closed() == set(), "one device is asked for"
    assert school.keeper.look_due() == 1 and closed() == {"3c22fb0a0b0c"}
    assert school.keeper.look_due() == 0


def test_a_controller_that_is_not_called_in_its_mode_is_told_nothing(school: School) -> None:
    school.hand_over()
    _change_settings(school, mode="radius")
    school.running.asked.clear()
    school.throw_out()
    school.keeper.end_due()
    assert school.request().state == State.UNSUPPORTED
    school.look()
    assert not school.running.asked


def test_a_device_that_the_controller_does_not_know_is_as_good_as_out(school: School) -> None:
    school.hand_over()
    school.fake.absent = True
    school.throw_out()
    school.keeper.end_due()
    request = school.request()
    assert (request.state, request.error_cause) == (State.NAKKED, 503)
    assert school.row().close_cause == CloseCause.NOT_ON_NAS


def test_who_signs_out_on_the_page_is_out_of_the_network(school: School) -> None:
    school.fake.used = 4_000
    school.hand_over()
    school.look()
    signed_in = signed(school.office, school.somchai)
    visitor = Visitor(school.visitor.app, DEVICE_ADDRESS)
    came = visitor.get(school.arrival).location
    status = came.replace("/?", "/status?") + f"&s={signed_in}&lang=en"
    assert "takes this device off the network" in visitor.get(status).text
    answer = visitor.fill(status, "/sign-out")
    assert "signed_out" in answer.location
    assert school.request().reason == "owner"
    school.keeper.end_due()
    assert not school.fake.inside and school.row().closed_at is not None


def test_who_has_used_up_a_quota_is_put_out_by_the_controller(school: School) -> None:
    with school.office.database.write() as session:
        role_id = session.get_one(Account, school.somchai).role_id
        session.get_one(Role, role_id).quota_mb_day = 1
    enforcement = Enforcement(school.office)
    enforcement.turn()
    school.hand_over()
    school.fake.used = 3_000_000
    school.look()
    assert enforcement.turn() == {"sessions_to_end_by_quota": 1}
    school.keeper.end_due()
    assert not school.fake.inside
    assert school.request().reason == "over_quota"


def test_a_controller_that_is_away_is_asked_three_times_and_the_session_stays(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.hand_over()
    school.throw_out()

    def away(*_: object) -> controller.Answer:
        raise controller.Unreachable("no answer in time")

    monkeypatch.setattr(controller, "exchange", away)
    for _round in range(3):
        assert school.keeper.end_due() == 1
        assert school.keeper.end_due() == 0, "not at once again"
        with school.office.database.write() as session:
            session.execute(update(CoaRequest).values(next_try_at=school.office.clock()))
    school.keeper.end_due()
    assert school.request().state == State.TIMED_OUT
    assert school.row().closed_at is None
    school.look()
    assert school.row().closed_at is None, "nobody said that the device has left"


def test_a_refusal_is_on_record_and_holds_no_key(
    school: School, capfd: pytest.CaptureFixture[str]
) -> None:
    school.hand_over()
    school.throw_out()
    with serving(lambda _one: told(403, {"statusCode": 403})) as other:
        _change_settings(school, controller=other.url)
        school.keeper.end_due()
    assert school.request().state == State.NAKKED
    logged = "".join(capfd.readouterr())
    assert "403" in logged and KEY not in logged


def _change_settings(school: School, **changes: str) -> None:
    with school.office.database.write() as session:
        nas = session.scalars(select(NasClient)).one()
        settings = {**portal_settings(school.office, nas), **changes}
        nas.portal_settings_encrypted = seal_portal_settings(school.office, settings)


def test_a_session_ends_with_the_time_it_was_granted_for_and_not_for_its_silence(
    school: School,
) -> None:
    school.hand_over()
    school.age(hours=7, minutes=50)
    now = school.office.clock()
    with school.office.database.write() as session:
        housekeeping.close_silent_sessions(session, now, timedelta(minutes=35))
    assert school.row().closed_at is None
    school.age(minutes=15)
    housekeeping.run_once(school.office)
    row = school.row()
    assert row.close_cause == CloseCause.GRANT_OVER
    assert row.closed_at is not None
    assert abs(row.closed_at - row.started_at - timedelta(hours=8)) < timedelta(seconds=1)


def test_a_second_hand_over_of_the_same_device_goes_on_with_its_session(school: School) -> None:
    school.hand_over()
    school.age(minutes=30)
    school.hand_over()
    row = school.row()
    with school.office.database.read() as session:
        held = session.scalars(select(GrantedSession)).one()
    assert held.ends_at > row.started_at + timedelta(hours=8, minutes=29)
    assert row.closed_at is None


def test_the_same_device_of_somebody_else_is_another_session(school: School) -> None:
    school.hand_over()
    malee = add_person(school.office, "malee")
    visitor = Visitor(school.visitor.app, DEVICE_ADDRESS)
    path = connect(visitor, school.arrival, signed(school.office, malee), DEVICE_ADDRESS)
    assert visitor.get(path).status_code == 303
    with school.office.database.read() as session:
        found = {row.account_id: row.close_cause for row in session.scalars(select(NetworkSession))}
    assert found == {school.somchai: CloseCause.GRANTED_ANEW, malee: None}


def test_a_device_that_left_and_comes_back_under_another_name_is_not_the_first_ones(
    school: School,
) -> None:
    school.hand_over()
    school.look()
    school.fake.absent = True
    school.age(minutes=4)
    school.look()
    school.fake.absent = False
    malee = add_person(school.office, "malee")
    visitor = Visitor(school.visitor.app, DEVICE_ADDRESS)
    path = connect(visitor, school.arrival, signed(school.office, malee), DEVICE_ADDRESS)
    assert visitor.get(path).status_code == 303
    school.look()
    with school.office.database.read() as session:
        found = {row.account_id: row.close_cause for row in session.scalars(select(NetworkSession))}
    assert found == {school.somchai: CloseCause.NOT_ON_NAS, malee: None}


def test_a_look_up_is_certain_of_it_no_further_than_the_controllers_last_list(
    school: School,
) -> None:
    school.hand_over()
    school.look()

    def certain_to() -> datetime | None:
        with school.office.database.read() as session:
            rows = session.scalars(select(NetworkSession)).all()
            (holder,) = whole_sessions(session, school.office.config, rows)
        return holder.certain_to

    known = certain_to()
    assert known is not None and abs(known - school.row().last_heard_at) <= timedelta(seconds=2)


def test_a_link_that_nobody_confirms_is_a_session_that_nothing_can_end(office: Office) -> None:
    add_gateway(office, "mist", wlan_id="w", secret="s")
    somchai = add_person(office, "somchai")
    visitor = Visitor(make_app(office))
    arrival = f"/p/hall/?client_mac={MAC}&ap_mac=aabbccddee01"
    assert visitor.get(connect(visitor, arrival, signed(office, somchai))).status_code == 200
    with office.database.read() as session:
        (view,) = sessions.list_sessions(session, active=True)
    assert (view.account, view.known_by) == ("somchai", "link")
    keeper = GrantKeeper(office)
    with office.database.write() as session:
        dynamic.disconnect_session(session, office, view.session_key, "head")
    assert keeper.end_due() == 1
    with office.database.read() as session:
        assert session.scalars(select(CoaRequest)).one().state == State.UNSUPPORTED
        assert session.scalars(select(NetworkSession)).one().closed_at is None


def test_the_housekeepers_threads_end_a_session_by_themselves(school: School) -> None:
    school.hand_over()
    keeping = GrantKeeping(school.office)
    keeping.start()
    try:
        school.throw_out()
        wait_until(lambda: school.row().closed_at is not None, 20, "nobody ends the session")
    finally:
        keeping.stop()
    assert not school.fake.inside


def test_a_request_that_no_keeper_fetches_is_given_up(school: School) -> None:
    school.hand_over()
    school.throw_out()
    with school.office.database.write() as session:
        assert outbox.claim(session, school.office, "datagrams", 5) == []
        session.execute(
            update(CoaRequest).values(next_try_at=school.office.clock() - outbox.ABSENT)
        )
        assert outbox.claim(session, school.office, "datagrams", 5) == []
    assert school.request().state == State.TIMED_OUT
