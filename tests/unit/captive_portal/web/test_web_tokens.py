"""Signed visits, sign-ins and form tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from itsdangerous import TimestampSigner

from captive_portal.web import csrf, tokens
from captive_portal.web.csrf import FormTokens
from captive_portal.web.tokens import SIGN_IN_LIFETIME, VISIT_LIFETIME, Signer, SignIn, Visit

SIGNER = Signer("key of a test")
VISIT = Visit(nas="hall", mac="aabbccddeeff", url="http://example.com/", language="en")
SIGN_IN = SignIn(
    key="k", account_id=7, since=datetime(2026, 11, 22, 3, 4, 5, 678901, UTC), method="portal"
)


def later(monkeypatch: pytest.MonkeyPatch, span: timedelta) -> None:
    now = TimestampSigner.get_timestamp
    monkeypatch.setattr(
        TimestampSigner,
        "get_timestamp",
        lambda self: now(self) + int(span.total_seconds()) + 1,
    )


def test_a_visit_and_a_sign_in_come_back_as_they_were() -> None:
    assert SIGNER.read_visit(SIGNER.sign_visit(VISIT)) == VISIT
    assert SIGNER.read_sign_in(SIGNER.sign_in(SIGN_IN)) == SIGN_IN


@pytest.mark.parametrize("text", ["", "junk", "a.b.c", "x" * 5000], ids=repr)
def test_texts_not_signed_by_us_are_refused(text: str) -> None:
    assert SIGNER.read_visit(text) is None
    assert SIGNER.read_sign_in(text) is None


def test_another_key_an_altered_text_and_another_kind_are_refused() -> None:
    text = SIGNER.sign_visit(VISIT)
    assert Signer("other").read_visit(text) is None
    assert SIGNER.read_visit("A" + text[1:]) is None
    assert SIGNER.read_sign_in(text) is None
    assert SIGNER.read_visit(SIGNER.sign_in(SIGN_IN)) is None


def test_a_visit_with_fields_of_another_version_is_refused() -> None:
    text = SIGNER._visits.dumps({"nas": "hall", "unknown": "x"})
    assert SIGNER.read_visit(str(text)) is None
    assert SIGNER.read_sign_in(str(SIGNER._sign_ins.dumps([1, 2]))) is None


def test_old_texts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    visit, sign_in = SIGNER.sign_visit(VISIT), SIGNER.sign_in(SIGN_IN)
    later(monkeypatch, VISIT_LIFETIME)
    assert SIGNER.read_visit(visit) is None
    assert SIGNER.read_sign_in(sign_in) is not None
    later(monkeypatch, SIGN_IN_LIFETIME)
    assert SIGNER.read_sign_in(sign_in) is None


def test_form_tokens_belong_to_one_address_and_grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = FormTokens("key of a test")
    token = forms.make("192.0.2.7")
    assert forms.is_good(token, "192.0.2.7")
    assert not forms.is_good(token, "192.0.2.8")
    assert not forms.is_good("", "192.0.2.7")
    assert not forms.is_good("ünsinn", "192.0.2.7")
    assert not FormTokens("other").is_good(token, "192.0.2.7")
    later(monkeypatch, csrf.LIFETIME)
    assert not forms.is_good(token, "192.0.2.7")


def test_lifetimes_are_short() -> None:
    assert timedelta(hours=2) >= tokens.VISIT_LIFETIME
    assert timedelta(hours=2) >= csrf.LIFETIME
