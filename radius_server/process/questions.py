"""What a dialogue about one login is given, asks, and comes to.

A dialogue is a generator: it yields a question, is sent the answer, and returns a decision.
At most one question is open at a time (RADIUS is lock-step). An answer may be `Unavailable`,
which ends the dialogue with itself. Values here are immutable by agreement; they are made
for every packet, and a frozen dataclass costs three times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from identity.domain.access import AccountSnapshot, Decision, Unavailable
from identity.domain.central import CentralTerms, NotSent
from identity.domain.directory import NtProof
from identity.domain.quota import DayUsage
from identity.domain.stations import NO_WORDS, StationWords
from radius_server.process.standing import Inquiry


@dataclass(slots=True, kw_only=True)
class Central:
    """A connection whose device may be sent to the portal, as its controller tells of it."""

    terms: CentralTerms
    connection: str
    """Its name there (audit-session-id)."""
    calling: str
    nas_address: str
    source: str


@dataclass(slots=True, kw_only=True)
class AccessRequest:
    """What one Access-Request asks, after its authenticity is proven.

    `station` is Calling-Station-Id as twelve hex digits when it is a MAC address.
    `eap_message` is every EAP-Message value joined (RFC 3579 section 3.1), None without any.
    """

    user_name: str
    nas_client_id: int
    now: datetime
    password: bytes | None = field(default=None, repr=False)
    chap_password: bytes | None = None
    chap_challenge: bytes = b""
    station: str | None = None
    call_check: bool = False
    eap_message: bytes | None = field(default=None, repr=False)
    station_words: StationWords = NO_WORDS
    """What this NAS says beside the address when it asks for a device by it."""
    framed_mtu: int | None = None
    """Framed-MTU, RFC 2865 section 5.12: octets of the link the EAP messages travel on."""
    mschap_challenge: bytes | None = None
    """MS-CHAP-Challenge, RFC 2548 section 2.1.2: 8 octets (v1) or 16 (v2)."""
    mschap_response: bytes | None = field(default=None, repr=False)
    """MS-CHAP-Response, RFC 2548 section 2.1.3: 50 octets."""
    mschap2_response: bytes | None = field(default=None, repr=False)
    """MS-CHAP2-Response, RFC 2548 section 2.3.2: 50 octets."""
    called_station: bytes = b""
    """Called-Station-Id, RFC 2865 section 5.30; behind its colon is mostly an SSID (RFC 3580
    section 3.20)."""
    central: Central | NotSent | None = None
    """Unknown devices are refused without it."""
    no_room: bool = False
    """The disk is full and the site lets nobody new in then."""
    too_much: str = ""
    """What it proves, or names, twice (`one_proof`); it is refused, and carries no proof here."""


@dataclass(slots=True)
class FindAccount:
    """Answer: AccountSnapshot or None."""

    username: str


@dataclass(slots=True)
class FindWebGrant:
    """Answer: whom the portal has proven for a device (Proven), Denied, or None. Slow."""

    nas_client_id: int
    mac: str
    connection: str


@dataclass(slots=True)
class FindTokens:
    """Answer: a sequence of TokenFacts of this user name, spent ones included."""

    username: str


@dataclass(slots=True)
class CheckPassword:
    """Answer: bool, Vouched or Denied. Slow (argon2, or a directory); the same time with and
    without an account. Denied as unknown says the same as False where there is no account."""

    account: AccountSnapshot | None
    password: bytes = field(repr=False)
    request: AccessRequest | None = field(default=None, repr=False, compare=False)
    """Which device asks, and where: who fails too often is answered Denied (throttled)."""


@dataclass(slots=True)
class AskDirectory:
    """Answer: Vouched, Denied, or None when no directory has the name. Slow.

    For the methods whose password does not travel; `proof` is that of MS-CHAPv2, the only
    one that a directory can check.
    """

    account: AccountSnapshot | None
    request: AccessRequest = field(repr=False, compare=False)
    proof: NtProof | None = field(default=None, repr=False)


@dataclass(slots=True)
class SpendToken:
    """Answer: True, False when somebody else spent it first, or Denied.

    A voucher counts the station, when there is one.
    """

    token_id: int
    station: str | None = field(default=None, compare=False)


@dataclass(slots=True)
class RedeemVoucher:
    """Answer: Granted or Denied. The first use starts the voucher's clock."""

    code: str
    station: str | None
    nas_client_id: int | None = None
    ssid: str = ""
    """Where it is used: a sheet may be for one place."""


@dataclass(slots=True)
class FindOpenStations:
    """Answer: the set of stations with an open session of this account."""

    account_id: int


@dataclass(slots=True)
class FindUsage:
    """Answer: Usage."""

    account_id: int
    counted: bool
    """False: only the hours matter, and nothing has to be looked up."""


@dataclass(slots=True)
class Usage:
    """What an account has used since `identity.domain.quota.first_day`, and whose days count."""

    zone: ZoneInfo
    days: tuple[DayUsage, ...] = ()


@dataclass(slots=True)
class RecoverSecret:
    """Answer: RecoveredSecret, None when this account keeps nothing recoverable, or Denied."""

    account: AccountSnapshot
    request: AccessRequest | None = field(default=None, repr=False, compare=False)
    """As in CheckPassword."""


@dataclass(slots=True)
class RecoveredSecret:
    """What CHAP, MS-CHAP, EAP-MD5 and EAP-PWD need; `password` only where that is kept."""

    nt_hash: bytes | None = field(default=None, repr=False)
    """MD4 of the password in UTF-16LE, 16 octets (RFC 2759 section 8.3)."""
    nt_key: bytes | None = field(default=None, repr=False)
    """MD4 of the NT hash alone: all that a directory tells, enough for keys, not for a proof."""
    password: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Compute:
    """Answer: what `work()` returns. Off the packet path: OpenSSL, elliptic curves.

    `work` touches nothing but what the dialogue owns, so it needs no lock; it raises nothing.
    """

    work: Callable[[], Any] = field(repr=False)


@dataclass(slots=True)
class AskStanding:
    """Answer: Standing, or Unavailable. Slow: a responder on the network is asked."""

    inquiry: Inquiry


@dataclass(slots=True)
class Challenge:
    """Send this EAP message in an Access-Challenge. Answer: the conversation's next request."""

    eap_message: bytes = field(repr=False)
    refusal: Answered | None = None
    """A check has failed for good, whatever the peer still says: to be counted and written down
    before this leaves, because many a peer hears it and goes away. In all that follow, too."""
    if_abandoned: Answered | None = None
    """What it has come to when the peer never answers this."""


@dataclass(slots=True)
class Busy:
    """An answer to a slow question in a conversation: there was no room for it."""


@dataclass(slots=True)
class Silence:
    """Say nothing and keep everything. Answer: the request that the NAS sends again."""

    because: Busy | Unavailable


Question = (
    FindAccount
    | FindWebGrant
    | FindTokens
    | CheckPassword
    | AskDirectory
    | SpendToken
    | RedeemVoucher
    | FindOpenStations
    | FindUsage
    | RecoverSecret
    | Compute
    | AskStanding
    | Challenge
    | Silence
)


@dataclass(slots=True, kw_only=True)
class Answered:
    """A decision and what the login's protocol says back beside it.

    `attributes` are encoded already and hold no secret. `receive_key` and `send_key` are the
    MS-MPPE keys as the NAS names them (RFC 2548 section 2.4): the worker encrypts them for
    the NAS. `identity` is who proved to be, when the User-Name was only an outer identity.
    `trace` tells step by step how it came to this, without any secret.
    """

    decision: Decision
    eap_message: bytes = field(default=b"", repr=False)
    attributes: bytes = b""
    receive_key: bytes = field(default=b"", repr=False)
    send_key: bytes = field(default=b"", repr=False)
    mschap_keys: bytes = field(default=b"", repr=False)
    """MS-CHAP-MPPE-Keys, RFC 2548 section 2.4.1: 24 octets, encrypted by the worker too."""
    identity: str = ""
    trace: tuple[str, ...] = ()
    opens_portal: bool = False
    """Of a refusal: the NAS is told, by an accept with `attributes`, to open the way to the portal
    and no other (central web authentication)."""


Dialogue = Generator[Question, Any, Decision | Answered]
Proof = Generator[Question, Any, Decision]
"""A dialogue that knows nothing of EAP."""


class Converses(Protocol):
    """Whoever speaks EAP: see radius_server.eap."""

    def converse(self, request: AccessRequest) -> Dialogue:
        """The conversation that begins with `request`; yields a Challenge for every round."""
