"""A voucher from its first use to its end, whatever ends it, and what officers do to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from common.errors import NotFound, Refused, UsageError
from db.models import (
    Account,
    AuditEvent,
    CoaRequest,
    NetworkSession,
    PortalToken,
    Voucher,
    VoucherBatch,
    VoucherDevice,
)
from identity.domain.access import Decision, Denied, Granted, Method, Reason
from identity.domain.vouchers import Place, Terms, Validity
from identity.office import Office
from identity.services import housekeeping, login, tokens, voucher_changes, vouchers
from identity.services.allowance import allowance
from identity.services.enforcement import Enforcement
from identity.services.entering import Entrance, present
from identity.services.nas import add_nas
from identity.services.voucher_changes import Extension
from identity.stores.sql import SqlStore
from tests.conftest import ADMIN
from tests.moved_clock import Clock

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)  # Monday, 09:00 in Bangkok
ONE, TWO, THREE = "3c22fb010201", "3c22fb010202", "3c22fb010203"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def timed(office: Office, clock: Clock) -> Iterator[Office]:
    yield replace(office, clock=clock)


def issue(office: Office, count: int = 1, **terms: Any) -> list[str]:
    with office.database.write() as session:
        _, codes = vouchers.issue(session, office, Terms(count=count, **terms), ADMIN)
    return [code.replace("-", "") for code in codes]


def use(office: Office, code: str, mac: str | None = ONE, **where: Any) -> Reason:
    decision: Decision = login.check_voucher(office, code, mac, **where)
    assert isinstance(decision, Granted | Denied)
    return Reason.OK if isinstance(decision, Granted) else decision.reason


def account_of(office: Office, code: str) -> int:
    with office.database.read() as session:
        found = vouchers.find(session, office, code)
        assert found is not None and found.account_id is not None
        return found.account_id


def connect(office: Office, account_id: int, octets: int, seconds: int, mac: str = ONE) -> str:
    """An open session, as accounting would have written it."""
    now, key = office.clock(), f"session of {account_id} {mac} {seconds}"
    row = NetworkSession(
        session_key=key,
        nas_client_id=1,
        nas_identity="10.5.50.1",
        acct_session_id=key[-8:],
        user_name="voucher",
        account_id=account_id,
        calling_station_id=mac,
        started_at=now - timedelta(seconds=seconds),
        last_heard_at=now,
        first_heard_at=now - timedelta(seconds=seconds),
        session_seconds=seconds,
        stop_seen=0,
        input_octets=octets // 2,
        output_octets=octets - octets // 2,
    )
    with office.database.write() as session:
        session.merge(row)
    return key


def ending(office: Office) -> list[tuple[str, str]]:
    with office.database.read() as session:
        rows = session.execute(select(CoaRequest.session_key, CoaRequest.reason))
        return [(key, why) for key, why in rows]


def stored(office: Office, code: str) -> Voucher:
    with office.database.read() as session:
        found = vouchers.find(session, office, code)
        assert found is not None
        return found


def test_a_sheet_without_a_name_is_called_by_the_time_of_the_site(timed: Office) -> None:
    issue(timed)
    with timed.database.read() as session:
        assert session.get_one(VoucherBatch, 1).name == "2026-06-01 09:00"


def test_minutes_of_use_run_only_while_connected_and_end_the_session(
    timed: Office, clock: Clock
) -> None:
    (code,) = issue(timed, minutes=60, validity=Validity.MINUTES_OF_USE)
    assert use(timed, code) is Reason.OK
    account_id = account_of(timed, code)
    watch = Enforcement(timed)
    clock.now += timedelta(days=40)
    connect(timed, account_id, 0, 3599)
    assert watch.turn() == {} and ending(timed) == []
    assert use(timed, code) is Reason.OK
    with timed.database.read() as session:
        (left,) = allowance(session, timed, session.get_one(Account, account_id)).quotas
    assert left.seconds == 1
    key = connect(timed, account_id, 0, 3600)
    Enforcement(timed).turn()
    assert (key, "over_quota") in ending(timed)
    assert (stored(timed, code).state, stored(timed, code).exhausted_by) == ("exhausted", "time")
    assert use(timed, code) is Reason.VOUCHER_EXHAUSTED


def test_the_data_of_a_voucher_is_for_its_whole_life_and_radius_is_told_what_is_left(
    timed: Office, clock: Clock
) -> None:
    (code,) = issue(timed, quota_mb=100, minutes=90 * 1440, down_kbps=700, idle_seconds=120)
    assert use(timed, code) is Reason.OK
    account_id = account_of(timed, code)
    connect(timed, account_id, 60_000_000, 600)
    Enforcement(timed).turn()
    clock.now += timedelta(days=70)
    housekeeping.run_once(timed)
    store = SqlStore(timed)
    (snapshot,) = store.accounts([f"voucher-{stored(timed, code).id}"]).values()
    assert (snapshot.role.down_kbps, snapshot.role.idle_seconds) == (700, 120)
    assert snapshot.role.quota_mb_total == 100
    (day,) = store.usage([account_id])[account_id]
    assert day.octets == 60_000_000  # 70 days old, and still counted
    store.close()
    key = connect(timed, account_id, 40_000_000, 60, TWO)
    Enforcement(timed).turn()
    assert (key, "over_quota") in ending(timed)
    assert stored(timed, code).exhausted_by == "data"


def test_hours_of_a_sheet_end_sessions_and_start_no_clock(timed: Office, clock: Clock) -> None:
    code, other = issue(timed, 2, hours="mon-fri 08:00-10:00")
    assert use(timed, code) is Reason.OK
    key = connect(timed, account_of(timed, code), 0, 60)
    watch = Enforcement(timed)
    assert watch.turn() == {}
    clock.now += timedelta(hours=1)
    watch.turn()
    assert ending(timed) == [(key, "outside_hours")]
    assert use(timed, other) is Reason.OUTSIDE_HOURS
    assert stored(timed, other).state == "unused"


def test_uses_are_sign_ins_and_a_device_that_comes_straight_back_is_no_further_one(
    timed: Office, clock: Clock
) -> None:
    (code,) = issue(timed, uses=2, devices=5)
    assert use(timed, code, ONE) is Reason.OK
    assert use(timed, code, ONE) is Reason.OK
    clock.now += timedelta(minutes=11)
    assert use(timed, code, ONE) is Reason.OK
    assert use(timed, code, TWO) is Reason.VOUCHER_EXHAUSTED
    assert use(timed, code, ONE) is Reason.OK
    assert stored(timed, code).use_count == 2


def test_a_scope_is_held_by_network_device_organisation_and_ssid(timed: Office) -> None:
    with timed.database.write() as session:
        rows = [
            add_nas(session, timed, name, f"10.5.50.{number}/32", f"secret of {name}", "test")
            for number, name in enumerate(("hall", "yard"), 1)
        ]
        session.flush()
        hall, yard = (row.id for row in rows)
    here, there = issue(timed, nas="hall")[0], issue(timed, ssid="Guests")[0]
    assert use(timed, here, nas_client_id=yard) is Reason.VOUCHER_ELSEWHERE
    assert use(timed, here) is Reason.VOUCHER_ELSEWHERE
    assert stored(timed, here).state == "unused"
    assert use(timed, here, nas_client_id=hall) is Reason.OK
    assert use(timed, there, nas_client_id=yard, ssid="Staff") is Reason.VOUCHER_ELSEWHERE
    assert use(timed, there, nas_client_id=yard, ssid="Guests") is Reason.OK
    with timed.database.write() as session:
        place = Place(nas_client_id=yard)
        refused = vouchers.may_join(session, timed, account_of(timed, here), ONE, place)
        assert refused is not None and refused.reason is Reason.VOUCHER_ELSEWHERE
    with pytest.raises(NotFound):
        issue(timed, nas="nowhere")


def test_a_fixed_window_opens_and_closes(timed: Office, clock: Clock) -> None:
    day = timedelta(days=1)
    (code,) = issue(
        timed, validity=Validity.FIXED_WINDOW, not_before=NOW + day, hard_expiry=NOW + 2 * day
    )
    assert use(timed, code) is Reason.VOUCHER_EARLY
    clock.now += day
    assert use(timed, code) is Reason.OK
    assert stored(timed, code).expires_at == NOW + 2 * day
    clock.now += day
    assert use(timed, code) is Reason.VOUCHER_EXPIRED


def test_an_extension_brings_a_guest_back(timed: Office, clock: Clock) -> None:
    (code,) = issue(timed, minutes=60)
    assert use(timed, code) is Reason.OK
    clock.now += timedelta(hours=2)
    housekeeping.run_once(timed)
    assert use(timed, code) is Reason.VOUCHER_EXPIRED
    with timed.database.write() as session:
        rows = [voucher_changes.get_voucher(session, timed, code.lower())]
        extension = Extension(minutes=30)
        assert voucher_changes.extend(session, timed, rows, extension, ADMIN, "voucher 1") == 1
    assert use(timed, code) is Reason.OK
    with timed.database.read() as session:
        account = session.get_one(Account, account_of(timed, code))
        assert (account.state, account.ended_at) == ("active", None)
        assert account.expires_at == clock.now + timedelta(minutes=30)
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "voucher:extended"))
        assert '"minutes": 30' in event.one().detail


def test_a_whole_sheet_is_extended_used_or_not(timed: Office, clock: Clock) -> None:
    used, fresh = issue(timed, 2, minutes=60, quota_mb=10)
    use(timed, used)
    with timed.database.write() as session:
        extension = Extension(minutes=60, megabytes=5)
        assert voucher_changes.extend_batch(session, timed, 1, extension, ADMIN) == 2
    assert stored(timed, used).expires_at == NOW + timedelta(minutes=120)
    use(timed, fresh, TWO)
    assert stored(timed, fresh).expires_at == NOW + timedelta(minutes=120)
    store = SqlStore(timed)
    found = store.accounts([f"voucher-{stored(timed, fresh).id}"])
    assert [one.role.quota_mb_total for one in found.values()] == [15]
    store.close()


def test_what_cannot_be_extended_says_why(timed: Office) -> None:
    issue(timed)
    issue(timed, validity=Validity.FIXED_WINDOW, hard_expiry=NOW + timedelta(days=1))
    for batch, extension, error in (
        (1, Extension(), UsageError),
        (1, Extension(megabytes=5), Refused),
        (2, Extension(minutes=5), Refused),
        (1, Extension(until=NOW - timedelta(days=1)), UsageError),
        (9, Extension(minutes=5), NotFound),
    ):
        with pytest.raises(error), timed.database.write() as session:
            voucher_changes.extend_batch(session, timed, batch, extension, ADMIN)


def test_more_data_revives_a_code_that_was_used_up(timed: Office) -> None:
    (code,) = issue(timed, quota_mb=10)
    use(timed, code)
    connect(timed, account_of(timed, code), 10_000_000, 60)
    watch = Enforcement(timed)
    watch.turn()
    assert use(timed, code) is Reason.VOUCHER_EXHAUSTED
    with timed.database.write() as session:
        voucher_changes.extend_batch(session, timed, 1, Extension(megabytes=1), ADMIN)
    assert use(timed, code) is Reason.OK


def test_one_code_is_revoked_and_its_sheet_stays(timed: Office) -> None:
    first, second = issue(timed, 2)
    use(timed, first)
    key = connect(timed, account_of(timed, first), 0, 60)
    with timed.database.write() as session:
        rows = [voucher_changes.get_voucher(session, timed, f"#{stored(timed, first).id}")]
        assert voucher_changes.revoke(session, timed, rows, ADMIN, "voucher 1") == 1
    assert ending(timed) == [(key, "account_suspended")]
    assert use(timed, first) is Reason.VOUCHER_REVOKED
    assert use(timed, second) is Reason.OK


def test_a_guest_takes_one_device_off_a_day_and_an_officer_any(timed: Office, clock: Clock) -> None:
    (code,) = issue(timed, minutes=3000)
    use(timed, code, ONE)
    key = connect(timed, account_of(timed, code), 0, 60, ONE)
    assert use(timed, code, TWO) is Reason.VOUCHER_DEVICES

    def release(mac: str, by_guest: bool = True) -> None:
        with timed.database.write() as session:
            row = voucher_changes.get_voucher(session, timed, code)
            if by_guest:
                voucher_changes.release_own_device(session, timed, row, mac)
            else:
                voucher_changes.release_device(session, timed, row, mac, ADMIN)

    release(ONE)
    assert ending(timed) == [(key, "officer")]
    assert use(timed, code, TWO) is Reason.OK
    assert use(timed, code, ONE) is Reason.VOUCHER_DEVICES
    with pytest.raises(Refused, match="last 24 hours"):
        release(TWO)
    release(TWO, by_guest=False)
    assert use(timed, code, ONE) is Reason.OK
    clock.now += timedelta(hours=24)
    release(ONE)
    with pytest.raises(NotFound):
        release(THREE, by_guest=False)


def test_expired_codes_go_when_they_name_nobody(timed: Office, clock: Clock) -> None:
    used, _unused = issue(timed, 2, minutes=60)
    use(timed, used)
    clock.now += timedelta(days=200)
    housekeeping.run_once(timed)
    with timed.database.write() as session:
        assert voucher_changes.delete_expired(session, timed, ADMIN) == 1
        # Somebody came in by the other one: look-ups may still ask for whom it stands.
        assert voucher_changes.delete_expired(session, timed, ADMIN) == 0
        session.get_one(Account, account_of(timed, used)).anonymised_at = clock.now
    with timed.database.write() as session:
        assert voucher_changes.delete_expired(session, timed, ADMIN) == 1
        assert session.scalars(select(VoucherBatch)).all() == []


def test_issuer_and_receiver_are_on_record(timed: Office) -> None:
    issue(timed, receiver="ครูสมศรี ห้อง ม.3/2", name="ค่าย")
    with timed.database.write() as session:
        voucher_changes.note_receiver(session, timed, 1, "ครูสมชาย", ADMIN)
        assert session.get_one(VoucherBatch, 1).receiver == "ครูสมชาย"
        told = dict(session.execute(select(AuditEvent.action, AuditEvent.detail)).all())
    assert "ครูสมศรี" in told["voucher:created"] and "ครูสมชาย" in told["voucher:handed_over"]


def test_a_code_of_digits_is_nobody_s_user_name(timed: Office, monkeypatch: Any) -> None:
    from tests.conftest import add_person

    add_person(timed, "6501023456")
    drawn = iter(["6501023456", "1234567890"])
    monkeypatch.setattr(vouchers, "new_code", lambda *_form: next(drawn))
    assert issue(timed, digits_only=True) == ["1234567890"]


def mint(office: Office, account_id: int) -> PortalToken:
    """A token bound to no device, as after a redirect that names none."""
    with office.database.write() as session:
        return tokens.mint(session, office, session.get_one(Account, account_id))


def test_a_token_that_names_no_device_takes_the_place_of_the_device_that_brings_it(
    timed: Office,
) -> None:
    (code,) = issue(timed)
    assert use(timed, code, mac=None) is Reason.OK
    account_id, store = account_of(timed, code), SqlStore(timed)
    assert store.spend_token(mint(timed, account_id).id, ONE) is True
    assert store.spend_token(mint(timed, account_id).id, ONE) is True
    refused = store.spend_token(mint(timed, account_id).id, TWO)
    assert refused == Denied(Reason.VOUCHER_DEVICES, Method.TOKEN, account_id)
    with timed.database.write() as session:
        nas = add_nas(session, timed, "hall", "10.5.50.1/32", "secret of hall", "test")
    made = mint(timed, account_id)
    here = Entrance(nas_client_id=nas.id, mac=TWO)
    assert present(timed, made.token, made.username, here) == refused
    with timed.database.read() as session:
        assert session.scalars(select(VoucherDevice.mac)).all() == [ONE]
