"""What people read about their own quotas, hours and vouchers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from captive_portal.web.dates import format_data
from db.models import Account, UsageDay
from identity.domain.access import RoleProfile
from identity.domain.quota import left_by_period
from identity.office import Office
from identity.services import roles, vouchers
from tests.conftest import ADMIN, add_person
from tests.unit.captive_portal.public.conftest import MAC, Visitor, open_session

PASSWORD = "password of theirs"


def limit(office: Office, role: str, hours: str | None = None, **limits: int) -> None:
    with office.database.write() as session:
        roles.set_role(session, office, role, limits, "test")
        roles.set_hours(session, office, role, hours, "test")


def use(office: Office, account_id: int, octets: int, seconds: int) -> None:
    now = office.clock()
    today = now.astimezone(ZoneInfo(office.config.site.timezone)).date()
    with office.database.write() as session:
        session.add(
            UsageDay(
                session_key="k", day=today, account_id=account_id, octets=octets, seconds=seconds,
                counted_octets=octets, counted_seconds=seconds, counted_until=now,
            )
        )  # fmt: skip


def status(visitor: Visitor, language: str = "en", name: str = "somchai") -> str:
    """The page after a sign-in, without markup."""
    answer = visitor.fill(f"/?lang={language}", username=name, password=PASSWORD)
    return plain(visitor.follow(answer).text)


def plain(page: str) -> str:
    text = re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Data today 1.2 GB of 2 GB left", "Time this week 18 h of 20 h left", "anew on")),
        ("th", ("ปริมาณข้อมูลวันนี้ เหลือ 1.2 GB จาก 2 GB", "เวลาใช้งานสัปดาห์นี้ เหลือ 18 ชั่วโมง จาก 20 ชั่วโมง")),
    ],
)
def test_the_status_page_says_what_is_left_of_every_quota(
    office: Office, visitor: Visitor, language: str, words: tuple[str, ...]
) -> None:
    limit(office, "student", quota_mb_day=2000, quota_minutes_week=1200)
    use(office, add_person(office, "somchai"), 710_000_000, 7200)
    page = status(visitor, language)
    for word in words:
        assert word in page, page


def test_a_quota_that_is_used_up_is_called_so(office: Office, visitor: Visitor) -> None:
    account_id = add_person(office, "somchai")
    limit(office, "student", quota_mb_day=500)
    use(office, account_id, 600_000_000, 60)
    open_session(office, account_id)
    page = plain(visitor.get("/status?lang=en").text)
    assert "Data today used up: 500 MB" in page
    assert "left" not in page.split("used up")[1].split("counts anew")[0]


def test_whoever_has_no_limits_reads_of_none(office: Office, visitor: Visitor) -> None:
    add_person(office, "somchai")
    assert "What is left" not in status(visitor)


def test_hours_are_told_as_the_time_that_is_left(office: Office, visitor: Visitor) -> None:
    account_id = add_person(office, "somchai")
    open_session(office, account_id)
    local = office.clock().astimezone(ZoneInfo(office.config.site.timezone))
    opened = (local - timedelta(hours=1)).strftime("%H:%M")
    closes = (local + timedelta(hours=2, minutes=1)).strftime("%H:%M")
    limit(office, "student", hours=f"daily {opened}-{closes}")
    page = plain(visitor.get("/status?lang=en").text)
    assert "Network hours open for another 2 h" in page
    assert f"{closes}" in page
    limit(office, "student", hours=f"daily {closes}-{opened}")
    assert "Network hours closed at this time" in plain(visitor.get("/status?lang=en").text)


def test_a_voucher_tells_its_time_and_its_devices(office: Office, visitor: Visitor) -> None:
    limit(office, "guest", quota_mb_day=100)
    with office.database.write() as session:
        _, codes = vouchers.create_batch(
            session, office, count=1, role="guest", minutes=90, devices=3, issuer=ADMIN
        )
        vouchers.redeem(session, office, codes[0].replace("-", ""), MAC)
        account_id = session.scalars(select(Account.id).where(Account.kind == "guest")).one()
    open_session(office, account_id)
    page = plain(visitor.get("/status?lang=en").text)
    assert "Devices of this voucher 1 of 3 used" in page
    assert "Data today 100 MB of 100 MB left" in page
    assert "1 h 29 min left" in page or "1 h 30 min left" in page


def test_a_phone_learns_the_tightest_limit(office: Office, visitor: Visitor) -> None:
    """RFC 8908 section 5: seconds-remaining and bytes-remaining."""
    account_id = add_person(office, "somchai")
    open_session(office, account_id)
    wanted = {"Accept": "application/captive+json"}
    told = visitor.get("/captive-portal/api", headers=wanted).json
    assert told is not None and set(told) == {"captive", "user-portal-url"}
    limit(office, "student", quota_mb_day=500, quota_mb_month=300, quota_minutes_day=60)
    use(office, account_id, 100_000_000, 600)
    told = visitor.get("/captive-portal/api", headers=wanted).json
    assert told is not None
    assert told["bytes-remaining"] == 200_000_000
    assert told["seconds-remaining"] == 3000


@pytest.mark.parametrize(
    ("octets", "text"),
    [(0, "0 kB"), (999_999, "999 kB"), (1_999_999, "1 MB"), (1_990_000_000, "1.9 GB"),
     (2_000_000_000, "2 GB"), (3 * 10**12, "3 TB")],
)  # fmt: skip
def test_nobody_is_promised_more_than_there_is(octets: int, text: str) -> None:
    assert format_data(octets) == text


def test_the_new_count_begins_at_local_midnight() -> None:
    local = datetime(2026, 11, 22, 23, 30, tzinfo=ZoneInfo("Asia/Bangkok"))
    (left,) = left_by_period(RoleProfile(name="r", quota_mb_day=1), (), local)
    assert left.resets_at == datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
