"""Accounting-Requests as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from common.errors import MalformedPacket
from identity.domain.sessions import StatusType
from radius_server.packet.codes import Attribute
from radius_server.packet.packet import Packet, decode
from radius_server.process.accounting import read

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def packet(*attributes: tuple[int, bytes | int | str]) -> Packet:
    """An Accounting-Request of these attributes."""
    body = b""
    for kind, value in attributes:
        octets = value.to_bytes(4, "big") if isinstance(value, int) else value
        octets = octets.encode() if isinstance(octets, str) else octets
        body += bytes((kind, len(octets) + 2)) + octets
    return decode(b"\x04\x01" + (20 + len(body)).to_bytes(2, "big") + bytes(16) + body)


BASE: tuple[tuple[int, bytes | int | str], ...] = (
    (Attribute.USER_NAME, "alice"),
    (Attribute.ACCT_SESSION_ID, "s1"),
    (Attribute.CALLING_STATION_ID, "3C-22-FB-01-02-03"),
    (Attribute.NAS_IDENTIFIER, "ap-1"),
)


def test_an_interim_update_dates_the_session_by_its_stopwatch() -> None:
    record = read(
        packet(
            *BASE,
            (Attribute.ACCT_STATUS_TYPE, 3),
            (Attribute.ACCT_SESSION_TIME, 600),
            (Attribute.ACCT_DELAY_TIME, 5),
        ),
        7,
        NOW,
    )
    assert record.session is not None
    assert record.session.started_at == NOW - timedelta(seconds=605)
    assert record.session.last_heard_at == NOW
    assert record.session.calling_station_id == "3c22fb010203"
    assert not record.session.stop_seen


def test_gigawords_are_the_upper_half() -> None:
    record = read(
        packet(
            *BASE,
            (Attribute.ACCT_STATUS_TYPE, 2),
            (Attribute.ACCT_INPUT_OCTETS, 7),
            (Attribute.ACCT_INPUT_GIGAWORDS, 2),
            (Attribute.ACCT_OUTPUT_OCTETS, 0xFFFFFFFF),
            (Attribute.ACCT_OUTPUT_GIGAWORDS, 0xFFFFFFFF),
        ),
        7,
        NOW,
    )
    assert record.session is not None
    assert record.session.input_octets == 2 * 2**32 + 7
    assert record.session.output_octets == 2**63 - 1, "what a database integer can hold"
    assert record.session.stop_seen
    assert record.session.stop_at == NOW


def test_every_address_counts_but_the_unspecified_ones() -> None:
    prefix = b"\x00\x40" + ip_address("2001:db8:1:2::").packed[:8]
    record = read(
        packet(
            *BASE,
            (Attribute.ACCT_STATUS_TYPE, 1),
            (Attribute.FRAMED_IP_ADDRESS, ip_address("10.0.0.9").packed),
            (Attribute.FRAMED_IP_ADDRESS, bytes(4)),
            (Attribute.FRAMED_IPV6_ADDRESS, ip_address("2001:db8::1").packed),
            (Attribute.FRAMED_IPV6_ADDRESS, ip_address("2001:db8::2").packed),
            (Attribute.FRAMED_IPV6_PREFIX, prefix),
            (Attribute.DELEGATED_IPV6_PREFIX, b"\x00\x38" + ip_address("2001:db8:ff::").packed),
        ),
        7,
        NOW,
    )
    assert [state.address for state in record.addresses] == [
        "10.0.0.9",
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8:1:2::/64",
        "2001:db8:ff::/56",
    ]
    assert {state.first_offset_seconds for state in record.addresses} == {0}


@pytest.mark.parametrize("status", [StatusType.ON, StatusType.OFF])
def test_on_and_off_have_no_session(status: StatusType) -> None:
    record = read(
        packet((Attribute.ACCT_STATUS_TYPE, status), (Attribute.NAS_IDENTIFIER, "ap-1")), 7, NOW
    )
    assert record.session is None
    assert record.is_boot
    assert record.nas_identity == "ap-1"


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param((), id="no-status-type"),
        pytest.param(((Attribute.ACCT_STATUS_TYPE, 1),), id="no-session-id"),
        pytest.param(
            (*BASE, (Attribute.ACCT_STATUS_TYPE, b"\x01\x00\x00")), id="status-of-three-octets"
        ),
        pytest.param(
            (*BASE, (Attribute.ACCT_STATUS_TYPE, 1), (Attribute.FRAMED_IP_ADDRESS, b"\x0a")),
            id="address-of-one-octet",
        ),
        pytest.param(
            (
                *BASE,
                (Attribute.ACCT_STATUS_TYPE, 1),
                (Attribute.FRAMED_IPV6_PREFIX, b"\x00\x81" + bytes(16)),
            ),
            id="prefix-of-129-bits",
        ),
    ],
)
def test_what_cannot_be_a_record_is_malformed(
    attributes: tuple[tuple[int, bytes | int | str], ...],
) -> None:
    with pytest.raises(MalformedPacket):
        read(packet(*attributes), 7, NOW)


def test_a_broken_stopwatch_does_not_move_the_start() -> None:
    record = read(
        packet(*BASE, (Attribute.ACCT_STATUS_TYPE, 3), (Attribute.ACCT_SESSION_TIME, 2**32 - 1)),
        7,
        NOW,
    )
    assert record.session is not None
    assert record.session.started_at == NOW
    assert record.session.session_seconds == 0


def test_the_user_the_station_and_the_device_make_the_key() -> None:
    start = (Attribute.ACCT_STATUS_TYPE, 1)
    keys = set()
    for changed in (
        BASE,
        ((Attribute.USER_NAME, "bob"), *BASE[1:]),
        (*BASE[:1], (Attribute.ACCT_SESSION_ID, "s2"), *BASE[2:]),
        (*BASE[:2], (Attribute.CALLING_STATION_ID, "3c-22-fb-01-02-04"), BASE[3]),
        (*BASE[:3], (Attribute.NAS_IDENTIFIER, "ap-2")),
    ):
        session = read(packet(*changed, start), 7, NOW).session
        assert session is not None
        keys.add(session.session_key)
    assert len(keys) == 5
