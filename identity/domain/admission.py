"""Registration states and voucher codes: the rules, without any storage."""

from __future__ import annotations

import secrets
from enum import StrEnum

from common.errors import Refused, UsageError

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""31 symbols; no 0, O, 1, I or L, which people mix up on paper."""

CODE_LENGTH = 10
"""49.5 bits: a million guesses at a thousand live codes hit with odds of one in a million."""

_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
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


def new_code() -> str:
    """A fresh voucher code, ten symbols, without the hyphen people see."""
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def new_reference() -> str:
    """A fresh reference number for a registration, eight symbols."""
    return "".join(secrets.choice(ALPHABET) for _ in range(_REFERENCE_LENGTH))


def format_code(code: str) -> str:
    """`ABCDEFGHJK` as `ABCDE-FGHJK`."""
    half = len(code) // 2
    return f"{code[:half]}-{code[half:]}"


def find_code(text: str) -> str | None:
    """The voucher code in what somebody typed, or None.

    Case, spaces and hyphens do not matter; Thai digits are read as digits.
    """
    cleaned = "".join(
        symbol for symbol in text.translate(_THAI_DIGITS).upper() if symbol not in " -\u200b\t"
    )
    if len(cleaned) == CODE_LENGTH and all(symbol in ALPHABET for symbol in cleaned):
        return cleaned
    return None


def clean_username(text: str) -> str:
    """The stored form of a user name: trimmed, case-folded.

    Raises:
        UsageError: empty, too long, or with white space or control characters.
    """
    cleaned = text.strip().casefold()
    if not cleaned:
        raise UsageError("a user name is needed")
    if len(cleaned.encode()) > 253:
        raise UsageError("a user name may have at most 253 octets (RFC 2865 section 5.1)")
    if any(symbol.isspace() or not symbol.isprintable() for symbol in cleaned):
        raise UsageError("a user name may hold no spaces or control characters")
    return cleaned
