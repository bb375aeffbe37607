"""What the gateway tells RADIUS and reads of it, and what it makes of an RFC 5176 request."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captive_portal.gateway.attributes import (
    Device,
    access_pairs,
    accounting_pairs,
    read_grant,
)
from captive_portal.gateway.clients import Cause, Client, Held
from captive_portal.gateway.dynamic import Change, End, Refuse, decide, is_fresh
from common.errors import MalformedPacket, NotAuthentic
from identity.domain.access import RoleProfile
from identity.domain.dynamic import CHANGEABLE, Kind
from identity.domain.dynamic import Change as Wanted
from identity.domain.sessions import StatusType
from radius_server.packet.answering import encode_answer, read_request
from radius_server.packet.authenticator import encode, encode_vendor
from radius_server.packet.codes import Attribute, Code
from radius_server.packet.dynamic import DynamicCode, ErrorCause, encode_request, read_reply
from radius_server.packet.forming import form_request
from radius_server.packet.hiding import Hop
from radius_server.packet.packet import Packet, decode
from radius_server.process.accounting import read as read_accounting
from radius_server.process.dynamic import SessionFacts, request_attributes
from radius_server.process.policy import _profile
from radius_server.process.vendor_replies import total_attributes
from tests.unit.captive_portal.gateway.lab import PHONE, V4, V6, V6_MORE, grant, number, settings

SECRET = b"a shared secret of some length"
NOW = 1_800_000_000


def client(**changes: object) -> Client:
    made = Client(mac=PHONE, session_id="abcd1234", grant=grant(), started_at=100.0)
    made.addresses = {one: Held(100.0, 100.0) for one in (V4, V6, V6_MORE)}
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def packet(attributes: bytes, code: int = Code.ACCESS_ACCEPT) -> Packet:
    length = 20 + len(attributes)
    return decode(bytes((code, 1)) + length.to_bytes(2, "big") + bytes(16) + attributes)


def test_a_login_names_device_address_gateway_and_session() -> None:
    device = Device(mac=PHONE, addresses=(V4, V6))
    pairs = dict(access_pairs(settings(), device, "somchai", "abcd1234"))
    assert pairs[Attribute.CALLING_STATION_ID] == b"3C-22-FB-01-02-03"
    assert pairs[Attribute.CALLED_STATION_ID] == pairs[Attribute.NAS_IDENTIFIER] == b"hall"
    assert pairs[Attribute.FRAMED_IP_ADDRESS] == bytes((10, 77, 0, 20))
    assert pairs[Attribute.ACCT_SESSION_ID] == b"abcd1234"
    assert number(pairs, Attribute.NAS_PORT_TYPE) == 19


@given(up=st.integers(0, 2**62), down=st.integers(0, 2**62))
def test_our_server_reads_every_octet_and_address_of_an_interim_update(up: int, down: int) -> None:
    one = client(up_octets=up, down_octets=down)
    pairs = accounting_pairs(settings(), StatusType.INTERIM, one, 400.9, NOW)
    octets = form_request(Code.ACCOUNTING_REQUEST, 7, Hop(SECRET, bytes(16)), pairs)
    record = read_accounting(decode(octets), 1, datetime.fromtimestamp(NOW, UTC))
    assert record.session is not None
    assert (record.session.input_octets, record.session.output_octets) == (up, down)
    assert record.session.session_seconds == 300
    assert {one.address for one in record.addresses} == {V4, V6, V6_MORE}
    assert record.class_values == (b"\x01class",)
    assert (record.user_name, record.calling_station_id) == ("somchai", PHONE)


def test_a_stop_says_why() -> None:
    pairs = accounting_pairs(settings(), StatusType.STOP, client(), 500.0, NOW, Cause.IDLE_TIMEOUT)
    assert number(dict(pairs), Attribute.ACCT_TERMINATE_CAUSE) == 4


def test_what_our_server_sends_of_a_role_is_understood() -> None:
    role = RoleProfile(name="guest", down_kbps=8000, up_kbps=2000, idle_seconds=600)
    attributes = _profile(role, "yuenyan") + total_attributes("yuenyan", 5 * 2**32 + 7)
    attributes += encode(Attribute.USER_NAME, b"somchai") + encode(Attribute.CLASS, b"c")
    attributes += encode(Attribute.SESSION_TIMEOUT, (3600).to_bytes(4, "big"))
    assert read_grant(settings(), "SOMCHAI", packet(attributes)) == grant(
        class_values=(b"c",),
        session_seconds=3600,
        idle_seconds=600,
        down_kbps=8000,
        up_kbps=2000,
        total_octets=5 * 2**32 + 7,
    )


def test_what_is_not_said_is_the_gateways_own() -> None:
    own = settings(session_seconds=7200, idle_seconds=60, interim_seconds=120)
    assert read_grant(own, "somchai", packet(b"")) == grant(
        class_values=(), session_seconds=7200, idle_seconds=60, interim_seconds=120
    )


@pytest.mark.parametrize(
    ("octets", "name"), [("สมชาย".encode(), "สมชาย"), (b"\xff" * 253, "asked"), (b"", "asked")]
)
def test_the_name_of_the_answer_is_used_when_it_can_go_back_as_it_came(
    octets: bytes, name: str
) -> None:
    accept = packet(encode(Attribute.USER_NAME, octets))
    assert read_grant(settings(), "asked", accept).user_name == name


def test_a_number_of_another_length_is_malformed() -> None:
    with pytest.raises(MalformedPacket):
        read_grant(settings(), "x", packet(encode(Attribute.SESSION_TIMEOUT, b"\x01")))


def asked(kind: Kind, change: Wanted | None = None, **facts: str) -> Packet:
    """A request as our own server makes it, through both sides' codec."""
    values = {"user_name": "somchai", "acct_session_id": "abcd1234", "calling_station_id": PHONE}
    attributes = request_attributes(
        "yuenyan",
        kind,
        change or Wanted(),
        SessionFacts(**{**values, **facts}),
        None,
        datetime.fromtimestamp(NOW, UTC),
    )
    code = {Kind.DISCONNECT: DynamicCode.DISCONNECT_REQUEST, Kind.COA: DynamicCode.COA_REQUEST}
    return read_request(encode_request(code[kind], 9, attributes, SECRET), SECRET)


def test_our_servers_disconnect_ends_the_session_it_names() -> None:
    assert decide(asked(Kind.DISCONNECT), "hall", [client()]) == End(PHONE, "abcd1234")


def test_our_servers_change_reaches_rates_and_times() -> None:
    wanted = Wanted(down_kbps=500, up_kbps=0, session_seconds=60, idle_seconds=0)
    assert CHANGEABLE["yuenyan"] == wanted.names()
    before = client(grant=grant(up_kbps=100, total_octets=9))
    decision = decide(asked(Kind.COA, wanted), "hall", [before])
    after = replace(before.grant, session_seconds=60, idle_seconds=0, down_kbps=500, up_kbps=None)
    assert decision == Change(PHONE, "abcd1234", after)


_TIME = encode(Attribute.EVENT_TIMESTAMP, NOW.to_bytes(4, "big"))
_SESSION = encode(Attribute.ACCT_SESSION_ID, b"abcd1234")
_RATE = encode_vendor(14122, 8, (1000).to_bytes(4, "big"))


@pytest.mark.parametrize(
    ("code", "attributes", "cause"),
    [
        pytest.param(40, _TIME, ErrorCause.MISSING_ATTRIBUTE, id="nobody named"),
        pytest.param(40, _SESSION, ErrorCause.MISSING_ATTRIBUTE, id="no time"),
        pytest.param(43, _TIME + _SESSION, ErrorCause.MISSING_ATTRIBUTE, id="no change"),
        pytest.param(
            40, _TIME + _SESSION + encode(27, bytes(4)), ErrorCause.UNSUPPORTED_ATTRIBUTE,
            id="a change in a disconnect",
        ),
        pytest.param(
            40, _TIME + _SESSION + _RATE, ErrorCause.UNSUPPORTED_ATTRIBUTE, id="a rate in one"
        ),
        pytest.param(
            43, _TIME + _SESSION + encode(11, b"role"), ErrorCause.UNSUPPORTED_ATTRIBUTE, id="role"
        ),
        pytest.param(
            43, _TIME + _SESSION + encode_vendor(9, 1, b"text"), ErrorCause.UNSUPPORTED_ATTRIBUTE,
            id="a vendor's text",
        ),
        pytest.param(
            40, _TIME + _SESSION + encode(32, b"attic"), ErrorCause.NAS_IDENTIFICATION_MISMATCH,
            id="another NAS",
        ),
        pytest.param(
            40, _TIME + encode(44, b"other"), ErrorCause.SESSION_CONTEXT_NOT_FOUND, id="unknown"
        ),
        pytest.param(
            40, _TIME + _SESSION + encode(31, b"02-00-00-00-00-01"),
            ErrorCause.SESSION_CONTEXT_NOT_FOUND, id="another device",
        ),
        pytest.param(
            40, _TIME + _SESSION + encode(8, bytes((10, 77, 0, 99))),
            ErrorCause.SESSION_CONTEXT_NOT_FOUND, id="another address",
        ),
        pytest.param(
            40, _TIME + encode(1, b"somchai"), ErrorCause.MULTIPLE_SESSION_SELECTION_UNSUPPORTED,
            id="two sessions",
        ),
    ],
)  # fmt: skip
def test_what_is_not_done_is_refused_with_its_cause(
    code: int, attributes: bytes, cause: ErrorCause
) -> None:
    both = [client(), client(mac="3c22fb040506", session_id="other one", addresses={})]
    assert decide(packet(attributes, code), "hall", both) == Refuse(cause)


def test_a_request_of_another_hour_is_a_replay() -> None:
    assert is_fresh(packet(_TIME), NOW + 300)
    assert not is_fresh(packet(_TIME), NOW + 301)
    assert not is_fresh(packet(_TIME), NOW - 301)


@pytest.mark.parametrize("refusal", [None, ErrorCause.SESSION_CONTEXT_NOT_FOUND])
def test_our_server_takes_the_gateways_answer_for_authentic(refusal: ErrorCause | None) -> None:
    request = encode_request(
        DynamicCode.COA_REQUEST, 3, _TIME + encode(33, b"one") + encode(33, b"two"), SECRET
    )
    answer = encode_answer(read_request(request, SECRET), SECRET, refusal)
    reply = read_reply(request, answer, SECRET)
    assert (reply.acknowledged, reply.error_cause) == (refusal is None, refusal)
    assert list(decode(answer).all(Attribute.PROXY_STATE)) == [b"one", b"two"]
    with pytest.raises(NotAuthentic):
        read_reply(request, answer, b"another secret")


def test_a_request_is_authentic_only_whole_and_signed() -> None:
    request = encode_request(DynamicCode.DISCONNECT_REQUEST, 3, _TIME, SECRET)
    for at in range(4, len(request)):
        forged = bytearray(request)
        forged[at] ^= 1
        with pytest.raises((NotAuthentic, MalformedPacket)):
            read_request(bytes(forged), SECRET)
    unsigned = form_request(
        Code.ACCOUNTING_REQUEST, 3, Hop(SECRET, bytes(16)), [(55, NOW.to_bytes(4, "big"))]
    )
    with pytest.raises(NotAuthentic, match="no_message_authenticator"):
        read_request(unsigned, SECRET)
