"""How many wrong voucher codes are too many, by device, address, network device and site. Pure.

A count is a bucket that leaks: each failure adds one, time takes them away evenly. There are two
lanes, told apart by what is typed (docs/vouchers.md has the arithmetic):

* a *strong* code has 49 bits or more. Too many failures change the answer to a wrong code from
  "not right" to "wait", and raise the alarm; a right code is let through up to the ceiling, so that
  nobody who floods locks out who holds a slip.
* a *weak* one (8 symbols, or digits only) could be guessed at that speed. When its lane is closed
  only devices that have used that very code are let through.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SCALE = 1000
"""Levels are integers, thousandths of a failure, so that both databases count alike."""


class Lane(StrEnum):
    STRONG = "strong"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class Bucket:
    """At most `room` failures at once; it leaks empty in `period`."""

    room: int
    period: timedelta

    def level(self, level: int, at: datetime, now: datetime) -> int:
        """What is left at `now` of a level noted at `at`."""
        passed = max(timedelta(0), now - at) / self.period
        return max(0, level - int(passed * self.room * SCALE))

    def is_full(self, level: int) -> bool:
        """Whether one more failure has no room."""
        return level > (self.room - 1) * SCALE

    def wait_seconds(self, level: int) -> int:
        """How long until one more has room; 0 when it has now."""
        over = level - (self.room - 1) * SCALE
        return max(0, -(-over * int(self.period.total_seconds()) // (self.room * SCALE)))


_TEN_MINUTES, _HOUR = timedelta(minutes=10), timedelta(hours=1)

DEVICE = Bucket(5, _TEN_MINUTES)
ADDRESS = Bucket(10, _TEN_MINUTES)
NAS = Bucket(100, _HOUR)
SITE = Bucket(300, _HOUR)
CEILING = Bucket(1_000_000, _HOUR)
"""Of the strong lane: beyond it nobody new gets in. 1000 live codes of ten symbols and a flood of
this size hit with odds of one in 800,000 an hour."""

CEILING_KEY = "ceiling:strong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guesser:
    """Who tries a code, by what is free to change (device, address) and by what is not."""

    lane: Lane
    device: str = ""
    address: str = ""
    nas_client_id: int | None = None

    def keys(self) -> dict[str, Bucket]:
        """The buckets this one's failures go into, the most particular first."""
        found = {}
        if self.device:
            found[f"device:{self.device}"] = DEVICE
        if self.address:
            found[f"address:{self.address}"] = ADDRESS
        if self.nas_client_id is not None:
            found[f"nas:{self.nas_client_id}:{self.lane}"] = NAS
        found[f"site:{self.lane}"] = SITE
        if self.lane is Lane.STRONG:
            found[CEILING_KEY] = CEILING
        return found


def bucket_of(key: str) -> Bucket:
    """The bucket that a key stands for."""
    kind = key.partition(":")[0]
    return {"device": DEVICE, "address": ADDRESS, "nas": NAS, "site": SITE}.get(kind, CEILING)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a guesser stands before the next try."""

    wait_seconds: int
    """0: the answer to a wrong code may say that it is wrong."""
    lets_right_codes: bool
    """Whether a right code gets in although nobody here has used it before."""


def judge(guesser: Guesser, levels: dict[str, int]) -> Standing:
    """How the guesser stands, given the levels of its keys as of now; absent ones are 0."""
    waits = {key: bucket.wait_seconds(levels.get(key, 0)) for key, bucket in guesser.keys().items()}
    longest = max(waits.values())
    if guesser.lane is Lane.STRONG:
        return Standing(longest, waits[CEILING_KEY] == 0)
    return Standing(longest, longest == 0)
