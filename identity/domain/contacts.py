"""Ways to reach a person: mailboxes and telephone numbers, as they are stored.

Pure. Whether anybody answers there is for a code to prove.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum

from common.errors import UsageError

_MAILBOX = re.compile(r"[^@\s,;<>()\"\\:]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_LONGEST_MAILBOX = 254
"""RFC 5321 section 4.5.3.1.3, less its angle brackets."""

_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
_BETWEEN = re.compile(r"[\s().\u2010-\u2015-]")
_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}")
"""E.164: at most 15 digits."""
_THAI = "+66"
_THAI_MOBILE = re.compile(r"\+66[689][0-9]{8}")
"""In the national form ten digits that begin with 06, 08 or 09."""


class Channel(StrEnum):
    """How a message gets to somebody."""

    MAIL = "mail"
    SMS = "sms"


def find_mailbox(text: str) -> str | None:
    """The mailbox in `text` with its domain in lower case, or None.

    One that needs quotes or SMTPUTF8 is none here: most servers would turn it down. Nor is one
    with an encoded word (RFC 2047): a library would decode it, and the letter go to another.
    """
    local, at, domain = text.strip().rpartition("@")
    mailbox = f"{local}{at}{domain.casefold()}"
    if len(mailbox) > _LONGEST_MAILBOX or not mailbox.isascii() or not mailbox.isprintable():
        return None
    if not _MAILBOX.fullmatch(mailbox) or local.startswith((".", "-")) or ".." in mailbox:
        return None
    if "=?" in local or "?=" in local:
        return None
    return mailbox


def find_number(text: str) -> str | None:
    """The telephone number in `text` as E.164 has it (`+66812345678`), or None.

    A number without a country is Thai: `081 234 5678`, `๐๘๑-๒๓๔-๕๖๗๘`.
    """
    digits = _BETWEEN.sub("", text.strip().translate(_THAI_DIGITS))
    if digits.startswith("00"):
        digits = f"+{digits[2:]}"
    elif digits.startswith("0"):
        digits = f"{_THAI}{digits[1:]}"
    elif digits.startswith("66") and len(digits) == 11:
        digits = f"+{digits}"
    digits = digits.replace("+660", _THAI, 1) if digits.startswith("+660") else digits
    return digits if digits.isascii() and _NUMBER.fullmatch(digits) else None


def mobile_number(text: str, prefixes: Collection[str]) -> str:
    """The number in `text` that a short message may be sent to.

    Raises:
        UsageError: it is none, is a Thai landline, or lies in a country nobody allowed.
    """
    number = find_number(text)
    if number is None:
        raise UsageError(f"{text!r} is no telephone number; write it like 081 234 5678")
    if not number.startswith(tuple(prefixes)):
        raise UsageError(f"short messages go to {', '.join(prefixes)} only")
    if number.startswith(_THAI) and not _THAI_MOBILE.fullmatch(number):
        raise UsageError(f"{text!r} is no mobile number; it begins with 06, 08 or 09")
    return number


def local_form(number: str) -> str:
    """`+66812345678` as people in its country dial it: `0812345678`; others stay as they are."""
    return f"0{number.removeprefix(_THAI)}" if number.startswith(_THAI) else number


def hidden(contact: str) -> str:
    """Enough of a mailbox or number to know one's own: `s…@school.example`, `…5678`."""
    local, at, domain = contact.rpartition("@")
    return f"{local[:1]}…{at}{domain}" if at else f"…{contact[-4:]}"
