"""Reply attributes of an accept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from identity.domain.access import Granted, Method, RoleProfile
from identity.domain.sessions import INTERIM_SECONDS
from radius_server.packet.codes import Attribute
from radius_server.packet.packet import Packet, decode, sub_attributes
from radius_server.process.policy import reply_attributes
from tests.unit.radius_server.process.script import NOW, account


def _reply(vendor: str = "generic", left: int | None = None, **limits: Any) -> Packet:
    granted = Granted(
        account=account(role=RoleProfile(name="r", **limits)),
        method=Method.PAP,
        expires_at=None if left is None else NOW + timedelta(seconds=left),
    )
    attributes = reply_attributes(granted, NOW, vendor, b"class")
    header = bytes((2, 0)) + (20 + len(attributes)).to_bytes(2, "big") + bytes(16)
    return decode(header + attributes)


def test_the_accounts_own_name_and_the_class_come_back() -> None:
    packet = _reply()
    assert packet.text(Attribute.USER_NAME) == "alice"
    assert packet.values[Attribute.CLASS] == b"class"
    assert packet.integer(Attribute.ACCT_INTERIM_INTERVAL) == INTERIM_SECONDS
    assert Attribute.SESSION_TIMEOUT not in packet.values


def test_a_vlan_is_three_tunnel_attributes() -> None:
    packet = _reply(vlan=42)
    assert packet.integer(Attribute.TUNNEL_TYPE) == 13
    assert packet.integer(Attribute.TUNNEL_MEDIUM_TYPE) == 6
    assert packet.text(Attribute.TUNNEL_PRIVATE_GROUP_ID) == "42"


@pytest.mark.parametrize(
    ("role", "left", "expected"),
    [(3600, None, 3600), (3600, 60, 60), (60, 3600, 60), (None, 90, 90), (None, 0, 1)],
)
def test_the_session_ends_with_the_account(
    role: int | None, left: int | None, expected: int
) -> None:
    packet = _reply(session_seconds=role, left=left)
    assert packet.integer(Attribute.SESSION_TIMEOUT) == expected


def test_rates_are_bits_a_second_for_wispr_and_text_for_mikrotik() -> None:
    wispr = [
        found
        for value in _reply(up_kbps=2000, down_kbps=8000).all(Attribute.VENDOR_SPECIFIC)
        for found in sub_attributes(value) or []
    ]
    assert wispr == [
        (14122, 7, (2_000_000).to_bytes(4, "big")),
        (14122, 8, (8_000_000).to_bytes(4, "big")),
    ]
    (value,) = _reply("mikrotik", up_kbps=2000).all(Attribute.VENDOR_SPECIFIC)
    assert sub_attributes(value) == [(14988, 8, b"2000k/0k")]


def test_idle_time_is_told() -> None:
    assert _reply(idle_seconds=900).integer(Attribute.IDLE_TIMEOUT) == 900


def test_an_account_that_ends_in_the_year_9999_gets_the_longest_session_there_is() -> None:
    assert _reply(left=7_000 * 365 * 86_400).integer(Attribute.SESSION_TIMEOUT) == 2**32 - 1
