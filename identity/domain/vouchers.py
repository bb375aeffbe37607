"""What a sheet of vouchers says, and what that comes to for one code at one moment. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from common.errors import UsageError
from identity.domain.access import Reason, RoleProfile
from identity.domain.admission import CODE_LENGTH, check_form
from identity.domain.hours import both, parse_hours

MAXIMUM_BATCH = 2000
LONGEST_MINUTES = 366 * 24 * 60
UNUSED_LIFETIME = timedelta(days=180)
"""How long a code waits for its first use unless the sheet says otherwise."""

SAME_VISIT = timedelta(minutes=10)
"""A device that signs in again so soon was cut off, or pressed twice; that is no further use."""


class Validity(StrEnum):
    """What the minutes of a sheet count."""

    FROM_FIRST_USE = "from_first_use"
    FROM_CREATION = "from_creation"
    FIXED_WINDOW = "fixed_window"
    """No minutes: from `not_before` to `hard_expiry`."""
    MINUTES_OF_USE = "minutes_of_use"
    """Only while connected, as accounting tells."""


class VoucherState(StrEnum):
    """As people see it; `expired` is told from the times and never stored."""

    UNUSED = "unused"
    ACTIVE = "active"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of a sheet as somebody asks for them; None and empty texts are no limit."""

    count: int
    role: str = "guest"
    minutes: int = 480
    devices: int = 1
    name: str = ""
    receiver: str = ""
    note: str = ""
    language: str = "th"
    validity: Validity = Validity.FROM_FIRST_USE
    not_before: datetime | None = None
    hard_expiry: datetime | None = None
    uses: int | None = None
    quota_mb: int | None = None
    down_kbps: int | None = None
    up_kbps: int | None = None
    idle_seconds: int | None = None
    hours: str | None = None
    nas: str = ""
    organisation: str = ""
    ssid: str = ""
    prefix: str = ""
    code_length: int = CODE_LENGTH
    digits_only: bool = False

    def check(self, now: datetime) -> None:
        """Raise UsageError naming what is out of range."""
        window = self.validity is Validity.FIXED_WINDOW
        ranges: tuple[tuple[int | None, int, int, str], ...] = (
            (self.count, 1, MAXIMUM_BATCH, "the number of vouchers"),
            (None if window else self.minutes, 1, LONGEST_MINUTES, "the minutes of a voucher"),
            (self.devices, 1, 100, "the devices of a voucher"),
            (self.uses, 1, 10_000, "the sign-ins of a voucher"),
            (self.quota_mb, 1, 10_000_000, "the megabytes of a voucher"),
            (self.down_kbps, 1, 100_000_000, "the kbit/s down of a voucher"),
            (self.up_kbps, 1, 100_000_000, "the kbit/s up of a voucher"),
            (self.idle_seconds, 60, 86_400, "the idle seconds of a voucher"),
        )
        for value, low, high, what in ranges:
            if value is not None and not low <= value <= high:
                raise UsageError(f"{what} must be {low}..{high}")
        if self.language not in ("th", "en", "both"):
            raise UsageError("the cards are in th, en or both")
        for text, longest, what in (
            (self.name, 80, "the name of a sheet"),
            (self.receiver, 120, "the receiver"),
            (self.note, 500, "the note"),
            (self.ssid, 32, "the name of the Wi-Fi network"),
        ):
            if len(text) > longest or any(ord(sign) < 32 for sign in text):
                raise UsageError(f"{what} has at most {longest} characters, all on one line")
        if self.hours is not None:
            parse_hours(self.hours)
        check_form(self.code_length, self.digits_only, self.prefix)
        if window and self.hard_expiry is None:
            raise UsageError("a fixed window needs the day on which it ends")
        if self.hard_expiry is not None and self.hard_expiry <= max(now, self.not_before or now):
            raise UsageError("the vouchers would end before they begin")

    def last_moment(self, now: datetime) -> datetime:
        """The hard end of codes issued now; of those that run from their issue it is the end."""
        begin = max(now, self.not_before or now)
        if self.validity is Validity.FROM_CREATION:
            end = begin + timedelta(minutes=self.minutes)
            return min(end, self.hard_expiry or end)
        if self.hard_expiry is not None:
            return self.hard_expiry
        span = UNUSED_LIFETIME
        if self.validity is Validity.FROM_FIRST_USE:
            span += timedelta(minutes=self.minutes)
        return begin + span


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a code is used, as far as anybody told."""

    nas_client_id: int | None = None
    organisations: frozenset[int] = frozenset()
    """That of the network device and those above it."""
    ssid: str = ""


NOWHERE = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where the codes of a sheet work."""

    nas_client_id: int | None = None
    organisation_id: int | None = None
    ssid: str = ""

    def holds(self, place: Place) -> bool:
        """Whether the place is inside; what nobody told is not."""
        return (
            self.nas_client_id in (None, place.nas_client_id)
            and (self.organisation_id is None or self.organisation_id in place.organisations)
            and self.ssid in ("", place.ssid)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """When one code runs: the times of its sheet with what extensions have added."""

    validity: Validity
    minutes: int
    not_before: datetime | None
    hard_expiry: datetime

    def ends_if_begun(self, now: datetime) -> datetime:
        """When the code ends if it is first used now."""
        span = timedelta(minutes=self.minutes)
        if self.validity is Validity.FROM_FIRST_USE:
            return min(now + span, self.hard_expiry)
        return self.hard_expiry

    def refusal(self, now: datetime, expires_at: datetime | None) -> Reason | None:
        """Why the code is not good at `now`, as far as time tells.

        Args:
            expires_at: None while it is unused.
        """
        if self.not_before is not None and now < self.not_before:
            return Reason.VOUCHER_EARLY
        end = self.ends_if_begun(now) if expires_at is None else expires_at
        return Reason.VOUCHER_EXPIRED if end <= now else None


def state_of(stored: str, clock: Clock, expires_at: datetime | None, now: datetime) -> VoucherState:
    """The state that people see."""
    state = VoucherState(stored)
    if state in (VoucherState.UNUSED, VoucherState.ACTIVE):
        used = expires_at if state is VoucherState.ACTIVE else None
        if clock.refusal(now, used) is Reason.VOUCHER_EXPIRED:
            return VoucherState.EXPIRED
    return state


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a voucher adds to the limits of its role; None adds none."""

    quota_mb: int | None = None
    minutes_of_use: int | None = None
    down_kbps: int | None = None
    up_kbps: int | None = None
    idle_seconds: int | None = None
    hours: str | None = None


def tightened(role: RoleProfile, limits: Limits) -> RoleProfile:
    """The role as a voucher leaves it: of two limits the tighter one holds."""
    return replace(
        role,
        down_kbps=_tighter(role.down_kbps, limits.down_kbps),
        up_kbps=_tighter(role.up_kbps, limits.up_kbps),
        idle_seconds=_tighter(role.idle_seconds, limits.idle_seconds),
        hours=both(role.hours, limits.hours),
        quota_mb_total=limits.quota_mb,
        quota_minutes_total=limits.minutes_of_use,
    )


def _tighter(one: int | None, other: int | None) -> int | None:
    return min((value for value in (one, other) if value is not None), default=None)


def is_new_use(last_used_at: datetime | None, now: datetime) -> bool:
    """Whether a sign-in of a device counts as one more use of the code."""
    return last_used_at is None or now - last_used_at >= SAME_VISIT


RELEASE_EVERY = timedelta(hours=24)
"""How often a guest may take a device off a code; else one would serve a whole class in turn."""


def may_release(last: datetime | None, now: datetime) -> bool:
    """Whether a guest may take a device off a code now."""
    return last is None or now - last >= RELEASE_EVERY
