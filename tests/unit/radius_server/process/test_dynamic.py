"""radius_server.process.dynamic: what names a session to each make of equipment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from identity.domain.dynamic import Change, Kind
from radius_server.packet.authenticator import encode, encode_vendor
from radius_server.packet.codes import Attribute
from radius_server.packet.packet import Packet, decode, sub_attributes
from radius_server.process.dynamic import (
    PROFILES,
    SessionFacts,
    profile_of,
    request_attributes,
)

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
FACTS = SessionFacts(user_name="somchai", acct_session_id="5A", calling_station_id="3c22fb000001")
U, A, S, C = (
    Attribute.USER_NAME,
    Attribute.NAS_IP_ADDRESS,
    Attribute.ACCT_SESSION_ID,
    Attribute.CALLING_STATION_ID,
)
N, F = Attribute.NAS_IDENTIFIER, Attribute.FRAMED_IP_ADDRESS
AUDIT = b"audit-session-id=0a0000070000000A"
SENT = {
    U: b"Somchai@School",
    A: bytes((10, 0, 0, 7)),
    S: b"5A\xff",
    C: b"3c22.fb00.0001",
    N: b"ap-7",
    F: bytes((10, 20, 0, 9)),
    Attribute.NAS_PORT: bytes(4),
}


def said(*without: Attribute, more: bytes = b"") -> Packet:
    """An accounting packet with everything but some attributes."""
    body = b"".join(encode(kind, value) for kind, value in SENT.items() if kind not in without)
    body += more
    return decode(bytes((4, 1)) + (20 + len(body)).to_bytes(2, "big") + bytes(16) + body)


def asked(
    vendor: str,
    packet: Packet | None,
    kind: Kind = Kind.DISCONNECT,
    change: Change | None = None,
    facts: SessionFacts = FACTS,
) -> Packet:
    """The attributes of a request, read back."""
    body = request_attributes(vendor, kind, change or Change(), facts, packet, NOW)
    return decode(bytes((40, 1)) + (20 + len(body)).to_bytes(2, "big") + bytes(16) + body)


@pytest.mark.parametrize(
    ("vendor", "names"),
    [
        ("generic", {A, N, U, S, C}),
        ("omada", {A, N, U, S, C}),
        ("coova", {A, N, U, S}),
        ("mikrotik", {A, N, U, S, F}),
        ("unifi", {N, C}),
        ("aruba", {A, U, C}),
        ("ruckus", {A, U, C}),
        ("cisco", {A, S, C}),
        ("meraki", {A, S, C}),
        ("fortinet", {S, U, F, A, N}),
        ("huawei", {A, S, C}),
    ],
)
def test_each_make_gets_what_it_matches_on_as_it_sent_it(
    vendor: str, names: set[Attribute]
) -> None:
    packet = asked(vendor, said())
    assert set(packet.values) == {*names, Attribute.EVENT_TIMESTAMP}
    for name in names:
        assert packet.values[name] == SENT[name]
    assert packet.integer(Attribute.EVENT_TIMESTAMP) == int(NOW.timestamp())


def test_a_nas_that_names_itself_otherwise_is_named_as_it_does() -> None:
    packet = asked("unifi", said(N))
    assert set(packet.values) == {A, C, Attribute.EVENT_TIMESTAMP}


def test_when_nothing_is_left_to_match_on_everything_known_is_sent() -> None:
    packet = asked("unifi", said(C))
    assert {U, S, N} <= set(packet.values)


def test_without_its_packet_a_session_is_named_from_the_ledger() -> None:
    packet = asked("unifi", None)
    assert packet.values[C] == b"3C-22-FB-00-00-01"
    assert packet.values[S] == b"5A"
    assert packet.values[U] == b"somchai"
    bare = asked("generic", None, facts=replace(FACTS, user_name="", calling_station_id=None))
    assert set(bare.values) == {S, Attribute.EVENT_TIMESTAMP}
    odd = asked("generic", None, facts=replace(FACTS, calling_station_id="port 7"))
    assert odd.values[C] == b"port 7"


def test_cisco_s_own_session_name_goes_along() -> None:
    other = encode_vendor(9, 1, b"ssid=School")
    foreign = encode(26, b"\0\0")
    packet = asked("cisco", said(more=foreign + other + encode_vendor(9, 1, AUDIT)))
    assert sub_attributes(packet.values[26]) == [(9, 1, AUDIT)]
    assert Attribute.VENDOR_SPECIFIC not in asked("cisco", said()).values
    assert Attribute.VENDOR_SPECIFIC not in asked("aruba", said(more=other)).values


def test_a_disconnect_changes_nothing() -> None:
    packet = asked("mikrotik", said(), change=Change(session_seconds=60, down_kbps=5))
    assert Attribute.SESSION_TIMEOUT not in packet.values
    assert Attribute.VENDOR_SPECIFIC not in packet.values


def test_standard_changes() -> None:
    change = Change(session_seconds=600, idle_seconds=60, filter_id="students")
    packet = asked("aruba", said(), Kind.COA, change)
    assert packet.integer(Attribute.SESSION_TIMEOUT) == 600
    assert packet.integer(Attribute.IDLE_TIMEOUT) == 60
    assert packet.values[11] == b"students"


@pytest.mark.parametrize(
    ("vendor", "change", "expected"),
    [
        ("mikrotik", Change(up_kbps=512, down_kbps=2048), [(14988, 8, b"512k/2048k")]),
        ("mikrotik", Change(down_kbps=2048), [(14988, 8, b"0k/2048k")]),
        (
            "coova",
            Change(up_kbps=512),
            [(14122, 7, (512_000).to_bytes(4, "big")), (14559, 4, (512).to_bytes(4, "big"))],
        ),
        (
            "generic",
            Change(up_kbps=512, down_kbps=2**31 - 1),
            [(14122, 7, (512_000).to_bytes(4, "big")), (14122, 8, b"\xff\xff\xff\xff")],
        ),
        (
            "cisco",
            Change(reauthenticate=True),
            [
                (9, 1, b"subscriber:command=reauthenticate"),
                (9, 1, b"subscriber:reauthenticate-type=last"),
            ],
        ),
    ],
)
def test_vendor_changes(
    vendor: str, change: Change, expected: list[tuple[int, int, bytes]]
) -> None:
    packet = asked(vendor, said(), Kind.COA, change)
    found = [part for value in packet.all(26) for part in sub_attributes(value) or ()]
    assert found == expected


@pytest.mark.parametrize(
    ("vendor", "port"),
    [("generic", 3799), ("nobody knows", 3799), ("cisco", 1700), ("meraki", 1700),
     ("opnsense", None), ("pfsense", None), ("opennds", None)],
)  # fmt: skip
def test_where_each_make_listens(vendor: str, port: int | None) -> None:
    assert profile_of(vendor).port == port


def test_every_profile_that_listens_names_more_than_the_nas() -> None:
    nas = {Attribute.NAS_IP_ADDRESS, Attribute.NAS_IPV6_ADDRESS, Attribute.NAS_IDENTIFIER}
    assert all(set(profile.attributes) - nas for profile in PROFILES.values())


def test_a_change_is_stored_and_read_back() -> None:
    change = Change(session_seconds=600, reauthenticate=True)
    assert change.dump() == '{"reauthenticate": true, "session_seconds": 600}'
    assert Change.load(change.dump()) == change
    assert Change.load("{}").is_empty()
