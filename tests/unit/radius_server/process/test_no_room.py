"""While the disk is full and the site refuses then: who is in stays in, nobody else comes."""

from __future__ import annotations

import pytest

from common.net import format_mac
from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from radius_server.process.questions import CheckPassword, FindAccount, FindOpenStations
from tests.unit.radius_server.process.script import STATION, Script, account, request


def _proven(station: str | None = STATION) -> Script:
    alice = account()
    return (
        Script(request(no_room=True, station=station))
        .asked(FindAccount("alice"), alice)
        .asked(CheckPassword(alice, b"wonderland"), True)
    )


def test_somebody_new_is_refused_with_the_reason() -> None:
    (
        _proven()
        .asked(FindOpenStations(1), frozenset({"aabbccddeeff"}))
        .decides(Denied(Reason.DISK_FULL, Method.PAP, 1))
    )


def test_a_device_that_is_in_already_may_log_in_again() -> None:
    (
        _proven()
        .asked(FindOpenStations(1), frozenset({STATION}))
        .decides(Granted(account=account(), method=Method.PAP))
    )


def test_without_an_address_nobody_counts_as_being_in() -> None:
    (
        _proven(station=None)
        .asked(FindOpenStations(1), frozenset())
        .decides(Denied(Reason.DISK_FULL, Method.PAP, 1))
    )


def test_a_dead_database_is_no_leave() -> None:
    _proven().asked(FindOpenStations(1), Unavailable("database")).decides(Unavailable("database"))


def test_a_wrong_password_stays_a_wrong_password() -> None:
    alice = account()
    (
        Script(request(no_room=True))
        .asked(FindAccount("alice"), alice)
        .asked(CheckPassword(alice, b"wonderland"), False)
        .decides(Denied(Reason.WRONG_PASSWORD, Method.PAP, 1))
    )


@pytest.mark.parametrize("stations", [frozenset(), frozenset({STATION})])
def test_devices_by_their_address_are_held_to_it_too(stations: frozenset[str]) -> None:
    device = account(username=STATION, kind="device")
    decision = (
        Granted(account=device, method=Method.MAC)
        if stations
        else Denied(Reason.DISK_FULL, Method.MAC, 1)
    )
    (
        Script(request(no_room=True, user_name=format_mac(STATION), password=b""))
        .asked(FindAccount(STATION), device)
        .asked(FindOpenStations(1), stations)
        .decides(decision)
    )
