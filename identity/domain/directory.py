"""An entry of a directory, and the rules for what it means here: name, role, may it log in.

Pure values. Who asks the directory is identity.stores.directory.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

_ACCOUNT_DISABLED = 0x0002  # [MS-ADTS] section 2.2.16, ADS_UF_ACCOUNT_DISABLE
_LOCKED_FOR_EVER = "000001010000Z"  # draft-behera-ldap-password-policy section 5.3.3
_FILETIME_NEVER = (0, 0x7FFFFFFFFFFFFFFF)
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_SARA_AM = {0x0E33: 0x0E32, 0x0EB3: 0x0EB2}
"""NFKC takes these vowels of Thai and Lao apart, though nobody types them so: no odd spelling."""

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WANTED = (
    "cn",
    "displayName",
    "uid",
    "sAMAccountName",
    "memberOf",
    "gidNumber",
    "entryUUID",
    "objectGUID",
    "userAccountControl",
    "accountExpires",
    "pwdAccountLockedTime",
    "nsAccountLock",
    "shadowExpire",
    "krbPrincipalExpiration",
)
"""Attributes that are asked for; a directory leaves out what it does not know."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One person of a directory. `values` are by attribute name in lower case."""

    dn: str
    values: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)

    def text(self, name: str) -> str:
        """The first value of an attribute, empty without one."""
        values = self.values.get(name.lower(), ())
        return values[0].decode("utf-8", "replace").strip() if values else ""

    @property
    def full_name(self) -> str:
        """What people call the person, on one line."""
        name = self.text("displayName") or self.text("cn")
        return " ".join("".join(s if s.isprintable() else " " for s in name).split())

    @property
    def unique_id(self) -> str | None:
        """What stays when the entry is renamed, or None where the directory tells nothing."""
        guid = self.values.get("objectguid", ())
        return (guid[0].hex() if guid else self.text("entryUUID").lower()) or None

    def refusal(self, now: datetime) -> str | None:
        """Why the directory holds this person back (disabled | expired), or None.

        A lock that ends by itself is not looked at: the directory refuses the password then.
        """
        control = self.text("userAccountControl")
        if control.lstrip("-").isdigit() and int(control) & _ACCOUNT_DISABLED:
            return "disabled"
        if self.text("pwdAccountLockedTime") == _LOCKED_FOR_EVER:
            return "disabled"
        if self.text("nsAccountLock").lower() == "true":
            return "disabled"
        ends = (
            _filetime(self.text("accountExpires")),
            _unix_day(self.text("shadowExpire")),
            _generalized_time(self.text("krbPrincipalExpiration")),
        )
        return "expired" if any(end is not None and end <= now for end in ends) else None


class Answer(StrEnum):
    """What a directory says to a password."""

    PROVEN = "proven"
    WRONG = "wrong"
    LOCKED = "locked"
    """Too many wrong ones came, here or elsewhere; it does not say whether this one is right."""
    DISABLED = "disabled"
    EXPIRED = "expired"
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105 - an answer
    """The password is right, but must be changed first."""


@dataclass(frozen=True, slots=True)
class NtProof:
    """What MS-CHAPv2 shows instead of a password. RFC 2759 sections 8.2 and 8.5."""

    challenge: bytes
    """8 octets: both challenges and the user name, hashed together."""
    response: bytes = field(repr=False)


class Ambiguous(Exception):  # noqa: N818 - reads as what happened
    """More than one entry has this name; nobody can say who is meant."""


class OtherSpelling(Exception):  # noqa: N818 - reads as what happened
    """The directory takes the name for that of this entry, whose own name is spelt otherwise."""

    def __init__(self, dn: str) -> None:
        super().__init__(dn)
        self.dn = dn


class Source(Protocol):
    """A directory that can be asked. Every method may raise BackendUnavailable."""

    @property
    def name(self) -> str: ...

    def close(self) -> None:
        """Let go of what is kept open."""

    def find(self, username: str) -> Entry | None:
        """The entry of `username`, None without one; Ambiguous when there are several.

        OtherSpelling when the name is not, letter by letter, that of the entry.
        """

    def prove(self, entry: Entry | None, password: bytes) -> Answer:
        """Whether the directory takes `password` for `entry`; None costs the same time."""

    @property
    def proves_nt(self) -> bool:
        """Whether it can prove MS-CHAPv2 too."""

    def prove_nt(self, entry: Entry, username: str, proof: NtProof) -> Answer | bytes:
        """MD4 of the NT hash (16 octets) when the proof is good; else what is wrong."""

    def role_of(self, entry: Entry, username: str) -> str:
        """The role that the groups of `entry` come to, empty for none."""


def is_askable(username: str, password: bytes) -> bool:
    """Whether a directory may be asked about this name and password at all.

    An empty password is an anonymous bind that succeeds for anybody (RFC 4513 section 5.1.2),
    and some servers read a password only as far as its first NUL. A letter that is another form
    of some letter is that letter to a directory (RFC 4518 section 2.3), and another account here.
    """
    return (
        0 < len(username.encode()) <= 253
        and username.isprintable()
        and _is_plain(username)
        and 0 < len(password) <= 128
        and b"\0" not in password
    )


def _is_plain(username: str) -> bool:
    text = username.translate(_SARA_AM)
    return unicodedata.normalize("NFKC", text) == text


def _filetime(text: str) -> datetime | None:
    """A moment in 100 ns since 1601 ([MS-ADA1] accountExpires); None is never."""
    if not text.isdigit() or int(text) in _FILETIME_NEVER:
        return None
    try:
        return _FILETIME_EPOCH + timedelta(microseconds=int(text) // 10)
    except OverflowError:
        return None


def _unix_day(text: str) -> datetime | None:
    """A day since 1970 (shadowExpire of RFC 2307); -1 or nothing is never."""
    if not text.isdigit():
        return None
    try:
        return _UNIX_EPOCH + timedelta(days=int(text))
    except OverflowError:
        return None


def _generalized_time(text: str) -> datetime | None:
    """`YYYYMMDDhhmmssZ`, RFC 4517 section 3.3.13; None when it reads otherwise."""
    try:
        return datetime.strptime(text[:14] + "Z", "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
