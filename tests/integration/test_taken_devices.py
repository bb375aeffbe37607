"""A redirect that names somebody else's device takes nothing from them, and ends nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from captive_portal.vendors import controller
from captive_portal.vendors.controller import Answer, Call, Controller, Unreachable
from db.models import AuthEvent, CoaRequest, GrantedSession
from identity.domain.sessions import CloseCause
from identity.office import Office
from tests.conftest import add_person
from tests.integration.test_granted_sessions import School, school_of
from tests.unit.captive_portal.public.conftest import Visitor
from tests.unit.captive_portal.public.test_public_hand_over import connect, signed

FAR = "192.0.2.200"


@pytest.fixture
def school(office: Office, request: pytest.FixtureRequest) -> Iterator[School]:
    with school_of(office, getattr(request, "param", "unifi")) as made:
        yield made


@pytest.mark.parametrize("school", ["unifi", "unifi-legacy", "omada"], indirect=True)
def test_a_stranger_who_names_the_device_of_somebody_who_is_in_is_refused(school: School) -> None:
    school.hand_over()
    mallory = add_person(school.office, "mallory")
    stranger, sign = Visitor(school.visitor.app, FAR), signed(school.office, mallory)
    orders = [one.path for one in school.running.asked if one.method == "POST"]
    answer = stranger.get(connect(stranger, school.arrival, sign, FAR))
    assert answer.status_code == 403 and "Somebody else is signed in" in answer.text
    assert [one.path for one in school.running.asked if one.method == "POST"].count(orders[-1]) == (
        orders.count(orders[-1])
    ), "the controller got no order"
    row = school.row()
    assert row.account_id == school.somchai and row.closed_at is None
    with school.office.database.read() as session:
        noted = session.scalars(select(AuthEvent).where(AuthEvent.outcome == "reject")).one()
    assert (noted.reason, noted.account_id) == ("device_of_another_account", mallory)

    school.look()
    came = stranger.get(school.arrival).location
    stranger.fill(came.replace("/?", "/status?") + f"&s={sign}&lang=en", "/sign-out")
    school.keeper.end_due()
    assert school.fake.inside and school.row().closed_at is None


def test_a_page_with_the_own_device_in_it_ends_nothing_from_elsewhere(school: School) -> None:
    school.fake.used = 4_000
    school.hand_over()
    school.look()
    elsewhere, sign = Visitor(school.visitor.app, FAR), signed(school.office, school.somchai)
    came = elsewhere.get(school.arrival).location
    elsewhere.fill(came.replace("/?", "/status?") + f"&s={sign}&lang=en", "/sign-out")
    with school.office.database.read() as session:
        assert not session.scalars(select(CoaRequest)).all()


def test_a_controller_that_does_not_say_where_the_device_is_proves_nothing(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.hand_over()
    mallory = add_person(school.office, "mallory")

    def away(_where: Controller, _call: Call) -> Answer:
        raise Unreachable("no answer in time")

    monkeypatch.setattr(controller, "exchange", away)
    stranger, sign = Visitor(school.visitor.app, FAR), signed(school.office, mallory)
    assert stranger.get(connect(stranger, school.arrival, sign, FAR)).status_code == 403
    assert school.row().account_id == school.somchai


def test_the_session_is_on_record_before_the_controller_is_called(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = [], controller.exchange

    def exchange(where: Controller, call: Call) -> Answer:
        with school.office.database.read() as session:
            asked.append(len(session.scalars(select(GrantedSession)).all()))
        return real(where, call)

    monkeypatch.setattr(controller, "exchange", exchange)
    school.hand_over()
    assert asked and set(asked) == {1}


@pytest.mark.parametrize("school", ["unifi-legacy"], indirect=True)
def test_what_the_controller_refuses_is_closed_as_never_let_in(school: School) -> None:
    school.fake.forgets = True  # type: ignore[attr-defined]  # of the console alone
    sign = signed(school.office, school.somchai)
    answer = school.visitor.get(connect(school.visitor, school.arrival, sign))
    assert answer.status_code == 503 and not school.fake.inside
    assert school.row().close_cause == CloseCause.NOT_LET_IN
    with school.office.database.read() as session:
        assert session.scalars(select(GrantedSession)).one().ends_at <= school.office.clock()


def test_a_page_that_looks_again_puts_one_session_on_record(school: School) -> None:
    school.fake.seen_after = 2  # type: ignore[attr-defined]  # of the console alone
    sign = signed(school.office, school.somchai)
    path = connect(school.visitor, school.arrival, sign)
    assert [school.visitor.get(path).status_code for _ in range(3)] == [200, 200, 303]
    row = school.row()
    assert row.closed_at is None
    with school.office.database.read() as session:
        assert len(session.scalars(select(AuthEvent)).all()) == 1
        assert session.scalars(select(GrantedSession)).one().ends_at > school.office.clock()
