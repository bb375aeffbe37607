"""Packets of a RADIUS server that is broken or hostile, as our own gateway reads them."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from captive_portal.gateway.attributes import read_grant
from captive_portal.gateway.clients import Client, Held
from captive_portal.gateway.dynamic import Change, End, Refuse, decide, is_fresh
from common.errors import MalformedPacket
from radius_server.packet.authenticator import encode_all
from radius_server.packet.packet import Packet, decode
from tests.unit.captive_portal.gateway import lab

_KNOWN = st.sampled_from([1, 8, 25, 26, 27, 28, 30, 31, 32, 33, 44, 55, 80, 85, 168])
_VENDOR = st.builds(
    lambda vendor, kind, value: (
        26,
        vendor.to_bytes(4, "big") + bytes((kind, len(value) + 2)) + value,
    ),
    st.sampled_from([9, 14122, 14559]),
    st.integers(0, 30),
    st.binary(max_size=8),
)
_ANY = st.tuples(_KNOWN | st.integers(1, 255), st.binary(max_size=20))
_SOME = st.lists(_ANY | _VENDOR, max_size=12)


def _packet(code: int, pairs: list[tuple[int, bytes]]) -> Packet | None:
    attributes = encode_all(pairs)
    length = 20 + len(attributes)
    with suppress(MalformedPacket):
        return decode(bytes((code, 1)) + length.to_bytes(2, "big") + bytes(16) + attributes)
    return None


@given(_SOME)
@settings(max_examples=200, deadline=None)
def test_any_answer_gives_a_grant_that_the_kernel_takes_or_is_malformed(
    pairs: list[tuple[int, bytes]],
) -> None:
    packet = _packet(2, pairs)
    if packet is None:
        return
    with suppress(MalformedPacket):
        grant = lab.read_back(read_grant(lab.settings(), "somchai", packet))
        assert grant.session_seconds >= 1 and grant.interim_seconds >= 60
        assert len(grant.user_name.encode()) <= 253


@given(st.sampled_from([40, 43]), _SOME)
@settings(max_examples=200, deadline=None)
def test_any_request_is_decided_or_malformed(code: int, pairs: list[tuple[int, bytes]]) -> None:
    packet = _packet(code, pairs)
    if packet is None:
        return
    client = Client(
        mac=lab.PHONE, session_id="abcd1234", grant=lab.grant(), started_at=0.0,
        addresses={lab.V4: Held(0.0, 0.0)},
    )  # fmt: skip
    with suppress(MalformedPacket):
        is_fresh(packet, 1_800_000_000)
        decision = decide(packet, "hall", [client])
        assert isinstance(decision, End | Change | Refuse)
        if code == 40:
            assert not isinstance(decision, Change)
        if isinstance(decision, Change):
            lab.read_back(decision.grant)
