"""Logins that a directory is asked about, as scripts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from identity.domain.access import Denied, Granted, Method, Reason, Unavailable, Vouched
from identity.domain.directory import NtProof
from identity.domain.recoverable import hash_nt_hash, nt_hash
from identity.verified import TABLE_OCTETS, VerifiedPasswords
from radius_server.process.mschap import challenge_hash, session_keys
from radius_server.process.questions import (
    Answered,
    AskDirectory,
    CheckPassword,
    FindAccount,
    FindTokens,
    RecoveredSecret,
    RedeemVoucher,
)
from tests.unit.radius_server.process.script import Script, account, request
from tests.unit.radius_server.process.test_mschap import (
    CHALLENGE,
    PASSWORD,
    PEER_CHALLENGE,
    outcome,
    version2,
)

ALICE = account(origin="directory:school")
VOUCHED = Vouched(account=ALICE, step="directory:proven=school")
WRONG = Denied(Reason.WRONG_PASSWORD, Method.PORTAL, 1, "directory:wrong_password=school")


@pytest.mark.parametrize("known", [None, ALICE], ids=["new", "known"])
def test_who_is_vouched_for_is_granted_and_the_trace_says_by_whom(known: object) -> None:
    (
        Script(request())
        .asked(FindAccount("alice"), known)
        .asked(CheckPassword(known, b"wonderland"), VOUCHED)  # type: ignore[arg-type]
        .decides(Granted(account=ALICE, method=Method.PAP, step="directory:proven=school"))
    )


def test_who_is_vouched_for_but_suspended_is_not() -> None:
    suspended = Vouched(account=account(state="suspended"), step="directory:proven=school")
    (
        Script(request())
        .asked(FindAccount("alice"), None)
        .asked(CheckPassword(None, b"wonderland"), suspended)
        .decides(Denied(Reason.SUSPENDED, Method.PAP, 1))
    )


def test_the_directory_refuses_in_its_own_words() -> None:
    (
        Script(request())
        .asked(FindAccount("alice"), ALICE)
        .asked(CheckPassword(ALICE, b"wonderland"), WRONG)
        .decides(replace(WRONG, method=Method.PAP))
    )


def test_a_password_that_memory_confirms_needs_no_hash_here() -> None:
    (
        Script(request())
        .asked(FindAccount("alice"), ALICE)
        .asked(CheckPassword(ALICE, b"wonderland"), True)
        .decides(Granted(account=ALICE, method=Method.PAP))
    )


def test_a_directory_that_does_not_answer_grants_nothing() -> None:
    (
        Script(request())
        .asked(FindAccount("alice"), None)
        .asked(CheckPassword(None, b"wonderland"), Unavailable("directory:school"))
        .decides(Unavailable("directory:school"))
    )


def test_a_mistyped_voucher_stays_one_when_no_directory_has_its_name() -> None:
    name = "ABCDE-FGHJK"
    unknown = Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
    nowhere = Denied(Reason.UNKNOWN_ACCOUNT, Method.PORTAL, None, "directory:not_found=school")
    for told, decision in (
        (nowhere, unknown),
        (VOUCHED, Granted(account=ALICE, method=Method.PAP, step=VOUCHED.step)),
    ):
        (
            Script(request(user_name=name, password=b""))
            .asked(FindAccount(name.lower()), None)
            .asked(RedeemVoucher("ABCDEFGHJK", request().station, request().nas_client_id), unknown)
            .asked(CheckPassword(None, b""), told)
            .decides(decision)
        )


@pytest.mark.parametrize("known", [None, ALICE], ids=["new", "known"])
def test_chap_is_refused_with_the_directory_as_the_reason(known: object) -> None:
    keeps = Denied(Reason.NOT_RECOVERABLE, Method.PORTAL, 1, "directory:keeps_password=school")
    asked = request(password=None, chap_password=bytes(17), chap_challenge=CHALLENGE)
    (
        Script(asked)
        .asked(FindAccount("alice"), known)
        .asked(FindTokens("alice"), [])
        .asked(AskDirectory(known, asked), keeps)  # type: ignore[arg-type]
        .decides(replace(keeps, method=Method.CHAP))
    )


def test_mschapv2_that_a_directory_proves_has_the_same_keys_as_with_the_hash() -> None:
    asked = version2()
    response = (asked.mschap2_response or b"")[26:]
    joint = challenge_hash(PEER_CHALLENGE, CHALLENGE, b"Alice")
    (
        Script(asked)
        .asked(FindAccount("alice"), None)
        .asked(FindTokens("alice"), [])
        .asked(AskDirectory(None, asked, NtProof(joint, response)), None)
    )
    key = hash_nt_hash(nt_hash(PASSWORD))
    told = outcome(asked, None, [], replace(VOUCHED, nt_key=key))
    assert isinstance(told, Answered)
    assert told.decision == Granted(account=ALICE, method=Method.MSCHAP2, step=VOUCHED.step)
    assert (told.receive_key, told.send_key) == session_keys(nt_hash(PASSWORD), response)
    kept = account(recoverable="nt-hash")

    with_hash = outcome(asked, kept, RecoveredSecret(nt_hash=nt_hash(PASSWORD)))
    assert with_hash.attributes == told.attributes


def test_mschapv2_that_a_directory_refuses_is_told_so() -> None:
    told = outcome(version2(), ALICE, [], WRONG)
    assert isinstance(told, Answered)
    assert told.decision == replace(WRONG, method=Method.MSCHAP2)
    assert b"E=691" in told.attributes


def test_a_password_of_a_directory_is_remembered_for_its_own_time() -> None:
    verified = VerifiedPasswords(bytes(32), bytearray(TABLE_OCTETS))
    verified.remember(ALICE, b"wonderland", 1000.0, 60.0)
    assert verified.confirms(ALICE, b"wonderland", 1059.0)
    assert not verified.confirms(ALICE, b"wonderland", 1060.0)
    assert not verified.confirms(ALICE, b"another", 1001.0)
    assert not verified.confirms(account(password_hash=None), b"wonderland", 1001.0)
    verified.remember(ALICE, b"wonderland", 1000.0, 0.0)
    assert not verified.confirms(ALICE, b"wonderland", 1000.0)
