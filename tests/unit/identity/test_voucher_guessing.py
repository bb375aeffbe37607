"""Guessing codes: the arithmetic, a million guesses, and counts that everybody shares."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from db.models import AuditEvent, VoucherGuess
from identity.domain.access import Decision, Denied, Granted, Reason
from identity.domain.admission import ALPHABET, new_code
from identity.domain.guessing import (
    CEILING,
    CEILING_KEY,
    DEVICE,
    SCALE,
    SITE,
    Guesser,
    Lane,
    bucket_of,
    judge,
)
from identity.domain.vouchers import Terms
from identity.office import Office
from identity.services import login, voucher_guard, vouchers
from tests.conftest import ADMIN
from tests.moved_clock import Clock

NOW = datetime(2026, 6, 1, 2, 0, tzinfo=UTC)
MAC = "3c22fb010203"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def timed(office: Office, clock: Clock) -> Iterator[Office]:
    yield replace(office, clock=clock)


def reason(decision: Decision) -> Reason:
    assert isinstance(decision, Granted | Denied)
    return Reason.OK if isinstance(decision, Granted) else decision.reason


def issue(office: Office, count: int = 1, **terms: object) -> list[str]:
    with office.database.write() as session:
        _, codes = vouchers.issue(session, office, Terms(count=count, **terms), ADMIN)  # type: ignore[arg-type]
    return [code.replace("-", "") for code in codes]


def test_a_bucket_leaks_evenly() -> None:
    assert DEVICE.level(5 * SCALE, NOW, NOW + timedelta(minutes=2)) == 4 * SCALE
    assert DEVICE.is_full(5 * SCALE) and not DEVICE.is_full(4 * SCALE)
    assert DEVICE.wait_seconds(5 * SCALE) == 120
    assert DEVICE.level(5 * SCALE, NOW, NOW + timedelta(hours=1)) == 0
    assert DEVICE.level(SCALE, NOW, NOW - timedelta(hours=1)) == SCALE


def test_the_odds_are_those_that_the_document_tells() -> None:
    live, hour, year = 1000, 3600, 365 * 24
    strong = CEILING.room / (CEILING.period.total_seconds() / hour) * live / len(ALPHABET) ** 10
    assert strong < 1.3e-6  # an hour at the ceiling
    assert strong * year < 0.011
    weak = SITE.room / (SITE.period.total_seconds() / hour) * live
    assert weak / len(ALPHABET) ** 8 * year < 0.0032
    assert weak / 10**10 * year < 0.27  # what a year unheeded would come to: hence the alarm
    assert weak / 10**10 * 24 < 0.00073


def test_a_million_guesses_from_changing_devices_hit_nothing_and_lock_nobody_out() -> None:
    """1,000 live codes, a million guesses within an hour, each from a new device and address."""
    chance = random.Random(5)
    live = {new_code() for _ in range(1000)}
    levels = {f"site:{Lane.STRONG}": 0, CEILING_KEY: 0}
    at, hits, waits = NOW, 0, 0
    step = timedelta(hours=1) / 1_000_000
    symbols = [chance.choices(ALPHABET, k=10) for _ in range(1000)]
    guesser = Guesser(lane=Lane.STRONG, device="new", address="new")
    for number in range(1_000_000):
        if number % 1000 == 0:
            chance.shuffle(symbols)
            standing = judge(guesser, levels)
            assert standing.lets_right_codes
            waits += standing.wait_seconds > 0
        row = symbols[number % 1000]
        row[number % 10] = ALPHABET[(number * 7 + number // 1000) % 31]
        hits += "".join(row) in live
        if number % 16 == 0:  # as the shared count is kept while the lane is closed
            for key in levels:
                bucket = bucket_of(key)
                full = bucket.level(levels[key], at, at + 16 * step) + 16 * SCALE
                levels[key] = min(full, bucket.room * SCALE)
            at += 16 * step
    assert hits == 0
    assert waits >= 999  # the guesser has been told to wait all along, and the alarm is raised
    assert judge(guesser, levels).lets_right_codes
    # The short codes' lane was not touched by it.
    assert judge(Guesser(lane=Lane.WEAK), levels).wait_seconds == 0


def test_short_codes_are_not_let_through_a_flood_but_to_devices_that_use_them(
    timed: Office,
) -> None:
    used, fresh = issue(timed, 2, code_length=8)
    assert reason(login.check_voucher(timed, used, MAC)) is Reason.OK
    for number in range(SITE.room):
        login.check_voucher(timed, "ABCDEFGH", f"3c22fb{number:06x}", address=f"10.0.{number}.1")
    assert reason(login.check_voucher(timed, fresh, "a2b4c6010203")) is Reason.THROTTLED
    assert reason(login.check_voucher(timed, "ABCDEFGH", "a2b4c6010203")) is Reason.THROTTLED
    assert reason(login.check_voucher(timed, used, MAC)) is Reason.OK


def test_wrong_expired_and_used_up_codes_count_alike_and_right_ones_do_not(
    timed: Office, clock: Clock
) -> None:
    (old,) = issue(timed, minutes=1)
    assert reason(login.check_voucher(timed, old, MAC)) is Reason.OK
    clock.now += timedelta(minutes=1)
    (good,) = issue(timed)
    for _ in range(DEVICE.room - 1):
        assert reason(login.check_voucher(timed, old, MAC)) is Reason.VOUCHER_EXPIRED
    assert reason(login.check_voucher(timed, "ABCDEFGHJK", MAC)) is Reason.VOUCHER_UNKNOWN
    assert reason(login.check_voucher(timed, old, MAC)) is Reason.THROTTLED
    assert reason(login.check_voucher(timed, "ABCDEFGHJK", MAC)) is Reason.THROTTLED
    # Ten symbols cannot be guessed at this speed: whoever holds the slip gets in.
    assert reason(login.check_voucher(timed, good, MAC)) is Reason.OK


def test_every_worker_and_a_restarted_one_share_the_count(office_on: Office) -> None:
    for _ in range(DEVICE.room):
        login.check_voucher(office_on, "ABCDEFGHJK", MAC)
    other = Office.open(office_on.config)
    assert reason(login.check_voucher(other, "ABCDEFGHJK", MAC)) is Reason.THROTTLED
    other.database.dispose()


def test_a_closed_site_raises_one_alarm_and_a_flood_fills_no_table(
    timed: Office, clock: Clock
) -> None:
    for number in range(SITE.room + 40):
        login.check_voucher(timed, "ABCDEFGHJK", f"3c22fb{number:06x}", nas_client_id=None)
    with timed.database.read() as session:
        (alarm,) = voucher_guard.alarms(session, clock.now)
        assert (alarm.lane, alarm.is_closed, alarm.nas_client_id) == (Lane.STRONG, True, None)
        recorded = session.scalars(
            select(AuditEvent.target).where(AuditEvent.action == "voucher:guessing")
        ).all()
        assert recorded == ["site:strong"]
        rows = session.scalar(select(func.count()).select_from(VoucherGuess))
        assert rows is not None and rows <= SITE.room + 2
    clock.now += timedelta(hours=2)
    with timed.database.write() as session:
        assert not voucher_guard.alarms(session, clock.now)[0].is_closed
        assert voucher_guard.drop_old(session, clock.now) == SITE.room
    clock.now += timedelta(days=1)
    with timed.database.read() as session:
        assert voucher_guard.alarms(session, clock.now) == []


def test_a_flood_behind_one_gateway_leaves_the_short_codes_of_another_alone() -> None:
    levels = {"nas:1:weak": 100 * SCALE, "site:weak": 100 * SCALE}
    assert not judge(Guesser(lane=Lane.WEAK, nas_client_id=1), levels).lets_right_codes
    assert judge(Guesser(lane=Lane.WEAK, nas_client_id=2), levels).lets_right_codes


def test_beyond_the_ceiling_only_known_devices_come_in() -> None:
    levels = {CEILING_KEY: CEILING.room * SCALE}
    assert not judge(Guesser(lane=Lane.STRONG), levels).lets_right_codes
