"""Registration states and voucher codes: the rules, without any storage."""

from __future__ import annotations

import re
import secrets
from enum import StrEnum

from common.errors import Refused, UsageError
from identity.domain.spellings import composed

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""31 symbols; no 0, O, 1, I or L, which people mix up on paper."""

CODE_LENGTH = 10
"""49.5 bits: a million guesses at a thousand live codes hit with odds of one in a million."""

CODE_LENGTHS = (8, 10, 12)
LONGEST_PREFIX = 4

_DIGITS = "0123456789"
_CODE = re.compile(f"[{ALPHABET}]{{8}}|[{ALPHABET}]{{10,16}}|[0-9]{{10}}|[0-9]{{12}}")
_USUAL_CODE = re.compile(f"[{ALPHABET}]{{{CODE_LENGTH}}}")
_AS_TYPED = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789", " -\u200b\t")
"""Thai digits as digits, and what people put between groups taken away."""
_REFERENCE_LENGTH = 8


class RegistrationState(StrEnum):
    DRAFT = "draft"
    """Waits for the code, or for the host where an officer decides as well."""
    CONTACT_VERIFIED = "contact_verified"
    """Passed through, never stored: what follows is decided in the same transaction."""
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REJECTED = "rejected"


_NEXT: dict[RegistrationState, frozenset[RegistrationState]] = {
    RegistrationState.DRAFT: frozenset(
        {
            RegistrationState.CONTACT_VERIFIED,
            RegistrationState.PENDING,
            RegistrationState.REJECTED,
            RegistrationState.EXPIRED,
        }
    ),
    RegistrationState.CONTACT_VERIFIED: frozenset({RegistrationState.PENDING}),
    RegistrationState.PENDING: frozenset(
        {RegistrationState.ACTIVE, RegistrationState.REJECTED, RegistrationState.EXPIRED}
    ),
    RegistrationState.ACTIVE: frozenset({RegistrationState.SUSPENDED, RegistrationState.EXPIRED}),
    RegistrationState.SUSPENDED: frozenset({RegistrationState.ACTIVE, RegistrationState.EXPIRED}),
    RegistrationState.EXPIRED: frozenset(),
    RegistrationState.REJECTED: frozenset(),
}


def advance(current: str, wanted: RegistrationState) -> RegistrationState:
    """The state after going from `current` to `wanted`.

    Raises:
        Refused: the table above has no such step.
    """
    if wanted not in _NEXT[RegistrationState(current)]:
        raise Refused(f"a registration that is {current} cannot become {wanted}")
    return wanted


def new_code(length: int = CODE_LENGTH, digits_only: bool = False, prefix: str = "") -> str:
    """A fresh voucher code, without the hyphens people see.

    One that is not of digits only holds a letter, so that its strength shows.
    """
    while True:
        symbols = _DIGITS if digits_only else ALPHABET
        secret = "".join(secrets.choice(symbols) for _ in range(length))
        if digits_only or not secret.isdigit():
            return prefix + secret


def check_form(length: int, digits_only: bool, prefix: str) -> None:
    """Raise UsageError unless codes of this form may be issued.

    Whoever sees a code must be able to tell how hard it is to guess: a prefix adds symbols and no
    strength, so it is for codes that are strong without it.
    """
    if length not in CODE_LENGTHS:
        raise UsageError("a code has 8, 10 or 12 symbols")
    if digits_only and length < CODE_LENGTH:
        raise UsageError("8 digits can be guessed; a code of digits has 10 or 12")
    if not prefix:
        return
    if len(prefix) > LONGEST_PREFIX or any(symbol not in ALPHABET for symbol in prefix):
        raise UsageError("a prefix has 1 to 4 capital letters or digits, without 0 1 I L O")
    if digits_only or length < CODE_LENGTH:
        raise UsageError("a prefix is for codes of 10 or 12 letters and digits")


def is_strong(code: str) -> bool:
    """Whether it has 49 bits at least; see identity.domain.guessing."""
    return len(code) >= CODE_LENGTH and not code.isdigit()


def new_reference() -> str:
    """A fresh reference number for a registration, eight symbols."""
    return "".join(secrets.choice(ALPHABET) for _ in range(_REFERENCE_LENGTH))


def format_code(code: str, prefix: str = "") -> str:
    """`ABCDEFGHJK` as `ABCDE-FGHJK`; twelve symbols in three groups, a prefix in one of its own."""
    secret = code.removeprefix(prefix)
    size = 4 if len(secret) == 12 else -(-len(secret) // 2) or 1
    groups = [secret[at : at + size] for at in range(0, len(secret), size)]
    return "-".join([prefix, *groups] if prefix else groups)


def find_code(text: str) -> str | None:
    """The voucher code of any form in what somebody typed, or None.

    Case, spaces and hyphens do not matter; Thai digits are read as digits.
    """
    cleaned = _cleaned(text)
    return cleaned if _CODE.fullmatch(cleaned) else None


def find_usual_code(text: str) -> str | None:
    """As `find_code`, but only of the form that codes mostly have.

    For what is probably a name: many a student number of ten digits reads as a code of digits.
    """
    cleaned = _cleaned(text)
    return cleaned if _USUAL_CODE.fullmatch(cleaned) else None


def _cleaned(text: str) -> str:
    return text.translate(_AS_TYPED).upper()


def clean_username(text: str) -> str:
    """The stored form of a user name: trimmed, case-folded, composed.

    Raises:
        UsageError: empty, too long, or with white space or control characters.
    """
    cleaned = composed(text.strip().casefold())
    if not cleaned:
        raise UsageError("a user name is needed")
    if len(cleaned.encode()) > 253:
        raise UsageError("a user name may have at most 253 octets (RFC 2865 section 5.1)")
    if any(symbol.isspace() or not symbol.isprintable() for symbol in cleaned):
        raise UsageError("a user name may hold no spaces or control characters")
    return cleaned
