"""EAP-MSCHAPv2 against a peer of our own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import EapViolation
from identity.domain.access import Denied, Granted, Method, Reason
from identity.domain.recoverable import nt_hash
from radius_server.eap.methods.mschapv2 import OpCode, mschapv2, packet
from radius_server.eap.packet import peer_identity
from radius_server.process.mschap import (
    Response2,
    authenticator_response,
    nt_response,
    session_keys,
)
from tests.unit.radius_server.eap.methods.play import (
    NOW,
    PASSWORD,
    World,
    account,
    play,
    request,
    token,
)

PEER_CHALLENGE = bytes(range(16))


class Peer:
    """Knows a password, answers with it, and checks the server's proof."""

    def __init__(self, password: str, name: bytes = b"Alice", believes: bool = True) -> None:
        self.hash = nt_hash(password)
        self.name = name
        self.believes = believes
        self.heard: list[OpCode] = []
        self.msk = b""

    def __call__(self, type_data: bytes) -> bytes:
        op_code, number = OpCode(type_data[0]), type_data[1]
        assert int.from_bytes(type_data[2:4], "big") == len(type_data)
        self.heard.append(op_code)
        if op_code is OpCode.CHALLENGE:
            assert type_data[4] == 16
            self.challenge = type_data[5:21]
            answer = nt_response(self.challenge, PEER_CHALLENGE, self.name, self.hash)
            self.response = Response2(PEER_CHALLENGE, answer, number)
            receive, send = session_keys(self.hash, answer)
            self.msk = receive + send + bytes(32)
            value = PEER_CHALLENGE + bytes(8) + answer + b"\0"
            return packet(OpCode.RESPONSE, number, bytes((49,)) + value + self.name)
        assert op_code is OpCode.SUCCESS
        told = authenticator_response(self.response, self.challenge, self.name, self.hash)
        assert type_data[4:].startswith(told.encode())
        return bytes((OpCode.SUCCESS if self.believes else OpCode.FAILURE,))


@pytest.mark.parametrize("kind", ["nt-hash", "password"])
@pytest.mark.parametrize("name", [b"Alice", b"alice", b"SCHOOL\\Alice"])
def test_the_right_password_makes_the_same_keys_on_both_sides(kind: str, name: bytes) -> None:
    peer, known = Peer(PASSWORD, name), account(recoverable=kind)
    result, sent = play(mschapv2(request(), "Alice"), peer, World(known))
    assert result.decision == Granted(account=known, method=Method.EAP_MSCHAP2)
    assert result.msk == peer.msk
    assert len(result.msk) == 64
    assert peer.heard == [OpCode.CHALLENGE, OpCode.SUCCESS]
    assert len(sent) == 2


@pytest.mark.parametrize("name", [b"ali\xffce", b"alice\0", b"SCHOOL\\ali\xffce", b"\xff\xfe"])
def test_a_name_that_is_no_text_is_an_account_that_nobody_has(name: bytes) -> None:
    identity = peer_identity(name)
    result, _ = play(mschapv2(request(), identity), Peer(PASSWORD, name), World())
    assert result.decision == Denied(Reason.UNKNOWN_ACCOUNT, Method.EAP_MSCHAP2)
    assert result.identity == identity


def test_a_wrong_password_is_told_without_another_try() -> None:
    result, _ = play(mschapv2(request(), "Alice"), Peer("another"), World())
    assert result.decision == Denied(Reason.WRONG_PASSWORD, Method.EAP_MSCHAP2, 1)
    assert result.msk == b""
    assert result.failure[0] == OpCode.FAILURE
    assert result.failure[4:].startswith(b"E=691 R=0 C=")
    assert b"V=3" in result.failure


@pytest.mark.parametrize(
    ("world", "reason", "code"),
    [
        pytest.param(World(None), Reason.UNKNOWN_ACCOUNT, b"E=691", id="unknown"),
        pytest.param(
            World(account(recoverable="none")), Reason.NOT_RECOVERABLE, b"E=691", id="not-kept"
        ),
        pytest.param(World(account(kind="device")), Reason.SUSPENDED, b"E=647", id="suspended"),
        pytest.param(World(account(expires_at=NOW)), Reason.EXPIRED, b"E=649", id="expired"),
    ],
)
def test_other_refusals_have_their_own_codes(world: World, reason: Reason, code: bytes) -> None:
    if reason is Reason.SUSPENDED:
        world.account = account(state="suspended")
    result, _ = play(mschapv2(request(), "Alice"), Peer(PASSWORD), world)
    assert isinstance(result.decision, Denied)
    assert result.decision.reason is reason
    assert result.failure[4:].startswith(code)


def test_a_portal_token_is_spent() -> None:
    world = World(account(recoverable="none"), tokens=[token()])
    result, _ = play(mschapv2(request(), "alice"), Peer("yt-secret"), world)
    assert isinstance(result.decision, Granted)
    assert result.decision.method is Method.TOKEN
    assert "SpendToken" in world.asked


def test_a_name_that_is_not_the_identity_is_refused() -> None:
    with pytest.raises(EapViolation, match="name_is_not_the_identity"):
        play(mschapv2(request(), "mallory"), Peer(PASSWORD), World())


def test_a_peer_that_does_not_believe_us_gets_nothing() -> None:
    with pytest.raises(EapViolation, match="server_not_believed"):
        play(mschapv2(request(), "Alice"), Peer(PASSWORD, believes=False), World())


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (account(state="suspended"), Reason.SUSPENDED),
        (account(password_hash="$other"), Reason.WRONG_PASSWORD),
    ],
    ids=["suspended", "changed"],
)
def test_what_changed_before_the_acknowledgement_counts(later: object, reason: Reason) -> None:
    assert later is None or isinstance(later, type(account()))
    result, _ = play(mschapv2(request(), "Alice"), Peer(PASSWORD), World(later=later))
    assert result.decision == Denied(reason, Method.EAP_MSCHAP2, 1)


@given(st.binary(max_size=120))
def test_junk_instead_of_a_response_is_a_violation_or_a_refusal(junk: bytes) -> None:
    try:
        result, _ = play(mschapv2(request(), "Alice"), lambda _: junk, World())
    except EapViolation:
        return
    assert isinstance(result.decision, Denied)


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
def test_only_the_very_password_is_taken(password: str, typed: str) -> None:
    world = World(password=password)
    result, _ = play(mschapv2(request(), "Alice"), Peer(typed), world)
    assert isinstance(result.decision, Granted) == (password == typed)
