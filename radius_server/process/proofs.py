"""How somebody proves who they are when no EAP is spoken: PAP, CHAP, tokens, vouchers.

Each proof is a dialogue; who is proven is not yet admitted (see `admission`).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any

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
from radius_server.process.questions import (
    AccessRequest,
    CheckPassword,
    FindAccount,
    FindTokens,
    Proof,
    RedeemVoucher,
    SpendToken,
)


def prove(request: AccessRequest) -> Proof:
    """Who asks, by whatever proof the request carries; also for the inside of a tunnel."""
    if request.chap_password is not None:
        return (yield from _chap(request))
    if request.password is not None:
        return (yield from _pap(request, request.password))
    return Denied(Reason.BAD_REQUEST, Method.PAP)


def _pap(request: AccessRequest, password: bytes) -> Proof:
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
    return if_active(request, account, Method.PAP)


def _chap(request: AccessRequest) -> Proof:
    """CHAP needs the password itself (RFC 1994 2.2), which only tokens and vouchers have."""
    username = request.user_name.strip().casefold()
    account = yield FindAccount(username)
    if isinstance(account, Unavailable):
        return account
    code = find_code(request.user_name)
    if account is None and code is not None:
        if not any_chap(request, (request.user_name, code, format_code(code))):
            return Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
        return _decision((yield RedeemVoucher(code, request.station)))
    tokens = yield FindTokens(username)
    if isinstance(tokens, Unavailable):
        return tokens
    for facts in tokens:
        if any_chap(request, (facts.token,)):
            return (yield from _spend(request, account, facts))
    if account is None:
        return Denied(Reason.UNKNOWN_ACCOUNT, Method.CHAP)
    return Denied(Reason.NOT_RECOVERABLE, Method.CHAP, account.account_id)


def _spend(request: AccessRequest, account: AccountSnapshot | None, facts: TokenFacts) -> Proof:
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
    return if_active(request, account, Method.TOKEN)


def if_active(request: AccessRequest, account: AccountSnapshot, method: Method) -> Decision:
    """Granted when the account may log in now."""
    refusal = account.refusal(request.now)
    if refusal is not None:
        return Denied(refusal, method, account.account_id)
    return Granted(account=account, method=method, expires_at=account.expires_at)


def any_chap(request: AccessRequest, secrets: Iterable[str]) -> bool:
    """Whether the request's CHAP-Password answers with one of `secrets`."""
    value = request.chap_password or b""
    return any(chap_fits(value, request.chap_challenge, secret.encode()) for secret in secrets)


def _decision(answer: Any) -> Decision:
    assert isinstance(answer, Granted | Denied | Unavailable)
    return answer
