"""The ways to register, and the rules about codes and stays. Pure."""

from __future__ import annotations

import secrets
import unicodedata
from datetime import timedelta
from enum import StrEnum

CODE_DIGITS = 6
CODE_LIFETIME = timedelta(minutes=30)
"""A letter through a filter takes some minutes; who comes back tomorrow asks for a new code."""

CODE_ATTEMPTS = 5
"""For one code; with five codes a day a guesser hits once in 40,000 registrations."""

ROSTER_TRIES = 5
"""A day and pupil: a birth date of a known class has some 400 values."""

ROSTER_MISSES_SCHOOL = 30
"""A day: more honest slips than a class makes, and a guesser hits once in two weeks of them."""

ROSTER_MISSES_SITE = 60
"""A day, all schools together: who goes on to the next school gets no further."""

STAYS: dict[str, timedelta] = {
    "1h": timedelta(hours=1),
    "3h": timedelta(hours=3),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
    "2d": timedelta(days=2),
    "3d": timedelta(days=3),
    "5d": timedelta(days=5),
}
"""How long a host may let a guest stay."""

USUAL_STAY = "12h"
CODE_STAY = timedelta(days=1)
"""Of a guest whom a code alone let in; longer needs a person who answers."""

LONGEST_PROVISIONAL_MINUTES = 60

PROVISIONAL_ROLE = "provisional"
"""Of guests who are on the network only to read a code; made when minutes are first given."""

_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


class Way(StrEnum):
    """How a visitor comes to an account of a role."""

    CLOSED = "closed"
    """Not by registering."""
    APPROVAL = "approval"
    SPONSOR = "sponsor"
    MAIL_CODE = "mail-code"
    SMS_CODE = "sms-code"
    ROSTER = "roster"

    @property
    def has_code(self) -> bool:
        """Whether a code proves that the contact is the visitor's."""
        return self in (Way.MAIL_CODE, Way.SMS_CODE)


def new_contact_code() -> str:
    """Six digits, each of the million as likely."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"


def find_contact_code(text: str) -> str | None:
    """The code in what somebody typed or pasted, or None."""
    digits = "".join(
        symbol
        for symbol in text.translate(_DIGITS)
        if not symbol.isspace() and unicodedata.category(symbol) not in ("Pd", "Cf")
    )
    good = len(digits) == CODE_DIGITS and digits.isascii() and digits.isdecimal()
    return digits if good else None
