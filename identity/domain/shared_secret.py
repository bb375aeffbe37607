"""How good a RADIUS shared secret is, and whether a NAS signs what it sends. Pure.

A class of strength may be stored and shown; the secret itself may not.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from enum import StrEnum

SHORT_OCTETS = 16
"""RFC 2865 section 3: at least 16 octets, or the secret can be searched for."""

OLD = timedelta(days=2 * 365)
"""Somebody who knew it has left by then."""

RECENT = timedelta(days=30)
"""What a NAS did before says nothing about the firmware of today."""

_STRONG_BITS = 96.0
_FAIR_BITS = 56.0
"""Sixteen random letters and digits come to about 60 by the count below."""

_KNOWN = frozenset(
    {
        "testing123", "testing", "secret", "radius", "radsec", "shared", "sharedsecret",
        "password", "passw0rd", "cisco", "cisco123", "admin", "changeme", "mikrotik", "ubnt",
        "aruba123", "ruckus", "xyzzy5461", "whatever", "12345678", "123456789", "1234567890",
    }
)  # fmt: skip
"""From manuals and examples; a guesser begins with these."""


class Strength(StrEnum):
    """What can be told of a secret without telling it."""

    KNOWN = "known"
    """Stands in manuals."""
    SHORT = "short"
    SIMPLE = "simple"
    """Long enough, but of few or repeated signs."""
    FAIR = "fair"
    STRONG = "strong"
    TLS = "tls"
    """There is none: TLS protects this NAS."""

    @property
    def is_weak(self) -> bool:
        return self in (Strength.KNOWN, Strength.SHORT, Strength.SIMPLE)


class Signing(StrEnum):
    """Whether the Access-Requests of a NAS carry a Message-Authenticator."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    NEVER = "never"
    UNKNOWN = "unknown"
    """It has sent none yet."""


def assess(secret: bytes) -> Strength:
    """The strength of a secret that is being set."""
    text = secret.decode("utf-8", "replace").casefold()
    if text in _KNOWN:
        return Strength.KNOWN
    if len(secret) < SHORT_OCTETS:
        return Strength.SHORT
    bits = _bits(secret)
    if bits < _FAIR_BITS:
        return Strength.SIMPLE
    return Strength.STRONG if bits >= _STRONG_BITS else Strength.FAIR


def signing(
    with_at: datetime | None, without_at: datetime | None, newest: datetime | None
) -> Signing:
    """Whether a NAS signs, by when it last did and did not.

    Args:
        newest: until when it was heard; what is `RECENT` is counted back from here, so that a
            NAS that fell silent keeps what was known of it.
    """
    marks = [mark for mark in (with_at, without_at, newest) if mark is not None]
    if with_at is None and without_at is None:
        return Signing.UNKNOWN
    since = max(marks) - RECENT
    signs = with_at is not None and with_at >= since
    omits = without_at is not None and without_at >= since
    if signs and omits:
        return Signing.SOMETIMES
    if signs or omits:
        return Signing.ALWAYS if signs else Signing.NEVER
    # Nothing lately but accounting: the last that is known counts.
    if with_at is None or (without_at is not None and without_at > with_at):
        return Signing.NEVER
    return Signing.ALWAYS


def _bits(secret: bytes) -> float:
    """At most how many bits a guesser has to search: Shannon's count of the signs as they are."""
    counts = Counter(secret)
    total = len(secret)
    per_sign = -sum(count / total * math.log2(count / total) for count in counts.values())
    pairs = len({secret[at : at + 2] for at in range(total - 1)})
    # "abcabcabc…" has many signs and few pairs: what repeats counts once.
    return per_sign * min(total, pairs + 1)
