"""An unknown device at a controller with central web authentication, as scripts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from identity.domain.central import CentralTerms, NotSent, Proven, open_sealed
from radius_server.packet.packet import decode, sub_attributes
from radius_server.process.access import decide
from radius_server.process.central import connection_of
from radius_server.process.questions import (
    AccessRequest,
    Answered,
    Central,
    FindAccount,
    FindWebGrant,
)
from tests.unit.radius_server.process.script import NOW, STATION, Script, account, request

TERMS = CentralTerms(
    acl="CAUGHT",
    address="https://login.school.example/p/wlc/",
    ssids=frozenset({"Guests"}),
    key=b"k" * 32,
)
CONNECTION = "0A00000900000B2E5F3C11D0"
ASKS = FindWebGrant(7, STATION, CONNECTION)
PROVEN = Proven(username="alice", ends_at=NOW + timedelta(hours=1))


def mab(**changes: Any) -> AccessRequest:
    central = Central(
        terms=TERMS,
        connection=CONNECTION,
        calling="3C-22-FB-01-02-03",
        nas_address="10.0.0.9",
        source="10.0.0.10",
    )
    facts = {"user_name": STATION, "password": STATION.encode(), "call_check": True}
    return request(**facts, **({"central": central} | changes))


def sent(answers: tuple[tuple[Any, Any], ...], **changes: Any) -> Answered:
    """How the dialogue ends, where the device is sent to the portal."""
    dialogue = decide(mab(**changes))
    question = next(dialogue)
    for expected, answer in answers:
        assert question == expected
        try:
            question = dialogue.send(answer)
        except StopIteration as ended:
            assert isinstance(ended.value, Answered)
            return ended.value
    pytest.fail("undecided")


def pairs_in(told: Answered) -> dict[str, str]:
    packet = decode(b"\x02\x01" + (20 + len(told.attributes)).to_bytes(2, "big") + bytes(16)
                    + told.attributes)  # fmt: skip
    inner = [part for value in packet.all(26) for part in sub_attributes(value) or ()]
    assert {(vendor, kind) for vendor, kind, _ in inner} == {(9, 1)}
    return dict(text.decode().partition("=")[::2] for _, _, text in inner)


def test_a_device_that_nobody_knows_is_let_as_far_as_the_portal() -> None:
    told = sent(((FindAccount(STATION), None), (ASKS, None)))
    assert told.opens_portal
    assert told.decision == Denied(Reason.SENT_TO_PORTAL, Method.MAC)
    pairs = pairs_in(told)
    assert pairs["url-redirect-acl"] == "CAUGHT"
    address, _, sealed = pairs["url-redirect"].partition("?c=")
    assert address == TERMS.address
    caught = open_sealed(TERMS.key, 7, sealed, NOW)
    assert caught is not None
    assert (caught.station, caught.session) == (STATION, CONNECTION)
    assert (caught.calling, caught.source) == ("3C-22-FB-01-02-03", "10.0.0.10")


def test_a_device_whose_user_is_proven_gets_their_account() -> None:
    alice = account()
    (
        Script(mab())
        .asked(FindAccount(STATION), None)
        .asked(ASKS, PROVEN)
        .asked(FindAccount("alice"), alice)
        .decides(
            Granted(
                account=replace(alice, expires_at=PROVEN.ends_at),
                method=Method.PORTAL,
                expires_at=PROVEN.ends_at,
            )
        )
    )


def test_a_device_stays_no_longer_than_the_portal_granted_or_the_account_lasts() -> None:
    sooner = NOW + timedelta(minutes=5)
    alice = account(expires_at=sooner)
    (
        Script(mab())
        .asked(FindAccount(STATION), None)
        .asked(ASKS, PROVEN)
        .asked(FindAccount("alice"), alice)
        .decides(Granted(account=alice, method=Method.PORTAL, expires_at=sooner))
    )


def test_who_may_not_come_in_is_sent_to_the_portal_to_read_why() -> None:
    alice = account(state="suspended")
    told = sent(((FindAccount(STATION), None), (ASKS, PROVEN), (FindAccount("alice"), alice)))
    assert told.opens_portal
    assert told.decision == Denied(Reason.SUSPENDED, Method.PORTAL, 1)


def test_nobody_is_let_in_when_nobody_can_say() -> None:
    away = Unavailable("database")
    Script(mab()).asked(FindAccount(STATION), away).decides(away)
    Script(mab()).asked(FindAccount(STATION), None).asked(ASKS, away).decides(away)
    (
        Script(mab())
        .asked(FindAccount(STATION), None)
        .asked(ASKS, PROVEN)
        .asked(FindAccount("alice"), away)
        .decides(away)
    )


def test_a_registered_device_never_meets_the_portal() -> None:
    printer = account(username=STATION, kind="device")
    (
        Script(mab())
        .asked(FindAccount(STATION), printer)
        .decides(Granted(account=printer, method=Method.MAC))
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"central": None}, Reason.UNKNOWN_DEVICE),
        ({"password": b"guess"}, Reason.UNKNOWN_DEVICE),
    ],
)
def test_without_the_mode_or_with_a_strange_password_it_is_refused(
    changes: dict[str, Any], reason: Reason
) -> None:
    asked = mab()
    for name, value in changes.items():
        setattr(asked, name, value)
    Script(asked).asked(FindAccount(STATION), None).decides(Denied(reason, Method.MAC))


def test_an_address_that_an_attribute_cannot_hold_is_no_address() -> None:
    asked = mab()
    assert isinstance(asked.central, Central)
    asked.central.terms = replace(TERMS, address="https://" + "l" * 150 + "/p/wlc/")
    (
        Script(asked)
        .asked(FindAccount(STATION), None)
        .asked(ASKS, None)
        .decides(Denied(Reason.UNKNOWN_DEVICE, Method.MAC, step="central:address_too_long"))
    )


def _packet(*pairs: bytes, called: bytes = b"aa-bb-cc-dd-ee-01:Guests") -> Any:
    body = b"\x1f\x13" + b"3C-22-FB-01-02-03" + b"\x04\x06" + bytes((10, 0, 0, 9))
    body += bytes((30, 2 + len(called))) + called
    for pair in pairs:
        body += bytes((26, 8 + len(pair))) + (9).to_bytes(4, "big") + bytes((1, 2 + len(pair)))
        body += pair
    return decode(b"\x01\x01" + (20 + len(body)).to_bytes(2, "big") + bytes(16) + body)


def test_a_connection_is_what_its_controller_calls_it() -> None:
    packet = _packet(b"service-type=Call Check", b"audit-session-id=" + CONNECTION.encode())
    found = connection_of(TERMS, packet, ("10.0.0.10", 1645))
    assert isinstance(found, Central)
    assert (found.connection, found.calling) == (CONNECTION, "3C-22-FB-01-02-03")
    assert (found.nas_address, found.source) == ("10.0.0.9", "10.0.0.10")


@pytest.mark.parametrize("name", [b"", b"short", b"with a space in it", b"x" * 65, b"\xff" * 12])
def test_a_name_that_no_controller_gives_is_none(name: bytes) -> None:
    assert connection_of(TERMS, _packet(b"audit-session-id=" + name), ("10.0.0.10", 1)) is None


@pytest.mark.parametrize(
    ("called", "why"),
    [
        (b"aa-bb-cc-dd-ee-01:Printers", NotSent.OTHER_SSID),
        (b"aa-bb-cc-dd-ee-01:guests", NotSent.OTHER_SSID),
        (b"aa-bb-cc-dd-ee-01:Printers:Guests", NotSent.OTHER_SSID),
        (b"aa-bb-cc-dd-ee-01", NotSent.SSID_UNTOLD),
        (b"Guests", NotSent.SSID_UNTOLD),
        (b"", NotSent.SSID_UNTOLD),
    ],
)
def test_on_a_network_that_the_controller_does_not_redirect_a_device_is_refused(
    called: bytes, why: NotSent
) -> None:
    packet = _packet(b"audit-session-id=" + CONNECTION.encode(), called=called)
    asked = mab(central=connection_of(TERMS, packet, ("10.0.0.10", 1645)))
    (
        Script(asked)
        .asked(FindAccount(STATION), None)
        .decides(Denied(Reason.UNKNOWN_DEVICE, Method.MAC, step=why))
    )


@pytest.mark.parametrize("why", [NotSent.NO_ACL, NotSent.NO_SSIDS, NotSent.NO_ADDRESS])
def test_what_the_controller_lacks_is_in_the_trace_of_the_device(why: NotSent) -> None:
    packet = _packet(b"audit-session-id=" + CONNECTION.encode())
    asked = mab(central=connection_of(why, packet, ("10.0.0.10", 1645)))
    (
        Script(asked)
        .asked(FindAccount(STATION), None)
        .decides(Denied(Reason.UNKNOWN_DEVICE, Method.MAC, step=why))
    )
