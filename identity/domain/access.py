"""What a login can come to, and the facts about an account it is decided on.

Pure values. Nothing here reads a database or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Method(StrEnum):
    """How somebody proved who they are."""

    PAP = "pap"
    CHAP = "chap"
    MAC = "mac"
    TOKEN = "token"  # noqa: S105 - the name of a method
    VOUCHER = "voucher"
    PORTAL = "portal"
    MSCHAP = "mschap"
    MSCHAP2 = "mschapv2"
    EAP = "eap"
    EAP_TTLS = "eap-ttls"
    EAP_PEAP = "eap-peap"
    EAP_TLS = "eap-tls"
    EAP_PWD = "eap-pwd"  # noqa: S105 - the name of a method
    EAP_MD5 = "eap-md5"
    EAP_GTC = "eap-gtc"
    EAP_MSCHAP2 = "eap-mschapv2"
    EAP_TEAP = "eap-teap"
    PROXY = "proxy"


class Reason(StrEnum):
    """Why a login was decided as it was: the operator's exact word."""

    OK = "ok"
    UNKNOWN_ACCOUNT = "unknown_account"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a reason
    NO_PASSWORD = "no_password"  # noqa: S105 - a reason
    SUSPENDED = "suspended"
    PASSWORD_UNCHANGED = "password_to_be_changed"  # noqa: S105 - a reason
    EXPIRED = "expired"
    NO_CONSENT = "guardian_consent_missing"
    NOT_A_LOGIN = "not_a_login"
    UNKNOWN_DEVICE = "unknown_device"
    SENT_TO_PORTAL = "sent_to_portal"
    MAC_MISMATCH = "mac_mismatch"
    NO_STATION = "no_calling_station_id"
    NOT_RECOVERABLE = "method_needs_recoverable_secret"
    TOKEN_SPENT = "token_spent"  # noqa: S105 - a reason
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a reason
    TOKEN_ELSEWHERE = "token_for_another_device_or_nas"  # noqa: S105 - a reason
    DEVICE_TAKEN = "device_of_another_account"
    VOUCHER_UNKNOWN = "voucher_unknown"
    VOUCHER_EXPIRED = "voucher_expired"
    VOUCHER_REVOKED = "voucher_revoked"
    VOUCHER_DEVICES = "voucher_device_limit"
    VOUCHER_EXHAUSTED = "voucher_used_up"
    VOUCHER_EARLY = "voucher_not_valid_yet"
    VOUCHER_ELSEWHERE = "voucher_for_another_place"
    SIMULTANEOUS = "simultaneous_limit"
    METHOD_UNSUPPORTED = "method_unsupported"
    BAD_REQUEST = "bad_request"
    SEVERAL_PROOFS = "several_proofs"
    BAD_NAME = "name_not_readable"
    BACKEND = "backend_unavailable"
    EAP_PROTOCOL = "eap_protocol_error"
    EAP_NO_METHOD = "eap_no_common_method"
    EAP_LOST = "eap_conversation_lost"
    TLS_FAILED = "tls_failed"
    CERTIFICATE_REFUSED = "certificate_refused"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_UNBOUND = "certificate_of_no_account"
    QUOTA = "quota_used_up"
    OUTSIDE_HOURS = "outside_hours"
    DISK_FULL = "disk_full"
    THROTTLED = "too_many_attempts"
    HOME_REFUSED = "home_server_refused"
    DIRECTORY_AMBIGUOUS = "directory_ambiguous"
    DIRECTORY_NO_ROLE = "directory_no_role"
    DIRECTORY_DISABLED = "directory_disabled"
    DIRECTORY_GONE = "directory_entry_gone"
    DIRECTORY_EXPIRED_PASSWORD = "directory_password_expired"  # noqa: S105 - a reason
    DIRECTORY_OTHER_PERSON = "directory_other_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleProfile:
    """What a role grants; None means no limit."""

    name: str
    vlan: int | None = None
    down_kbps: int | None = None
    up_kbps: int | None = None
    session_seconds: int | None = None
    idle_seconds: int | None = None
    simultaneous: int | None = None
    quota_mb_day: int | None = None
    quota_mb_week: int | None = None
    quota_mb_month: int | None = None
    quota_minutes_day: int | None = None
    quota_minutes_week: int | None = None
    quota_minutes_month: int | None = None
    quota_mb_total: int | None = None
    quota_minutes_total: int | None = None
    """Of a voucher, over its whole life; a role has none."""
    hours: str | None = None
    """When it is open, as identity.domain.hours reads it; None is always."""
    filter_id: str | None = None
    vendor_role: str | None = None
    egress_vlans: str | None = None
    """As identity.domain.egress reads it."""

    def __hash__(self) -> int:
        return hash(self.name)  # of all the fields it would cost more than what it looks up


UNCHANGED = "unchanged"
"""A state that RADIUS alone knows: active, but its password is to be changed first."""

NO_CONSENT = "no-consent"
"""A state that a login alone knows: active, but a guardian's consent is needed and not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """An account as one login sees it."""

    account_id: int
    username: str
    kind: str
    state: str
    expires_at: datetime | None
    role: RoleProfile
    password_hash: str | None = field(default=None, repr=False)
    recoverable: str = "none"
    """What is kept beside the hash, to be asked for: none | nt-hash | password."""
    to_keep: str = "none"
    """What ought to be kept and is not yet; the next login that tells the password sees to it."""
    origin: str = ""
    """`directory:NAME` when that is who knows the password; empty when it is kept here."""

    def refusal(self, now: datetime) -> Reason | None:
        """Why this account may not log in at `now`, or None when it may."""
        if self.state == "suspended":
            return Reason.SUSPENDED
        if self.state == UNCHANGED:
            is_over = self.expires_at is not None and self.expires_at <= now
            return Reason.EXPIRED if is_over else Reason.PASSWORD_UNCHANGED
        if self.state == NO_CONSENT:
            is_over = self.expires_at is not None and self.expires_at <= now
            return Reason.EXPIRED if is_over else Reason.NO_CONSENT
        if self.state != "active" or (self.expires_at is not None and self.expires_at <= now):
            return Reason.EXPIRED
        return None


@dataclass(slots=True, kw_only=True)
class Granted:
    """The login is good. `expires_at` bounds the session whatever the role says.

    `octets_left` is what a quota leaves it, both directions together; None is no quota.

    Immutable by agreement: one is made for every login, and a frozen one takes three times as long.
    """

    account: AccountSnapshot
    method: Method
    expires_at: datetime | None = None
    octets_left: int | None = None
    step: str = ""
    """A line for the trace, such as `directory:proven=office`."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The login is refused; `account_id` is set when the account is known."""

    reason: Reason
    method: Method
    account_id: int | None = None
    step: str = ""
    """A line for the trace that says more than the reason, such as `throttle:device`."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nobody can say now; never an accept (docs/decisions/0004)."""

    backend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """A directory has proven the password; `account` is as that has left it.

    Not yet a grant: the account may be suspended, and the role has its limits.
    """

    account: AccountSnapshot
    step: str
    remember_seconds: float = 0.0
    """How long the same password need not be asked for again."""
    nt_key: bytes = field(default=b"", repr=False)
    """MD4 of the NT hash, for the keys of MS-CHAPv2; empty for a password."""


Decision = Granted | Denied | Unavailable
