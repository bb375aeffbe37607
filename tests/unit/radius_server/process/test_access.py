"""Access dialogues, as scripts."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from identity.domain.access import (
    UNCHANGED,
    Denied,
    Granted,
    Method,
    Reason,
    RoleProfile,
    Unavailable,
)
from identity.domain.quota import DayUsage
from radius_server.process.access import decide
from radius_server.process.questions import (
    AccessRequest,
    CheckPassword,
    FindAccount,
    FindOpenStations,
    FindTokens,
    FindUsage,
    RedeemVoucher,
    SpendToken,
    Usage,
)
from tests.unit.radius_server.process.script import (
    NOW,
    STATION,
    Script,
    account,
    request,
    token,
)

CHALLENGE = bytes(range(16))


def _chap(secret: str, **changes: Any) -> AccessRequest:
    digest = hashlib.md5(b"\x05" + secret.encode() + CHALLENGE, usedforsecurity=False).digest()
    return request(
        password=None, chap_password=b"\x05" + digest, chap_challenge=CHALLENGE, **changes
    )


def test_the_right_password_is_granted() -> None:
    alice = account()
    (
        Script(request())
        .asked(FindAccount("alice"), alice)
        .asked(CheckPassword(alice, b"wonderland"), True)
        .decides(Granted(account=alice, method=Method.PAP))
    )


def test_a_wrong_password_is_denied() -> None:
    alice = account()
    (
        Script(request())
        .asked(FindAccount("alice"), alice)
        .asked(CheckPassword(alice, b"wonderland"), False)
        .decides(Denied(Reason.WRONG_PASSWORD, Method.PAP, 1))
    )


def test_an_unknown_user_costs_a_password_check_too() -> None:
    (
        Script(request())
        .asked(FindAccount("alice"), None)
        .asked(CheckPassword(None, b"wonderland"), False)
        .decides(Denied(Reason.UNKNOWN_ACCOUNT, Method.PAP))
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"state": "suspended"}, Reason.SUSPENDED, id="suspended"),
        pytest.param({"state": UNCHANGED}, Reason.PASSWORD_UNCHANGED, id="unchanged"),
        pytest.param({"state": "expired"}, Reason.EXPIRED, id="expired"),
        pytest.param({"expires_at": NOW}, Reason.EXPIRED, id="expires-now"),
        pytest.param({"kind": "device"}, Reason.NOT_A_LOGIN, id="device"),
        pytest.param({"password_hash": None}, Reason.NO_PASSWORD, id="no-password"),
    ],
)
def test_a_proven_password_is_not_enough(changes: dict[str, Any], reason: Reason) -> None:
    alice = account(**changes)
    (
        Script(request())
        .asked(FindAccount("alice"), alice)
        .asked(CheckPassword(alice, b"wonderland"), True)
        .decides(Denied(reason, Method.PAP, 1))
    )


@pytest.mark.parametrize("step", ["account", "password", "stations"])
def test_a_dead_back_end_is_never_an_accept(step: str) -> None:
    alice = account(role=RoleProfile(name="student", simultaneous=1))
    gone = Unavailable("database")
    script = Script(request())
    if step == "account":
        script.asked(FindAccount("alice"), gone).decides(gone)
        return
    script.asked(FindAccount("alice"), alice)
    if step == "password":
        script.asked(CheckPassword(alice, b"wonderland"), gone).decides(gone)
        return
    script.asked(CheckPassword(alice, b"wonderland"), True)
    script.asked(FindOpenStations(1), gone).decides(gone)


@pytest.mark.parametrize(
    ("stations", "granted"),
    [
        pytest.param(set(), True, id="nothing-open"),
        pytest.param({"a"}, True, id="below-the-limit"),
        pytest.param({"a", "b"}, False, id="at-the-limit"),
        pytest.param({"a", STATION}, True, id="the-same-station-comes-back"),
    ],
)
def test_the_simultaneous_limit(stations: set[str], granted: bool) -> None:
    alice = account(role=RoleProfile(name="student", simultaneous=2))
    (
        Script(request())
        .asked(FindAccount("alice"), alice)
        .asked(CheckPassword(alice, b"wonderland"), True)
        .asked(FindOpenStations(1), stations)
        .decides(
            Granted(account=alice, method=Method.PAP)
            if granted
            else Denied(Reason.SIMULTANEOUS, Method.PAP, 1)
        )
    )


def test_a_portal_token_is_spent_by_pap() -> None:
    alice = account()
    (
        Script(request(password=b"yt-secret"))
        .asked(FindAccount("alice"), alice)
        .asked(FindTokens("alice"), [token(token="yt-other"), token()])
        .asked(SpendToken(3), True)
        .decides(Granted(account=alice, method=Method.TOKEN))
    )


def test_a_portal_token_is_spent_by_chap() -> None:
    alice = account()
    (
        Script(_chap("yt-secret"))
        .asked(FindAccount("alice"), alice)
        .asked(FindTokens("alice"), [token()])
        .asked(SpendToken(3), True)
        .decides(Granted(account=alice, method=Method.TOKEN))
    )


def test_a_token_tells_that_the_password_was_changed_before_the_worker_has_seen_it() -> None:
    alice = account(state=UNCHANGED)
    (
        Script(request(password=b"yt-secret"))
        .asked(FindAccount("alice"), alice)
        .asked(FindTokens("alice"), [token()])
        .asked(SpendToken(3), True)
        .decides(Granted(account=alice, method=Method.TOKEN))
    )


def test_two_who_spend_one_token_are_not_both_let_in() -> None:
    (
        Script(request(password=b"yt-secret"))
        .asked(FindAccount("alice"), account())
        .asked(FindTokens("alice"), [token()])
        .asked(SpendToken(3), False)
        .decides(Denied(Reason.TOKEN_SPENT, Method.TOKEN, 1))
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"spent": True}, Reason.TOKEN_SPENT, id="spent"),
        pytest.param({"expires_at": NOW}, Reason.TOKEN_EXPIRED, id="expired"),
        pytest.param({"client_mac": "0a0000000001"}, Reason.TOKEN_ELSEWHERE, id="other-device"),
        pytest.param({"nas_client_id": 8}, Reason.TOKEN_ELSEWHERE, id="other-nas"),
    ],
)
def test_a_token_that_does_not_fit(changes: dict[str, Any], reason: Reason) -> None:
    (
        Script(request(password=b"yt-secret"))
        .asked(FindAccount("alice"), account())
        .asked(FindTokens("alice"), [token(**changes)])
        .decides(Denied(reason, Method.TOKEN, 1))
    )


def test_chap_with_an_ordinary_password_names_its_reason() -> None:
    (
        Script(_chap("wonderland"))
        .asked(FindAccount("alice"), account())
        .asked(FindTokens("alice"), [])
        .decides(Denied(Reason.NOT_RECOVERABLE, Method.CHAP, 1))
    )


@pytest.mark.parametrize("password", [b"", b"ABCDE-FGHJ2", b"abcdefghj2"])
def test_a_voucher_is_redeemed_by_its_code_alone(password: bytes) -> None:
    granted = Granted(account=account(kind="guest"), method=Method.VOUCHER)
    (
        Script(request(user_name="abcde fghj2", password=password))
        .asked(FindAccount("abcde fghj2"), None)
        .asked(RedeemVoucher("ABCDEFGHJ2", STATION, 7), granted)
        .decides(granted)
    )


def test_a_voucher_with_another_password_is_denied_in_the_time_of_an_account() -> None:
    (
        Script(request(user_name="ABCDE-FGHJ2", password=b"guess"))
        .asked(FindAccount("abcde-fghj2"), None)
        .asked(CheckPassword(None, b"guess"), False)
        .decides(Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER))
    )


def test_a_name_that_reads_as_a_code_costs_a_password_check_too() -> None:
    denied = Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
    (
        Script(request(user_name="chatchawan", password=b"chatchawan"))
        .asked(FindAccount("chatchawan"), None)
        .asked(RedeemVoucher("CHATCHAWAN", STATION, 7), denied)
        .asked(CheckPassword(None, b"chatchawan"), False)
        .decides(denied)
    )


@pytest.mark.parametrize("secret", ["ABCDE-FGHJ2", "ABCDEFGHJ2"])
def test_a_voucher_answers_chap(secret: str) -> None:
    granted = Granted(account=account(kind="guest"), method=Method.VOUCHER)
    (
        Script(_chap(secret, user_name="ABCDEFGHJ2"))
        .asked(FindAccount("abcdefghj2"), None)
        .asked(RedeemVoucher("ABCDEFGHJ2", STATION, 7), granted)
        .decides(granted)
    )


@pytest.mark.parametrize(
    "spelling", ["3C-22-FB-01-02-03", "3c22fb010203", "3c22.fb01.0203", "3c22fb-010203"]
)
@pytest.mark.parametrize("password", [None, b"", b"3c22fb010203", b"3C:22:FB:01:02:03"])
def test_a_registered_device_comes_in_by_its_mac(spelling: str, password: bytes | None) -> None:
    device = account(kind="device", username=STATION, password_hash=None)
    (
        Script(request(user_name=spelling, password=password))
        .asked(FindAccount(STATION), device)
        .decides(Granted(account=device, method=Method.MAC))
    )


def test_a_mac_as_user_name_never_reaches_the_accounts_of_people() -> None:
    (
        Script(request(user_name="3c22fb010203", password=b"wonderland"))
        .asked(FindAccount(STATION), account(username=STATION))
        .decides(Denied(Reason.UNKNOWN_DEVICE, Method.MAC))
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"station": None}, Reason.NO_STATION, id="no-station"),
        pytest.param({"station": "0a0000000001"}, Reason.MAC_MISMATCH, id="another-station"),
        pytest.param(
            {"user_name": "printer", "call_check": True}, Reason.MAC_MISMATCH, id="not-a-mac"
        ),
    ],
)
def test_mac_authentication_needs_the_station_itself(
    changes: dict[str, Any], reason: Reason
) -> None:
    facts = {"user_name": "3c22fb010203", "password": b""} | changes
    Script(request(**facts)).decides(Denied(reason, Method.MAC))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"eap_message": b"\x02\x01\x00\x05\x01"}, Reason.METHOD_UNSUPPORTED, id="eap"),
        pytest.param({"user_name": ""}, Reason.BAD_REQUEST, id="nobody"),
        pytest.param({"password": None}, Reason.BAD_REQUEST, id="nothing-to-prove"),
    ],
)
def test_what_cannot_be_decided_is_refused(changes: dict[str, Any], reason: Reason) -> None:
    Script(request(**changes)).decides(Denied(reason, Method.PAP))


def test_an_account_that_ends_soon_bounds_the_grant() -> None:
    end = NOW + timedelta(minutes=5)
    alice = account(expires_at=end)
    (
        Script(request())
        .asked(FindAccount("alice"), alice)
        .asked(CheckPassword(alice, b"wonderland"), True)
        .decides(Granted(account=alice, method=Method.PAP, expires_at=end))
    )


BANGKOK = ZoneInfo("Asia/Bangkok")  # NOW is five in the afternoon there, on a Sunday


def _proven(role: RoleProfile) -> Script:
    held = account(role=role)
    return (
        Script(request())
        .asked(FindAccount("alice"), held)
        .asked(CheckPassword(held, b"wonderland"), True)
    )


def test_outside_the_hours_of_the_role_nobody_comes_in() -> None:
    role = RoleProfile(name="student", hours="mon-fri 07:30-17:00")
    (
        _proven(role)
        .asked(FindUsage(1, counted=False), Usage(BANGKOK))
        .decides(Denied(Reason.OUTSIDE_HOURS, Method.PAP, 1))
    )


def test_a_session_ends_when_the_role_closes() -> None:
    role = RoleProfile(name="student", hours="daily 07:30-17:30")
    held = account(role=role)
    (
        _proven(role)
        .asked(FindUsage(1, counted=False), Usage(BANGKOK))
        .decides(Granted(account=held, method=Method.PAP, expires_at=NOW + timedelta(minutes=30)))
    )


def test_a_quota_that_is_used_up_refuses() -> None:
    role = RoleProfile(name="student", quota_mb_day=1, simultaneous=1)
    today = DayUsage(NOW.astimezone(BANGKOK).date(), 1_000_000, 60)
    (
        _proven(role)
        .asked(FindUsage(1, counted=True), Usage(BANGKOK, (today,)))
        .decides(Denied(Reason.QUOTA, Method.PAP, 1))
    )


def test_a_quota_with_something_left_goes_on_to_the_other_limits() -> None:
    role = RoleProfile(name="student", quota_mb_day=1, simultaneous=1)
    (
        _proven(role)
        .asked(FindUsage(1, counted=True), Usage(BANGKOK))
        .asked(FindOpenStations(1), {"0a0000000001"})
        .decides(Denied(Reason.SIMULTANEOUS, Method.PAP, 1))
    )


def test_a_device_is_held_to_the_hours_of_its_role() -> None:
    role = RoleProfile(name="printer", hours="mon-fri 07:30-17:00", simultaneous=1)
    device = account(kind="device", username=STATION, password_hash=None, role=role)
    (
        Script(request(user_name=STATION, password=b""))
        .asked(FindAccount(STATION), device)
        .asked(FindUsage(1, counted=False), Usage(BANGKOK))
        .decides(Denied(Reason.OUTSIDE_HOURS, Method.MAC, 1))
    )


def test_when_usage_cannot_be_read_nobody_is_let_in() -> None:
    role = RoleProfile(name="student", quota_minutes_week=60)
    (
        _proven(role)
        .asked(FindUsage(1, counted=True), Unavailable("database"))
        .decides(Unavailable("database"))
    )


def test_a_token_is_spent_by_the_station_for_which_a_voucher_may_have_no_room() -> None:
    dialogue = decide(request(password=b"yt-secret"))
    next(dialogue)
    dialogue.send(account())
    asked = dialogue.send([token()])
    assert isinstance(asked, SpendToken) and asked.station == STATION
    full = Denied(Reason.VOUCHER_DEVICES, Method.TOKEN, 1)
    with pytest.raises(StopIteration) as ended:
        dialogue.send(full)
    assert ended.value.value == full
