"""Secrets by their class, who signs, and who shares a secret."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from db.ledger import Batch, open_ledger
from db.models import NasClient
from db.models.base import to_micros
from identity.domain.shared_secret import Signing, Strength, assess, signing
from identity.office import Office
from identity.services import nas, nas_hygiene

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("secret", "strength"),
    [
        ("testing123", Strength.KNOWN),
        ("Testing123", Strength.KNOWN),
        ("s3cr3t!", Strength.SHORT),
        ("k" * 15, Strength.SHORT),
        ("k" * 64, Strength.SIMPLE),
        ("abc" * 20, Strength.SIMPLE),
        ("1111111122222222", Strength.SIMPLE),
        ("q7Zr2mXp9Lw4Tn8v", Strength.FAIR),
        ("five red bicycles wait behind the school", Strength.STRONG),
        ("รหัสลับของโรงเรียนบ้านหนองน้ำใส", Strength.STRONG),
    ],
)
def test_a_secret_is_put_into_a_class(secret: str, strength: Strength) -> None:
    assert assess(secret.encode()) is strength
    assert strength.is_weak is (strength in {"known", "short", "simple"})


def test_what_the_portal_suggests_is_always_strong() -> None:
    for _ in range(300):
        assert assess(secrets.token_urlsafe(24).encode()) is Strength.STRONG


@pytest.mark.parametrize(
    ("signed", "unsigned", "expected"),
    [
        pytest.param(None, None, Signing.UNKNOWN, id="nothing-yet"),
        pytest.param(0, None, Signing.ALWAYS, id="signed"),
        pytest.param(None, 0, Signing.NEVER, id="unsigned"),
        pytest.param(0, 1, Signing.SOMETIMES, id="both-lately"),
        pytest.param(0, 40, Signing.ALWAYS, id="firmware-mended"),
        pytest.param(40, 0, Signing.NEVER, id="firmware-spoiled"),
        pytest.param(50, 40, Signing.NEVER, id="only-accounting-since"),
        pytest.param(40, 50, Signing.ALWAYS, id="only-accounting-since-signed"),
    ],
)
def test_signing_is_told_from_what_was_sent_lately(
    signed: int | None, unsigned: int | None, expected: Signing
) -> None:
    with_at, without_at = (
        None if days is None else NOW - days * DAY for days in (signed, unsigned)
    )
    assert signing(with_at, without_at, NOW) is expected


def _hygiene(office: Office, name: str) -> nas_hygiene.Hygiene:
    with office.database.read() as session:
        return nas_hygiene.describe(session, office, [nas.get(session, name)])[0]


def _add(office: Office, name: str, prefix: str, secret: str) -> NasClient:
    with office.database.write() as session:
        return nas.add_nas(session, office, name, prefix, secret, "test")


def test_a_shared_secret_is_noticed_without_being_read(office_on: Office) -> None:
    office = office_on
    _add(office, "one", "10.0.0.1/32", "a secret of some length, twice")
    _add(office, "two", "10.0.0.2/32", "a secret of some length, twice")
    _add(office, "three", "10.0.0.3/32", "another secret, used only here")
    _add(office, "tunnel", "radsec:ap.example", "")
    _add(office, "tunnel 2", "radsec:ap2.example", "")
    assert _hygiene(office, "one").shared_with == ("two",)
    assert _hygiene(office, "three").shared_with == ()
    tunnel = _hygiene(office, "tunnel")
    assert (tunnel.transport, tunnel.strength, tunnel.shared_with) == ("radsec", Strength.TLS, ())
    with office.database.write() as session:
        nas.set_secret(session, office, "two", "testing123", "test")
    assert _hygiene(office, "one").shared_with == ()
    assert _hygiene(office, "two").strength is Strength.KNOWN
    with office.database.read() as session:
        for row in nas.list_nas(session):
            assert "secret" not in (row.secret_fingerprint or "")
            assert nas.secret_of(office, row).hex() not in (row.secret_fingerprint or "")


def test_strengths_that_were_never_noted_are_noted_by_init(office_on: Office) -> None:
    office = office_on
    _add(office, "old", "10.0.0.1/32", "testing123")
    with office.database.write() as session:
        old = nas.get(session, "old")
        old.secret_strength = old.secret_set_at = old.secret_fingerprint = None
    assert _hygiene(office, "old").strength is None
    assert _hygiene(office, "old").secret_age is None
    with office.database.write() as session:
        assert nas_hygiene.note_strengths(session, office) == 1
        assert nas_hygiene.note_strengths(session, office) == 0
    noted = _hygiene(office, "old")
    assert noted.strength is Strength.KNOWN
    assert noted.secret_age is not None
    assert timedelta(0) <= noted.secret_age < timedelta(minutes=5)


def test_what_was_heard_only_moves_forward(office_on: Office) -> None:
    office = office_on
    _add(office, "one", "10.0.0.1/32", "a secret of some length")
    with office.database.read() as session:
        number = nas.get(session, "one").id
    ledger = open_ledger(office.config.database_url)
    late, early = to_micros(NOW), to_micros(NOW - DAY)
    for moments in ((None, early, None), (late, None, late), (early, early, early)):
        ledger.commit(Batch(nas_seen={number: moments}))
    ledger.close()
    with office.database.read() as session:
        row = nas.get(session, "one")
        assert row.last_seen_at == NOW
        assert row.last_with_message_authenticator_at == NOW
        assert row.last_without_message_authenticator_at == NOW - DAY
    assert _hygiene(office, "one").signing is Signing.SOMETIMES
    assert _hygiene(office, "one").is_cut_off
