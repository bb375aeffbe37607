"""EAP-GTC and EAP-MD5 against peers of our own."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import EapViolation
from identity.domain.access import Denied, Granted, Method, Reason
from radius_server.eap.methods.gtc import PROMPT, gtc
from radius_server.eap.methods.md5 import md5
from tests.unit.radius_server.eap.methods.play import (
    PASSWORD,
    World,
    account,
    play,
    request,
    token,
)

IDENTIFIER = 9


def test_gtc_asks_for_a_password_and_needs_nothing_kept() -> None:
    known = account(recoverable="none")
    result, sent = play(gtc(request(), "Alice"), lambda _: PASSWORD.encode(), World(known))
    assert sent == [PROMPT]
    assert result.decision == Granted(account=known, method=Method.EAP_GTC)
    assert result.msk == b""


def test_gtc_refuses_a_wrong_password_and_takes_a_token() -> None:
    result, _ = play(gtc(request(), "Alice"), lambda _: b"another", World())
    assert result.decision == Denied(Reason.WRONG_PASSWORD, Method.EAP_GTC, 1)
    result, _ = play(gtc(request(), "alice"), lambda _: b"yt-secret", World(tokens=[token()]))
    assert isinstance(result.decision, Granted)
    assert result.decision.method is Method.TOKEN


def md5_peer(password: str) -> object:
    def peer(type_data: bytes) -> bytes:
        size = type_data[0]
        challenge = type_data[1 : 1 + size]
        octets = bytes((IDENTIFIER,)) + password.encode() + challenge
        return bytes((16,)) + hashlib.md5(octets).digest() + b"alice"

    return peer


@pytest.mark.parametrize(
    ("recoverable", "password", "reason"),
    [
        ("password", PASSWORD, None),
        ("password", "another", Reason.WRONG_PASSWORD),
        ("nt-hash", PASSWORD, Reason.NOT_RECOVERABLE),
        ("none", PASSWORD, Reason.NOT_RECOVERABLE),
    ],
)
def test_md5_needs_the_password_itself(
    recoverable: str, password: str, reason: Reason | None
) -> None:
    known = account(recoverable=recoverable)
    peer = md5_peer(password)
    assert callable(peer)
    result, _ = play(md5(request(), "Alice", lambda: IDENTIFIER), peer, World(known))
    if reason is None:
        assert result.decision == Granted(account=known, method=Method.EAP_MD5)
    else:
        assert result.decision == Denied(reason, Method.EAP_MD5, 1)


@given(st.binary(max_size=40))
def test_md5_junk_is_a_violation_or_a_refusal(junk: bytes) -> None:
    try:
        result, _ = play(md5(request(), "Alice", lambda: IDENTIFIER), lambda _: junk, World())
    except EapViolation:
        return
    assert isinstance(result.decision, Denied)


@given(st.binary(max_size=200))
def test_gtc_junk_is_a_refusal(junk: bytes) -> None:
    result, _ = play(gtc(request(), "Alice"), lambda _: junk, World())
    assert isinstance(result.decision, Denied) or junk == PASSWORD.encode()
