"""My connections: seen by their owner alone, ended through the outbox."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from captive_portal.public.own import sessions as page
from db.models import AuditEvent, CoaRequest, NasClient
from identity.office import Office
from identity.services import vouchers
from identity.services.devices import add_device
from tests.conftest import ADMIN, add_person
from tests.unit.captive_portal.public.conftest import HERE, Visitor
from tests.unit.captive_portal.public.own import add_session, my, sign_in, sign_in_of

LIVE = "a" * 32
OLD = "b" * 32
THEIRS = "c" * 32


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "WAIT_SECONDS", 0.0)


@pytest.fixture
def somchai(office: Office, nas: NasClient) -> int:
    assert nas.id == 1
    mine, theirs = add_person(office, "somchai"), add_person(office, "malee")
    now = office.clock()
    add_session(office, mine, LIVE, HERE)
    add_session(
        office,
        mine,
        OLD,
        "10.5.0.9",
        stop_seen=1,
        stop_at=now - timedelta(minutes=2),
        terminate_cause=4,
        calling_station_id="da7e00000001",
    )
    add_session(office, theirs, THEIRS, "10.5.0.66", calling_station_id="3c22fb0a0b0c")
    return mine


def asked(office: Office) -> list[tuple[str, str, str]]:
    with office.database.read() as session:
        rows = session.scalars(select(CoaRequest)).all()
    return [(row.session_key, row.reason, row.actor) for row in rows]


def test_the_list_tells_when_where_how_much_and_how_it_ended(
    visitor: Visitor, somchai: int
) -> None:
    text = visitor.get(my("/me/sessions", sign_in(visitor))).text
    assert "3c:22:fb:01:02:03" in text and "hall · Classroom" in text
    assert HERE in text and "7 MB" in text and "this device" in text
    assert "da:7e:00:00:00:01" in text and "private address" in text
    assert "not used for a while" in text
    assert "10.5.0.66" not in text and "3c:22:fb:0a:0b:0c" not in text


def test_what_ended_longer_ago_is_not_listed(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    then = office.clock() - timedelta(days=8)
    add_session(office, somchai, "d" * 32, "10.5.0.8", last_heard_at=then, closed_at=then)
    assert "10.5.0.8" not in visitor.get(my("/me/sessions", sign_in(visitor))).text


def test_ending_one_asks_the_network_in_its_owners_name(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    here = my("/me/sessions", sign_in(visitor))
    answer = visitor.fill(here, action="/me/sessions")
    assert answer.status_code == 303
    assert asked(office) == [(LIVE, "owner", "somchai")]
    assert "Signing out; the network has not answered yet." in visitor.follow(answer).text
    with office.database.write() as session:
        session.scalars(select(CoaRequest)).one().state = "timed_out"
    assert "The network did not answer." in visitor.get(here).text
    with office.database.read() as session:
        actions = session.scalars(select(AuditEvent.action)).all()
    assert "session:disconnect_requested" in actions


@pytest.mark.parametrize("key", [THEIRS, "f" * 32, "", "x' OR 1=1"])
def test_somebody_elses_connection_is_never_touched(
    visitor: Visitor, office: Office, somchai: int, key: str
) -> None:
    here = my("/me/sessions", sign_in(visitor))
    answer = visitor.fill(here, action="/me/sessions", session=key)
    assert answer.status_code == 404
    assert "not in your list" in answer.text and "10.5.0.66" not in answer.text
    assert asked(office) == []


def test_one_that_has_ended_is_told_so(visitor: Visitor, office: Office, somchai: int) -> None:
    answer = visitor.fill(my("/me/sessions", sign_in(visitor)), "/me/sessions", session=OLD)
    assert answer.status_code == 409 and "has ended already" in answer.text
    assert asked(office) == []


def test_connections_of_own_registered_devices_are_own_too(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        printer = add_device(session, office, "3c22fb999999", "device", "somchai", "test")
    add_session(office, printer.id, "e" * 32, "10.5.0.77", calling_station_id="3c22fb999999")
    here = my("/me/sessions", sign_in(visitor))
    assert "10.5.0.77" in visitor.get(here).text
    assert visitor.fill(here, "/me/sessions", session="e" * 32).status_code == 303
    assert asked(office) == [("e" * 32, "owner", "somchai")]


def test_wishes_are_not_taken_without_end(visitor: Visitor, office: Office, somchai: int) -> None:
    here = my("/me/sessions", sign_in(visitor))
    codes = [visitor.fill(here, "/me/sessions", session="f" * 32).status_code for _ in range(21)]
    assert codes == [404] * 20 + [429]


def test_a_voucher_guest_sees_their_own(visitor: Visitor, office: Office, somchai: int) -> None:
    with office.database.write() as session:
        _batch, codes = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=60, devices=1, issuer=ADMIN
        )
    answer = visitor.fill("/voucher?lang=en", code=codes[0])
    s = sign_in_of(answer.location)
    text = visitor.get(my("/me/sessions", s)).text
    assert "None at this moment." in text and HERE not in text
    assert "Sign it out and tell the staff." in text and "password" not in text
    menu = visitor.get(my("/status", s)).text
    assert "My connections" in menu and "Change my password" not in menu


@pytest.mark.parametrize(
    "path",
    ["/me/sessions", "/me/devices", "/me/password", "/me/mailbox", "/me/data", "/rules/accept"],
)
def test_an_own_page_needs_a_sign_in(reader: Visitor, path: str) -> None:
    for s in ("", "forged"):
        assert reader.get(f"{path}?s={s}").location == "/"
        assert reader.post(path, s=s).location == "/"
