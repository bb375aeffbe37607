"""MS-CHAP and MS-CHAPv2 by RADIUS attributes, as scripts; CHAP with what an account keeps."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from identity.domain.access import Denied, Granted, Method, Reason, RoleProfile, Unavailable
from identity.domain.recoverable import nt_hash
from radius_server.process.access import decide
from radius_server.process.mschap import challenge_response, nt_response, session_keys
from radius_server.process.questions import (
    AccessRequest,
    Answered,
    FindAccount,
    FindOpenStations,
    FindTokens,
    RecoveredSecret,
    RecoverSecret,
    RedeemVoucher,
    SpendToken,
)
from tests.unit.radius_server.process.script import NOW, STATION, Script, account, request, token

PASSWORD = "wonderland"
HASH = nt_hash(PASSWORD)
CHALLENGE, PEER_CHALLENGE = bytes(range(16)), bytes(range(16, 32))
KEPT = RecoveredSecret(nt_hash=HASH)
ALICE = account(recoverable="nt-hash")


def version2(name: str = "Alice", password: str = PASSWORD, **changes: Any) -> AccessRequest:
    answer = nt_response(CHALLENGE, PEER_CHALLENGE, name.encode(), nt_hash(password))
    value = bytes((5, 0)) + PEER_CHALLENGE + bytes(8) + answer
    asked = {"mschap_challenge": CHALLENGE, "mschap2_response": value, "password": None}
    return request(user_name=name, **(asked | changes))


def version1(password: str = PASSWORD, flags: int = 1, **changes: Any) -> AccessRequest:
    answer = challenge_response(CHALLENGE[:8], nt_hash(password))
    value = bytes((6, flags)) + bytes(24) + answer
    asked = {"mschap_challenge": CHALLENGE[:8], "mschap_response": value, "password": None}
    return request(**(asked | changes))


def outcome(asked: AccessRequest, *answers: Any) -> Any:
    """What the dialogue comes to when its questions are answered in this order."""
    dialogue = decide(asked)
    try:
        dialogue.send(None)
        for answer in answers:
            dialogue.send(answer)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it asks for more")


def test_version_2_asks_for_the_account_and_what_it_keeps() -> None:
    told = outcome(version2(), ALICE, KEPT)
    assert isinstance(told, Answered)
    assert told.decision == Granted(account=ALICE, method=Method.MSCHAP2)
    answer = version2().mschap2_response
    assert answer is not None
    assert (told.receive_key, told.send_key) == session_keys(HASH, answer[26:])
    assert told.attributes[:6] == bytes((26, 51)) + (311).to_bytes(4, "big")
    assert told.attributes[6:9] == bytes((26, 45, 5))
    assert told.attributes[9:11] == b"S="


def test_version_1_gets_its_own_keys_and_says_nothing_back() -> None:
    told = outcome(version1(), ALICE, RecoveredSecret(password=PASSWORD.encode()))
    assert isinstance(told, Answered)
    assert told.decision == Granted(account=ALICE, method=Method.MSCHAP)
    assert (len(told.mschap_keys), told.attributes, told.send_key) == (24, b"", b"")


@pytest.mark.parametrize(
    ("asked", "answers", "reason", "code"),
    [
        pytest.param(
            version2(password="x"), (ALICE, KEPT, []), "WRONG_PASSWORD", b"691", id="wrong"
        ),
        pytest.param(version2(), (None, [], None), "UNKNOWN_ACCOUNT", b"691", id="unknown"),
        pytest.param(version2(), (account(), []), "NOT_RECOVERABLE", b"691", id="not-kept"),
        pytest.param(version2(), (ALICE, None, []), "NOT_RECOVERABLE", b"691", id="gone"),
        pytest.param(
            version2(),
            (account(recoverable="nt-hash", state="suspended"), KEPT),
            "SUSPENDED",
            b"647",
            id="suspended",
        ),
        pytest.param(
            version2(),
            (account(recoverable="nt-hash", expires_at=NOW), KEPT),
            "EXPIRED",
            b"649",
            id="expired",
        ),
        pytest.param(
            version1("x"), (ALICE, KEPT, []), "WRONG_PASSWORD", b"691", id="version-1-wrong"
        ),
        pytest.param(
            version2(mschap_challenge=bytes(8)), (), "BAD_REQUEST", b"", id="short-challenge"
        ),
        pytest.param(
            version2(mschap_challenge=bytes(200)), (), "BAD_REQUEST", b"", id="long-challenge"
        ),
        pytest.param(
            version2(mschap2_response=bytes(49)), (), "BAD_REQUEST", b"", id="short-response"
        ),
        pytest.param(version1(flags=0), (), "METHOD_UNSUPPORTED", b"", id="lan-manager-only"),
    ],
)
def test_refusals(asked: AccessRequest, answers: tuple[Any, ...], reason: str, code: bytes) -> None:
    told = outcome(asked, *answers)
    decision = told.decision if isinstance(told, Answered) else told
    assert isinstance(decision, Denied)
    assert decision.reason is Reason[reason]
    if code:
        assert isinstance(told, Answered)
        assert b"E=" + code + b" R=0 C=" in told.attributes
        assert not (told.receive_key or told.send_key or told.mschap_keys)


def test_the_limit_of_the_role_holds_and_is_told() -> None:
    limited = account(recoverable="nt-hash", role=RoleProfile(name="single", simultaneous=1))
    dialogue = decide(version2())
    assert dialogue.send(None) == FindAccount("alice")
    assert dialogue.send(limited) == RecoverSecret(limited)
    assert dialogue.send(KEPT) == FindOpenStations(1)
    with pytest.raises(StopIteration) as ended:
        dialogue.send({"aabbccddeeff"})
    told = ended.value.value
    assert isinstance(told, Answered)
    assert told.decision == Denied(Reason.SIMULTANEOUS, Method.MSCHAP2, 1)
    assert b"E=649 " in told.attributes
    assert told.send_key == b""


def test_a_back_end_that_is_away_ends_it() -> None:
    away = Unavailable("database")
    assert outcome(version2(), away) == away
    assert outcome(version2(), ALICE, away) == away
    assert outcome(version2(), account(), away) == away


def test_a_token_is_found_and_spent() -> None:
    dialogue = decide(version2(password="yt-secret"))
    assert dialogue.send(None) == FindAccount("alice")
    assert dialogue.send(account()) == FindTokens("alice")
    assert dialogue.send([token()]) == SpendToken(3)
    with pytest.raises(StopIteration) as ended:
        dialogue.send(True)
    assert ended.value.value.decision == Granted(account=account(), method=Method.TOKEN)


@pytest.mark.parametrize("typed", ["abcde-fghjk", "ABCDEFGHJK", "ABCDE-FGHJK"])
def test_a_voucher_is_redeemed(typed: str) -> None:
    dialogue = decide(version2("abcde-fghjk", typed))
    assert dialogue.send(None) == FindAccount("abcde-fghjk")
    assert dialogue.send(None) == RedeemVoucher("ABCDEFGHJK", STATION, 7)


@pytest.mark.parametrize(("password", "accepted"), [(STATION, True), ("x", False)])
def test_a_device_may_prove_its_address_by_it(password: str, accepted: bool) -> None:
    device = account(username=STATION, kind="device", password_hash=None)
    told = outcome(version2(STATION, password), device)
    assert isinstance(told, Answered)
    assert isinstance(told.decision, Granted) == accepted
    assert (b"S=" in told.attributes) == accepted


def chap(password: str) -> AccessRequest:
    digest = hashlib.md5(b"\x07" + password.encode() + CHALLENGE).digest()
    return request(password=None, chap_password=b"\x07" + digest, chap_challenge=CHALLENGE)


def test_chap_with_a_kept_password() -> None:
    known = account(recoverable="password")
    kept = RecoveredSecret(password=PASSWORD.encode())
    Script(chap(PASSWORD)).asked(FindAccount("alice"), known).asked(
        RecoverSecret(known), kept
    ).decides(Granted(account=known, method=Method.CHAP))
    Script(chap("x")).asked(FindAccount("alice"), known).asked(RecoverSecret(known), kept).asked(
        FindTokens("alice"), []
    ).decides(Denied(Reason.WRONG_PASSWORD, Method.CHAP, 1))


def test_chap_with_a_kept_nt_hash_says_that_it_is_not_enough() -> None:
    Script(chap(PASSWORD)).asked(FindAccount("alice"), ALICE).asked(
        RecoverSecret(ALICE), KEPT
    ).asked(FindTokens("alice"), []).decides(Denied(Reason.NOT_RECOVERABLE, Method.CHAP, 1))
