"""One Access-Request to one decision, as a dialogue of questions and answers.

`decide` is a generator: it yields a question, is sent the answer, and returns the decision.
At most one question is open at a time (RADIUS is lock-step). An answer may be `Unavailable`,
which ends the dialogue with itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from common.net import find_mac
from identity.domain.access import (
    AccountSnapshot,
    Decision,
    Denied,
    Granted,
    Method,
    Reason,
    Unavailable,
)
from identity.domain.admission import find_code, format_code
from identity.domain.tokens import PREFIX, TokenFacts
from radius_server.packet.authenticator import chap_fits


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """What one Access-Request asks, after its authenticity is proven.

    `station` is Calling-Station-Id as twelve hex digits when it is a MAC address.
    """

    user_name: str
    nas_client_id: int
    now: datetime
    password: bytes | None = field(default=None, repr=False)
    chap_password: bytes | None = None
    chap_challenge: bytes = b""
    station: str | None = None
    call_check: bool = False
    eap: bool = False


@dataclass(frozen=True, slots=True)
class FindAccount:
    """Answer: AccountSnapshot or None."""

    username: str


@dataclass(frozen=True, slots=True)
class FindTokens:
    """Answer: a sequence of TokenFacts of this user name, spent ones included."""

    username: str


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Answer: bool. Slow (argon2); the same time with and without an account."""

    account: AccountSnapshot | None
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SpendToken:
    """Answer: bool, False when somebody else spent it first."""

    token_id: int


@dataclass(frozen=True, slots=True)
class RedeemVoucher:
    """Answer: Granted or Denied. The first use starts the voucher's clock."""

    code: str
    station: str | None


@dataclass(frozen=True, slots=True)
class FindOpenStations:
    """Answer: the set of stations with an open session of this account."""

    account_id: int


Question = FindAccount | FindTokens | CheckPassword | SpendToken | RedeemVoucher | FindOpenStations
Dialogue = Generator[Question, Any, Decision]


def decide(request: AccessRequest) -> Dialogue:
    """The decision on `request`; ask its questions, in order, and send back the answers."""
    if request.eap:
        return Denied(Reason.METHOD_UNSUPPORTED, Method.PAP)
    if not request.user_name:
        return Denied(Reason.BAD_REQUEST, Method.PAP)
    user_mac = find_mac(request.user_name)
    if user_mac is not None or request.call_check:
        return (yield from _station(request, user_mac))
    if request.chap_password is not None:
        decision = yield from _chap(request)
    elif request.password is not None:
        decision = yield from _pap(request, request.password)
    else:
        return Denied(Reason.BAD_REQUEST, Method.PAP)
    if isinstance(decision, Granted):
        return (yield from _admit(request, decision))
    return decision


def _station(request: AccessRequest, user_mac: str | None) -> Dialogue:
    """MAC authentication. The user name never reaches the accounts of people."""
    if request.station is None:
        return Denied(Reason.NO_STATION, Method.MAC)
    if user_mac != request.station:
        return Denied(Reason.MAC_MISMATCH, Method.MAC)
    account = yield FindAccount(user_mac)
    if isinstance(account, Unavailable):
        return account
    if account is None or account.kind != "device":
        return Denied(Reason.UNKNOWN_DEVICE, Method.MAC)
    if not _station_password_fits(request, user_mac):
        return Denied(Reason.WRONG_PASSWORD, Method.MAC, account.account_id)
    return _if_active(request, account, Method.MAC)


def _station_password_fits(request: AccessRequest, mac: str) -> bool:
    """The password of MAC authentication is the address again, or nothing, by vendor."""
    if request.chap_password is not None:
        return _any_chap(request, (request.user_name, mac))
    if not request.password:
        return True
    return find_mac(request.password.decode("utf-8", "replace")) == mac


def _pap(request: AccessRequest, password: bytes) -> Dialogue:
    username = request.user_name.strip().casefold()
    account = yield FindAccount(username)
    if isinstance(account, Unavailable):
        return account
    if password.startswith(PREFIX.encode()):
        tokens = yield FindTokens(username)
        if isinstance(tokens, Unavailable):
            return tokens
        for facts in tokens:
            if hmac.compare_digest(facts.token.encode(), password):
                return (yield from _spend(request, account, facts))
    code = find_code(request.user_name)
    if account is None and code is not None:
        decision: Decision = Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
        if not password or find_code(password.decode("utf-8", "replace")) == code:
            decision = _decision((yield RedeemVoucher(code, request.station)))
        if isinstance(decision, Denied) and decision.reason is Reason.VOUCHER_UNKNOWN:
            # Many a name reads as a code; the time must not tell that nobody has it.
            proven = yield CheckPassword(None, password)
            if isinstance(proven, Unavailable):
                return proven
        return decision
    proven = yield CheckPassword(account, password)
    if isinstance(proven, Unavailable):
        return proven
    if account is None:
        return Denied(Reason.UNKNOWN_ACCOUNT, Method.PAP)
    if account.kind == "device":
        return Denied(Reason.NOT_A_LOGIN, Method.PAP, account.account_id)
    if account.password_hash is None:
        return Denied(Reason.NO_PASSWORD, Method.PAP, account.account_id)
    if not proven:
        return Denied(Reason.WRONG_PASSWORD, Method.PAP, account.account_id)
    return _if_active(request, account, Method.PAP)


def _chap(request: AccessRequest) -> Dialogue:
    """CHAP needs the password itself (RFC 1994 2.2), which only tokens and vouchers have."""
    username = request.user_name.strip().casefold()
    account = yield FindAccount(username)
    if isinstance(account, Unavailable):
        return account
    code = find_code(request.user_name)
    if account is None and code is not None:
        if not _any_chap(request, (request.user_name, code, format_code(code))):
            return Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
        return _decision((yield RedeemVoucher(code, request.station)))
    tokens = yield FindTokens(username)
    if isinstance(tokens, Unavailable):
        return tokens
    for facts in tokens:
        if _any_chap(request, (facts.token,)):
            return (yield from _spend(request, account, facts))
    if account is None:
        return Denied(Reason.UNKNOWN_ACCOUNT, Method.CHAP)
    return Denied(Reason.NOT_RECOVERABLE, Method.CHAP, account.account_id)


def _spend(request: AccessRequest, account: AccountSnapshot | None, facts: TokenFacts) -> Dialogue:
    """Use up a one-time token that was presented rightly."""
    if account is None:
        return Denied(Reason.UNKNOWN_ACCOUNT, Method.TOKEN)
    if facts.spent:
        return Denied(Reason.TOKEN_SPENT, Method.TOKEN, account.account_id)
    if facts.expires_at <= request.now:
        return Denied(Reason.TOKEN_EXPIRED, Method.TOKEN, account.account_id)
    elsewhere = facts.nas_client_id not in (None, request.nas_client_id) or (
        facts.client_mac is not None and facts.client_mac != request.station
    )
    if elsewhere:
        return Denied(Reason.TOKEN_ELSEWHERE, Method.TOKEN, account.account_id)
    spent = yield SpendToken(facts.token_id)
    if isinstance(spent, Unavailable):
        return spent
    if not spent:
        return Denied(Reason.TOKEN_SPENT, Method.TOKEN, account.account_id)
    return _if_active(request, account, Method.TOKEN)


def _admit(request: AccessRequest, granted: Granted) -> Dialogue:
    """Hold the simultaneous limit of the role; the same station may always come back."""
    limit = granted.account.role.simultaneous
    if limit is None:
        return granted
    stations = yield FindOpenStations(granted.account.account_id)
    if isinstance(stations, Unavailable):
        return stations
    if len(stations) >= limit and request.station not in stations:
        return Denied(Reason.SIMULTANEOUS, granted.method, granted.account.account_id)
    return granted


def _if_active(request: AccessRequest, account: AccountSnapshot, method: Method) -> Decision:
    refusal = account.refusal(request.now)
    if refusal is not None:
        return Denied(refusal, method, account.account_id)
    return Granted(account=account, method=method, expires_at=account.expires_at)


def _any_chap(request: AccessRequest, secrets: Iterable[str]) -> bool:
    value = request.chap_password or b""
    return any(chap_fits(value, request.chap_challenge, secret.encode()) for secret in secrets)


def _decision(answer: Any) -> Decision:
    assert isinstance(answer, Granted | Denied | Unavailable)
    return answer
