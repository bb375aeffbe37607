"""How somebody proves who they are when no EAP is spoken: PAP, CHAP, tokens, vouchers.

Each proof is a dialogue; who is proven is not yet admitted (see `admission`).
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Any

from identity.domain.access import (
    Decision,
    Denied,
    Granted,
    Method,
    Reason,
    Unavailable,
    Vouched,
)
from identity.domain.admission import find_code, find_usual_code
from identity.domain.tokens import PREFIX
from radius_server.packet.authenticator import chap_fits
from radius_server.process.known_secrets import if_active, prove_knowledge, spend, vouched_for
from radius_server.process.questions import (
    AccessRequest,
    CheckPassword,
    FindAccount,
    FindTokens,
    Proof,
    RecoveredSecret,
)
from radius_server.process.voucher_code import redeem_here

_PREFIX = PREFIX.encode()
_ENDS = (Unavailable, Denied)
_MAYBE_A_NAME = frozenset(
    {
        Reason.VOUCHER_UNKNOWN,
        Reason.VOUCHER_EXPIRED,
        Reason.VOUCHER_REVOKED,
        Reason.VOUCHER_EXHAUSTED,
        Reason.THROTTLED,
    }
)
"""After these a password is checked all the same, so that the time does not tell them apart."""


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
    if password.startswith(_PREFIX):
        tokens = yield FindTokens(username)
        if isinstance(tokens, Unavailable):
            return tokens
        for facts in tokens:
            if hmac.compare_digest(facts.token.encode(), password):
                return (yield from spend(request, account, facts))
    code = find_code(request.user_name) if account is None else None
    is_said_twice = code is not None and (
        not password or find_code(password.decode("utf-8", "replace")) == code
    )
    # A code of a rare form reads as many a name does: only what is said twice is one.
    if code is not None and (is_said_twice or find_usual_code(code) is not None):
        decision: Decision = Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
        if is_said_twice:
            decision = _decision((yield redeem_here(request, code)))
        if isinstance(decision, Denied) and decision.reason in _MAYBE_A_NAME:
            # Many a name reads as a code; the time must not tell that nobody has it.
            proven = yield CheckPassword(None, password, request)
            if isinstance(proven, Vouched):
                return vouched_for(request, proven, Method.PAP)
            is_unknown = isinstance(proven, Denied) and proven.reason is Reason.UNKNOWN_ACCOUNT
            if isinstance(proven, _ENDS) and not is_unknown:
                return _of_pap(proven)
        return decision
    proven = yield CheckPassword(account, password, request)
    if isinstance(proven, Vouched):
        return vouched_for(request, proven, Method.PAP)
    if isinstance(proven, _ENDS):
        return _of_pap(proven)
    if account is None:
        return Denied(Reason.UNKNOWN_ACCOUNT, Method.PAP)
    if account.kind == "device":
        return Denied(Reason.NOT_A_LOGIN, Method.PAP, account.account_id)
    if account.password_hash is None and not account.origin:
        return Denied(Reason.NO_PASSWORD, Method.PAP, account.account_id)
    if not proven:
        return Denied(Reason.WRONG_PASSWORD, Method.PAP, account.account_id)
    return if_active(request, account, Method.PAP)


def _chap(request: AccessRequest) -> Proof:
    """CHAP needs the password itself, RFC 1994 section 2.2."""
    decision, _ = yield from prove_knowledge(
        request, Method.CHAP, lambda secret: answers_chap(request, secret)
    )
    return decision


def answers_chap(request: AccessRequest, secret: RecoveredSecret) -> bool:
    """Whether the request's CHAP-Password was made with `secret`; never with an NT hash."""
    return secret.password is not None and chap_fits(
        request.chap_password or b"", request.chap_challenge, secret.password
    )


def _of_pap(answer: Unavailable | Denied) -> Decision:
    return replace(answer, method=Method.PAP) if isinstance(answer, Denied) else answer


def _decision(answer: Any) -> Decision:
    assert isinstance(answer, Granted | Denied | Unavailable)
    return answer
