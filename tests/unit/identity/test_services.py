"""identity.services: people, roles, devices, vouchers, registrations, log-ins, tokens."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from common.config import Passwords
from common.errors import ConfigError, NotFound, Refused, UsageError
from db.models import Account, AuditEvent, AuthEvent, Credential, VoucherDevice
from identity.domain.access import Decision, Denied, Granted, Method, Reason, Unavailable
from identity.domain.admission import find_code
from identity.domain.levels import Level
from identity.office import Office
from identity.passwords import PasswordVault
from identity.services import (
    devices,
    login,
    login_log,
    nas,
    officers,
    people,
    registrations,
    roles,
    tokens,
    voucher_changes,
    vouchers,
)
from identity.vault import Vault
from tests.conftest import ADMIN, ADMIN_PASSWORD, add_person
from tests.moved_clock import Clock

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def timed(office: Office, clock: Clock) -> Iterator[Office]:
    yield replace(office, clock=clock)


def _reason(decision: Decision) -> Reason:
    if isinstance(decision, Granted):
        return Reason.OK
    assert isinstance(decision, Denied)
    return decision.reason


def test_a_login_is_decided_by_password_then_state(timed: Office) -> None:
    add_person(timed, "somchai", "right password")

    def attempt(password: str = "right password", name: str = "SomChai") -> Reason:
        return _reason(login.check_password(timed, name, password))

    assert attempt() is Reason.OK
    assert attempt("wrong") is Reason.WRONG_PASSWORD
    assert attempt(name="nobody") is Reason.UNKNOWN_ACCOUNT
    with timed.database.write() as session:
        people.set_state(session, timed, "somchai", "suspended", "test")
    assert attempt() is Reason.SUSPENDED
    assert attempt("wrong") is Reason.WRONG_PASSWORD
    with timed.database.write() as session:
        people.set_state(session, timed, "somchai", "active", "test")
        people.set_expiry(session, timed, "somchai", NOW, "test")
    assert attempt() is Reason.EXPIRED


def test_a_name_whose_marks_were_typed_in_another_order_is_the_same(timed: Office) -> None:
    add_person(timed, "คร\u0e39\u0e49", "right password")
    for name in ("คร\u0e39\u0e49", "คร\u0e49\u0e39"):
        assert _reason(login.check_password(timed, name, "right password")) is Reason.OK
        assert _reason(login.check_password(timed, name, "wrong")) is Reason.WRONG_PASSWORD
        with timed.database.read() as session:
            assert people.get(session, name).username == "คร\u0e39\u0e49"
    with pytest.raises(Refused):
        add_person(timed, "คร\u0e49\u0e39", "another password")


def _logged(office: Office, name: str) -> list[str | None]:
    with office.database.read() as session:
        return [row.user_name for row in login_log.list_logins(session, office, user=name)]


def test_an_officer_names_somebody_in_any_order_of_the_marks(timed: Office) -> None:
    stored, typed = "คร\u0e39\u0e49", "คร\u0e49\u0e39"
    add_person(timed, stored, "right password")
    with timed.database.write() as session:
        number = people.get(session, stored).id
        session.add(
            AuthEvent(
                at=NOW,
                user_name=typed,
                account_id=number,
                method="pap",
                outcome="accept",
                reason="ok",
            )
        )
    for name in (stored, typed):
        assert _logged(timed, name) == [typed]
        with timed.database.write() as session:
            officers.grant(session, timed, name, Level.HELP_DESK, "test")
            officers.revoke(session, timed, name, Level.HELP_DESK, "test")


def test_an_account_without_password_or_of_a_device_cannot_log_in(timed: Office) -> None:
    with timed.database.write() as session:
        devices.add_device(session, timed, "3c:22:fb:01:02:03", "device", ADMIN, "test")
        head = people.get(session, ADMIN)
        session.delete(session.get_one(Credential, head.id))
    assert _reason(login.check_password(timed, "3c22fb010203", "x")) is Reason.NOT_A_LOGIN
    assert _reason(login.check_password(timed, ADMIN, "x")) is Reason.NO_PASSWORD


def test_a_proven_password_is_proven_once_until_it_changes(
    timed: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = add_person(timed, "somchai", "right password")
    asked: list[str] = []
    verify = PasswordVault.verify

    def counting(vault: PasswordVault, stored: str | None, password: str) -> bool:
        asked.append(password)
        return verify(vault, stored, password)

    monkeypatch.setattr(PasswordVault, "verify", counting)
    for password in ("right password", "right password", "wrong", "wrong"):
        login.check_password(timed, "somchai", password)
    assert asked == ["right password", "wrong", "wrong"]
    with timed.database.write() as session:
        stored = session.get_one(Credential, number)
        stored.password_hash = timed.passwords.hash("another password")
    decision = login.check_password(timed, "somchai", "right password")
    assert _reason(decision) is Reason.WRONG_PASSWORD


def test_a_hash_with_old_costs_is_renewed_at_the_next_login(timed: Office) -> None:
    number = add_person(timed, "somchai", "right password")
    stronger = replace(timed, passwords=PasswordVault(Passwords(passes=3)))
    with timed.database.read() as session:
        before = session.get_one(Credential, number).password_hash
    assert isinstance(login.check_password(stronger, "somchai", "right password"), Granted)
    with timed.database.read() as session:
        after = session.get_one(Credential, number).password_hash
    assert "t=3" in after
    assert before != after


def test_a_decision_is_recorded_as_it_was_taken(timed: Office) -> None:
    granted = login.check_password(timed, ADMIN, ADMIN_PASSWORD)
    login.record_decision(timed, granted, ADMIN, "3c22fb010203")
    denied = Denied(Reason.WRONG_PASSWORD, Method.PORTAL, 1)
    login.record_decision(timed, denied, ADMIN, None)
    login.record_decision(timed, Unavailable("database"), ADMIN, None)
    with timed.database.read() as session:
        rows = session.scalars(select(AuthEvent).order_by(AuthEvent.id)).all()
    assert [(row.outcome, row.reason, row.method) for row in rows] == [
        ("accept", "ok", "portal"),
        ("reject", "wrong_password", "portal"),
    ]
    assert rows[0].calling_station_id == "3c22fb010203"


def test_a_password_must_be_one_that_can_be_presented(timed: Office) -> None:
    vault = timed.passwords
    for bad in ("", "x" * 129, "a\0b", "a\nb"):
        with pytest.raises(UsageError):
            vault.check_usable(bad)
    vault.check_usable("123")
    with pytest.raises(UsageError, match="at least 8"):
        vault.check_strength("123")
    assert not vault.verify(None, "anything")
    assert not vault.verify("no hash", "anything")


def test_names_that_would_be_read_as_something_else_are_refused() -> None:
    for bad in ("3c22fb010203", "ABCDE-FGH23"):
        with pytest.raises(UsageError):
            people.free_username(bad)
    assert people.free_username("ABCDEFGHJK") == "abcdefghjk"


def test_adding_a_person_is_audited_and_needs_role_and_school(timed: Office) -> None:
    new = people.NewUser(username="somchai", password_hash="x")
    with timed.database.write() as session:
        people.add_user(session, timed, new, "head")
    with timed.database.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.target == "somchai")).one()
    assert (event.actor, event.action, event.at) == ("head", "account:added", NOW)
    for wrong in (
        replace(new, username="b", role="no"),
        replace(new, username="b", organisation="9"),
    ):
        with pytest.raises(NotFound), timed.database.write() as session:
            people.add_user(session, timed, wrong, "head")
    with pytest.raises(Refused), timed.database.write() as session:
        people.add_user(session, timed, new, "head")


def test_a_device_needs_a_person(timed: Office) -> None:
    with timed.database.write() as session:
        devices.add_device(session, timed, "3c:22:fb:01:02:03", "device", ADMIN, "test")
    with pytest.raises(Refused, match="already"), timed.database.write() as session:
        devices.add_device(session, timed, "3c22fb010203", "device", ADMIN, "test")
    with pytest.raises(Refused, match="person"), timed.database.write() as session:
        devices.add_device(session, timed, "3c:22:fb:01:02:04", "device", "3c22fb010203", "test")


def test_roles_are_seeded_once_and_their_limits_checked(timed: Office) -> None:
    with timed.database.write() as session:
        roles.set_role(session, timed, "staff", {"vlan": 20}, "test")
        roles.seed(session)
        assert roles.profile(roles.get(session, "staff")).vlan == 20
        for field, value in (("vlan", 0), ("session_seconds", 59), ("simultaneous", 1001)):
            with pytest.raises(UsageError):
                roles.set_role(session, timed, "staff", {field: value}, "test")


def _voucher(office: Office, devices: int = 1) -> str:
    with office.database.write() as session:
        _, (code,) = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=60, devices=devices, issuer=ADMIN
        )
    found = find_code(code)
    assert found is not None
    return found


def test_a_voucher_runs_from_its_first_use_and_on_so_many_devices(
    timed: Office, clock: Clock
) -> None:
    code = _voucher(timed, devices=2)
    clock.now = NOW + timedelta(days=10)
    first = login.check_voucher(timed, code, "3c22fb010201")
    assert isinstance(first, Granted)
    assert first.expires_at == clock.now + timedelta(minutes=60)
    assert isinstance(login.check_voucher(timed, code, "3c22fb010202"), Granted)
    assert _reason(login.check_voucher(timed, code, "3c22fb010203")) is Reason.VOUCHER_DEVICES
    assert isinstance(login.check_voucher(timed, code, "3c22fb010201"), Granted)
    with timed.database.read() as session:
        assert session.scalar(select(func.count()).select_from(VoucherDevice)) == 2
    clock.now += timedelta(minutes=60)
    assert _reason(login.check_voucher(timed, code, "3c22fb010201")) is Reason.VOUCHER_EXPIRED


def test_vouchers_die_unused_unknown_or_revoked(timed: Office, clock: Clock) -> None:
    code = _voucher(timed)
    assert _reason(login.check_voucher(timed, "ABCDEFGHJK", None)) is Reason.VOUCHER_UNKNOWN
    with timed.database.write() as session:
        assert vouchers.codes_of(session, timed, 1)[0].code.replace("-", "") == code
        assert voucher_changes.revoke_batch(session, timed, 1, ADMIN) == 1
    assert _reason(login.check_voucher(timed, code, None)) is Reason.VOUCHER_REVOKED
    other = _voucher(timed)
    clock.now = NOW + timedelta(days=181)
    assert _reason(login.check_voucher(timed, other, None)) is Reason.VOUCHER_EXPIRED


def test_a_voucher_needs_a_person_as_issuer(timed: Office) -> None:
    code = _voucher(timed)
    guest = login.check_voucher(timed, code, None)
    assert isinstance(guest, Granted)
    with pytest.raises(Refused, match="person"), timed.database.write() as session:
        vouchers.create_batch(
            session,
            timed,
            count=1,
            role="guest",
            minutes=1,
            devices=1,
            issuer=guest.account.username,
        )


def _application(name: str = "visitor", **values: Any) -> registrations.Application:
    fields: dict[str, Any] = {
        "full_name": "A Visitor",
        "contact": "081",
        "purpose": "a visit",
        **values,
    }
    fields.setdefault("password", "long enough")
    return registrations.Application(username=name, **fields)


def _submit(office: Office, name: str = "visitor") -> str:
    with office.database.write() as session:
        return registrations.submit(session, office, _application(name)).reference


def test_an_approved_visitor_is_a_guest_with_a_sponsor_and_an_end(timed: Office) -> None:
    reference = _submit(timed)
    with timed.database.write() as session:
        assert len(registrations.list_pending(session)) == 1
        account = registrations.approve(session, timed, reference.lower(), ADMIN)
    assert (account.kind, account.guest_name) == ("guest", "A Visitor")
    assert account.expires_at == NOW + registrations.GUEST_LIFETIME
    assert isinstance(login.check_password(timed, "visitor", "long enough"), Granted)
    with pytest.raises(Refused), timed.database.write() as session:
        registrations.approve(session, timed, reference, ADMIN)
    with pytest.raises(Refused), timed.database.write() as session:
        registrations.reject(session, timed, reference, ADMIN, "too late")


def test_a_visitor_approved_as_staff_becomes_a_person(timed: Office) -> None:
    reference = _submit(timed)
    with timed.database.write() as session:
        account = registrations.approve(session, timed, reference, ADMIN, role="staff")
        number = account.id
    with timed.database.read() as session:
        account = session.get_one(Account, number)
        assert account.person is not None
        assert (account.kind, account.person.proofing_method) == ("person", "in_person")
        assert account.expires_at is None


def test_applications_are_refused_when_the_name_is_taken_or_fields_are_missing(
    timed: Office,
) -> None:
    _submit(timed)
    for name in ("visitor", ADMIN):
        with pytest.raises(Refused, match="taken"), timed.database.write() as session:
            registrations.submit(session, timed, _application(name))
    for field in ({"full_name": " "}, {"contact": ""}, {"purpose": "x" * 501}, {"password": "1"}):
        with pytest.raises(UsageError), timed.database.write() as session:
            registrations.submit(session, timed, _application("other", **field))
    with pytest.raises(NotFound), timed.database.write() as session:
        registrations.reject(session, timed, "NONE", ADMIN, "")


def test_a_token_is_bound_and_short_lived(timed: Office) -> None:
    with timed.database.write() as session:
        account = people.get(session, ADMIN)
        one = tokens.mint(session, timed, account, "3c22fb010203")
        two = tokens.mint(session, timed, account)
    assert one.token != two.token
    assert one.expires_at == NOW + tokens.LIFETIME
    assert one.client_mac == "3c22fb010203"


def test_a_nas_secret_is_sealed_for_this_site_alone(timed: Office) -> None:
    with timed.database.write() as session:
        client = nas.add_nas(session, timed, "ap", "10.0.0.0/8", "secret", "test")
    assert b"secret" not in client.secret_encrypted
    assert nas.secret_of(timed, client) == b"secret"
    with pytest.raises(ConfigError, match="does not belong"):
        nas.secret_of(replace(timed, vault=Vault(b"another")), client)
    for name, prefix, secret in (("", "10.1.0.0/16", "s"), ("b", "10.1.0.0/16", "")):
        with pytest.raises(UsageError), timed.database.write() as session:
            nas.add_nas(session, timed, name, prefix, secret, "test")
    for name, prefix in (("ap", "10.1.0.0/16"), ("b", "10.0.0.0/8")):
        with pytest.raises(Refused), timed.database.write() as session:
            nas.add_nas(session, timed, name, prefix, "s", "test")
    with pytest.raises(UsageError, match="http"), timed.database.write() as session:
        nas.add_nas(session, timed, "b", "10.1.0.0/16", "s", "test", login_url="ftp://x")


@pytest.mark.parametrize("name", ["voucher-7", "housekeeper", "command-line", "Anonymous"])
def test_names_the_system_uses_itself_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="uses itself"):
        people.free_username(name)


def test_two_applications_for_one_name_at_once_leave_one(office_on: Office) -> None:
    def apply(number: int) -> str:
        try:
            with office_on.database.write() as session:
                return registrations.submit(session, office_on, _application("somying")).reference
        except Refused:
            return ""

    with ThreadPoolExecutor(4) as pool:
        references = [one for one in pool.map(apply, range(4)) if one]
    assert len(references) == 1
