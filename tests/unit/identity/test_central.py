"""Central web authentication: what the portal believes, and whom RADIUS finds proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from db.models import Account, CoaRequest, WebGrant
from identity.domain.access import Denied, Reason
from identity.domain.central import (
    LIFETIME,
    Caught,
    Proven,
    open_sealed,
    seal,
    ssids_in,
    ssids_text,
)
from identity.domain.dynamic import Kind, State
from identity.office import Office
from identity.services import central, dynamic, outbox
from identity.services.central import Waiting
from identity.services.nas import add_nas
from identity.services.tokens import LIFETIME as TOKEN_LIFETIME
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import open_session
from tests.unit.radius_server.process.script import NOW

KEY = b"k" * 32
MAC = "3c22fb010203"
CAUGHT = Caught(
    station=MAC,
    session="0A00000900000B2E5F3C11D0",
    calling="3c-22-fb-01-02-03",
    nas_address="10.0.0.9",
    source="10.0.0.10",
    issued_at=NOW.replace(microsecond=0),
)
WLC = 1


@pytest.mark.parametrize(
    ("text", "names", "stored"),
    [
        pytest.param(" Library ,School", {"Library", "School"}, "Library,School", id="two"),
        pytest.param('"Hall, upper", Guests', {"Hall, upper", "Guests"}, 'Guests,"Hall, upper"'),
        pytest.param('"a ""b"", c"', {'a "b", c'}, '"a ""b"", c"', id="comma and quotes"),
        pytest.param('"""quoted"""', {'"quoted"'}, '"""quoted"""', id="a name that begins so"),
        pytest.param('say "hi"', {'say "hi"'}, 'say "hi"', id="quotes within"),
        pytest.param(" , ,", set(), "", id="none"),
        pytest.param("", set(), "", id="nothing"),
    ],
)
def test_names_of_networks_may_have_commas(text: str, names: set[str], stored: str) -> None:
    assert ssids_in(text, strict=True) == names
    assert ssids_text(names) == stored
    assert ssids_in(stored) == names


@pytest.mark.parametrize("text", ['"Hall, upper', '"Hall" upper'])
def test_a_quote_that_is_not_closed_is_no_name_for_an_officer_and_stops_no_controller(
    text: str,
) -> None:
    with pytest.raises(ValueError, match="expected"):
        ssids_in(text, strict=True)
    assert ssids_in(text)


def test_what_was_sealed_is_opened_at_the_same_controller() -> None:
    sealed = seal(KEY, WLC, CAUGHT)
    assert open_sealed(KEY, WLC, sealed, NOW) == CAUGHT
    assert len(sealed) < 150, "an attribute has little room"


def test_a_sealed_text_is_good_nowhere_else_and_not_for_ever() -> None:
    sealed = seal(KEY, WLC, CAUGHT)
    assert open_sealed(KEY, WLC + 1, sealed, NOW) is None
    assert open_sealed(b"x" * 32, WLC, sealed, NOW) is None
    assert open_sealed(KEY, WLC, sealed, NOW + LIFETIME) is None


@pytest.mark.parametrize("text", ["", "A", "====", "ก", "a" * 4096, "\0", "-_-_" * 20])
def test_what_was_never_sealed_is_refused(text: str) -> None:
    assert open_sealed(KEY, WLC, text, NOW) is None


def test_no_octet_of_a_sealed_text_may_change() -> None:
    sealed = seal(KEY, WLC, CAUGHT)
    for at, letter in enumerate(sealed[:-1]):
        other = sealed[:at] + ("B" if letter == "A" else "A") + sealed[at + 1 :]
        assert open_sealed(KEY, WLC, other, NOW) is None


class Desk:
    """An office with a controller and two people, and the portal's and RADIUS's ways to it."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.somchai, self.malee = add_person(office, "somchai"), add_person(office, "malee")
        with office.database.write() as session:
            add_nas(session, office, "wlc", "10.0.0.10/32", "secret", "test", vendor="cisco")
        self.caught = replace(CAUGHT, issued_at=office.clock().replace(microsecond=0))

    def offer(self, who: int, ends: bool = False, caught: Caught | None = None) -> Denied | None:
        with self.office.database.write() as session:
            account = session.get_one(Account, who)
            told = caught or self.caught
            return central.offer(session, self.office, WLC, account, told, 3600, ends=ends)

    def take(
        self, nas: int = WLC, mac: str = MAC, connection: str = CAUGHT.session
    ) -> str | Denied | None:
        with self.office.database.write() as session:
            taken = central.take(session, self.office, nas, mac, connection)
        return taken.username if isinstance(taken, Proven) else taken

    def waiting(self, who: int) -> Waiting | None:
        with self.office.database.write() as session:
            return central.waiting(session, WLC, who, self.caught, self.office.clock())

    def later(self, **more: float) -> None:
        """Let everything on record be so much older."""
        with self.office.database.write() as session:
            grant = session.scalars(select(WebGrant)).one()
            grant.created_at -= timedelta(**more)
            grant.ends_at -= timedelta(**more)

    def request(self) -> CoaRequest:
        with self.office.database.read() as session:
            return session.scalars(select(CoaRequest).order_by(CoaRequest.id.desc())).first()  # type: ignore[return-value]


@pytest.fixture
def desk(office: Office) -> Desk:
    return Desk(office)


def test_a_grant_is_for_one_device_at_one_controller_on_one_connection(desk: Desk) -> None:
    assert desk.take() is None
    assert desk.offer(desk.somchai) is None
    assert desk.take(nas=WLC + 1) is None
    assert desk.take(mac="3c22fb010204") is None
    assert desk.take(connection="0A00000900000B2E5F3C11D1") is None
    assert desk.waiting(desk.somchai) is Waiting.WAITS
    assert desk.take() == "somchai"
    assert desk.waiting(desk.somchai) is Waiting.CAME
    assert desk.take() == "somchai", "a controller asks again while the connection lasts"
    assert desk.take(connection="0A00000900000B2E5F3C11D1") is None


def test_a_grant_that_nobody_comes_for_is_gone_after_two_minutes(desk: Desk) -> None:
    desk.offer(desk.somchai)
    desk.later(seconds=TOKEN_LIFETIME.total_seconds())
    assert desk.take() is None
    assert desk.waiting(desk.somchai) is None


def test_a_grant_ends_with_the_time_it_was_given_for(desk: Desk) -> None:
    desk.offer(desk.somchai)
    assert desk.take() == "somchai"
    desk.later(seconds=3600)
    assert desk.take() is None


def test_a_controller_that_ends_the_connection_brings_the_name_of_the_next(desk: Desk) -> None:
    desk.offer(desk.somchai, ends=True)
    assert desk.request().kind == Kind.DISCONNECT
    assert desk.take(connection="0A00000900000B2E5F3C11D9") == "somchai"
    assert desk.take(connection="0A00000900000B2E5F3C11D9") == "somchai"
    assert desk.take() is None, "the old one is over"


def test_a_redirect_that_has_let_somebody_in_is_spent(desk: Desk) -> None:
    assert desk.offer(desk.somchai) is None
    denied = desk.offer(desk.malee)
    assert denied is not None and denied.reason is Reason.TOKEN_SPENT, "somchai is on his way in"
    desk.take()
    for who in (desk.malee, desk.somchai):
        denied = desk.offer(who)
        assert denied is not None and denied.reason is Reason.TOKEN_SPENT
    assert desk.take() == "somchai"


def test_who_is_thrown_out_comes_back_by_a_fresh_redirect_alone(desk: Desk) -> None:
    desk.offer(desk.somchai)
    desk.take()
    row = open_session(desk.office, desk.somchai)
    with desk.office.database.write() as session:
        assert (row.nas_client_id, row.calling_station_id) == (WLC, MAC)
        dynamic.disconnect_session(session, desk.office, row.session_key, "head")
    assert desk.take() is None
    old = replace(desk.caught, issued_at=desk.caught.issued_at - timedelta(seconds=5))
    denied = desk.offer(desk.somchai, caught=old)
    assert denied is not None and denied.reason is Reason.TOKEN_SPENT
    fresh = replace(desk.caught, issued_at=desk.office.clock() + timedelta(seconds=1))
    assert desk.offer(desk.somchai, caught=fresh) is None
    assert desk.take() == "somchai"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.NAKKED, Waiting.REFUSED),
        (State.TIMED_OUT, Waiting.SILENT),
        (State.UNSUPPORTED, Waiting.SILENT),
    ],
)
def test_a_controller_that_does_not_ask_again_is_told_of_and_may_be_tried_anew(
    desk: Desk, state: State, told: Waiting
) -> None:
    desk.offer(desk.somchai)
    with desk.office.database.write() as session:
        (order,) = outbox.claim(session, desk.office, "here", 5)
        assert (order.address, order.audit_session) == ("10.0.0.10", CAUGHT.session)
        assert order.calling_station_id == CAUGHT.calling
        outbox.finish(session, desk.office.clock(), "here", order.request_id, state)
    assert desk.waiting(desk.somchai) is told
    assert desk.waiting(desk.somchai) is None
    assert desk.offer(desk.somchai) is None


def test_who_may_not_come_in_any_more_when_the_controller_asks_is_not_told_to_be_on(
    desk: Desk,
) -> None:
    desk.offer(desk.somchai)
    with desk.office.database.write() as session:
        account = session.get_one(Account, desk.somchai)
        account.role.simultaneous = 1
    other = open_session(desk.office, desk.somchai)
    with desk.office.database.write() as session:
        session.merge(other).calling_station_id = "3c22fb0a0b0c"
    refused = desk.take()
    assert isinstance(refused, Denied) and refused.reason is Reason.SIMULTANEOUS
    assert desk.waiting(desk.somchai) is None
    with desk.office.database.read() as session:
        assert session.scalars(select(WebGrant)).one().ended_at is not None
    assert desk.take() is None


def test_a_controller_that_has_asked_by_itself_is_not_told_to(desk: Desk) -> None:
    desk.offer(desk.somchai)
    desk.take()
    with desk.office.database.write() as session:
        assert outbox.claim(session, desk.office, "here", 5) == []
    assert desk.request().state == State.SUPERSEDED


def test_old_grants_are_dropped_when_their_redirects_are_too_old(desk: Desk) -> None:
    desk.offer(desk.somchai)
    with desk.office.database.write() as session:
        central.drop_old(session, desk.office.clock() + timedelta(hours=1))
        assert session.scalars(select(WebGrant)).all()
        central.drop_old(session, desk.office.clock() + timedelta(hours=1) + LIFETIME * 2)
        assert not session.scalars(select(WebGrant)).all()
