"""Which session a packet belongs to when a NAS uses an Acct-Session-Id again.

hostapd does so for a device that is back before it was forgotten, and equipment that counts
from one does so after each restart; user and station are the same as before, too. The
sessions that one key (`identity.domain.sessions.session_key`) came to stand for are numbered;
the first keeps the key itself.

Pure, and safe to ask again: a copy or a late packet finds the session it was part of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

RESENT_NO_LATER = timedelta(days=1)
"""A Start without Class and Event-Timestamp that comes later than this after a stop is new."""

WHOLE_SECONDS = timedelta(seconds=1)
"""Event-Timestamp has no fractions, RFC 2869 section 5.3."""


class Course(NamedTuple):
    """What is recorded of one of the sessions."""

    session_ref: str | None
    """The login that granted it, from Class."""
    end: datetime | None
    """When it ended; None while it is open."""


class Claim(NamedTuple):
    """What a packet says for itself."""

    session_ref: str | None
    begun: datetime
    """When its session began: when the packet was sent, less Acct-Session-Time."""
    is_start: bool
    told_at: datetime | None
    """Event-Timestamp, by the clock of the NAS."""


def numbered_key(first_key: str, number: int) -> str:
    """The key of the session `number`, counted from 1."""
    if number == 1:
        return first_key
    return hashlib.blake2b(f"{first_key}\0{number}".encode(), digest_size=16).hexdigest()


def place(courses: Sequence[Course], claim: Claim) -> int:
    """The number of the session that a packet belongs to; one more than there are is a new one.

    The same login is the same session. Else time decides: a packet belongs to the last
    session before which the one that came before had ended. After the end of the last it
    is a new session if another login granted it, or if it is a Start that cannot be a late
    copy; anything else is late. A NAS that lets a station log in again within a session
    sends another Class there, so another login alone makes no session.
    """
    count = len(courses)
    if claim.session_ref is not None:
        for number in range(count, 0, -1):
            if courses[number - 1].session_ref == claim.session_ref:
                return number
    for number in range(count, 0, -1):
        end = courses[number - 1].end
        if end is None or claim.begun <= end:
            continue
        if number < count or _is_new(end, claim):
            return number + 1
        return number
    return 1


def _is_new(end: datetime, claim: Claim) -> bool:
    if claim.session_ref is not None:
        return True
    if not claim.is_start:
        return False
    if claim.told_at is not None:
        # By both clocks: a copy that was queued carries the time of the first.
        return claim.told_at + WHOLE_SECONDS > end
    return claim.begun > end + RESENT_NO_LATER
