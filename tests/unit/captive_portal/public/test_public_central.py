"""Central web authentication on the pages: which redirect is believed, and who is handed over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from db.models import CoaRequest, NasClient, PortalToken, WebGrant
from identity.domain.central import LIFETIME, PARAMETER, Caught, Proven, seal
from identity.domain.dynamic import State
from identity.office import Office
from identity.services import central
from identity.services.nas_portal import seal_portal_settings
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import HERE, MAC, Visitor
from tests.unit.captive_portal.public.test_public_hand_over import (
    ELSEWHERE,
    add_gateway,
    connect,
    signed,
)

CONNECTION = "0A00000900000B2E5F3C11D0"
WLC = 1


@pytest.fixture
def somchai(office: Office) -> int:
    return add_person(office, "somchai")


@pytest.fixture(autouse=True)
def wlc(office: Office) -> None:
    add_gateway(office, "cisco", mode="cwa", redirect_acl="CAUGHT", ssids="School")


def redirect(office: Office, nas: int = WLC, key: bytes | None = None, **changes: object) -> str:
    """Where RADIUS sends the device, as the controller passes it on."""
    caught = Caught(
        station=MAC,
        session=CONNECTION,
        calling="3c-22-fb-01-02-03",
        source="10.5.50.1",
        issued_at=office.clock(),
    )
    told = replace(caught, **changes)  # type: ignore[arg-type]
    sealed = seal(key or office.vault.redirect_key, nas, told)
    return f"/p/hall/?{PARAMETER}={sealed}&redirect=http%3A%2F%2Fexample.com%2F"


def test_who_signs_in_waits_while_the_controller_is_asked_and_is_told_when_it_came(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    path = connect(visitor, redirect(office), signed(office, somchai))
    waits = visitor.get(path)
    assert waits.status_code == 200 and 'http-equiv="refresh"' in waits.text
    visitor.get(path)
    with office.database.read() as session:
        (request,) = session.scalars(select(CoaRequest)).all()
        assert not session.scalars(select(PortalToken)).all(), "nothing passes through the browser"
    assert (request.reason, request.actor) == ("signed_in_on_portal", "somchai")
    with office.database.write() as session:
        taken = central.take(session, office, WLC, MAC, CONNECTION)
        assert isinstance(taken, Proven) and taken.username == "somchai"
    done = visitor.get(path)
    assert done.status_code == 303 and done.location.startswith("/status?")


def test_the_page_says_when_the_controller_does_not_ask_again(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    path = connect(visitor, redirect(office), signed(office, somchai))
    visitor.get(path)
    for state, words in ((State.NAKKED, "did not accept"), (State.TIMED_OUT, "does not answer")):
        with office.database.write() as session:
            for request in session.scalars(select(CoaRequest)):
                request.state, request.finished_at = state, office.clock()
        told = visitor.get(path)
        assert told.status_code == 503 and words in told.text
        assert visitor.get(path).status_code == 200, "it may be tried again at once"


def test_a_redirect_that_this_server_has_not_sealed_is_refused(
    visitor: Visitor, office: Office
) -> None:
    for one in (
        redirect(office, key=b"x" * 32),
        redirect(office, nas=WLC + 1),
        redirect(office, issued_at=office.clock() - LIFETIME - timedelta(seconds=1)),
        f"/p/hall/?client_mac={MAC}&switch_url=https://evil.example/",
        "/p/hall/?c=",
    ):
        assert visitor.get(one).status_code == 400, one


def test_only_the_browser_that_arrived_hands_its_device_over(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    path = connect(visitor, redirect(office), signed(office, somchai))
    moved = Visitor(visitor.app, ELSEWHERE).get(path)
    assert moved.status_code == 403 and "another device" in moved.text
    other = connect(visitor, redirect(office), signed(office, somchai, "3c22fb0a0b0c"))
    again = Visitor(visitor.app, HERE).get(other)
    assert again.status_code == 302 and "again=1" in again.location
    with office.database.read() as session:
        assert not session.scalars(select(WebGrant)).all()


def test_a_redirect_is_spent_when_it_has_let_somebody_in(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    path = connect(visitor, redirect(office), signed(office, somchai))
    visitor.get(path)
    with office.database.write() as session:
        central.take(session, office, WLC, MAC, CONNECTION)
    malee = add_person(office, "malee")
    spent = visitor.get(connect(visitor, redirect(office), signed(office, malee)))
    assert spent.status_code == 403 and "has been used" in spent.text


def test_a_controller_that_was_taken_out_of_the_mode_hands_nobody_over(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    path = connect(visitor, redirect(office), signed(office, somchai))
    with office.database.write() as session:
        nas = session.get_one(NasClient, WLC)
        nas.portal_settings_encrypted = seal_portal_settings(office, {"mode": "aireos"})
        nas.login_url = "https://192.0.2.1"
    assert visitor.get(path).status_code == 200
    with office.database.read() as session:
        assert not session.scalars(select(WebGrant)).all()
