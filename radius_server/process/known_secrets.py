"""Proofs that never tell the password: the server must know it, or its NT hash, too.

CHAP, MS-CHAP and the EAP methods like them share this search: a voucher's code, a one-time
token, or what an account keeps in recoverable form. What fits is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import Any

from identity.domain.access import (
    AccountSnapshot,
    Decision,
    Denied,
    Granted,
    Method,
    Reason,
    Unavailable,
    Vouched,
)
from identity.domain.admission import find_code, find_usual_code, format_code
from identity.domain.directory import NtProof
from identity.domain.recoverable import hash_nt_hash, nt_hash
from identity.domain.tokens import TokenFacts
from radius_server.process.questions import (
    AccessRequest,
    AskDirectory,
    FindAccount,
    FindTokens,
    Proof,
    Question,
    RecoveredSecret,
    RecoverSecret,
    SpendToken,
)
from radius_server.process.voucher_code import redeem_here

Fits = Callable[[RecoveredSecret], bool]
"""Whether a proof was made with this secret. A secret that lacks what it needs does not fit."""

KnownProof = Generator[Question, Any, tuple[Decision, RecoveredSecret | None]]
"""Comes to the decision and, with a good proof, the secret it was made with."""


def prove_knowledge(
    request: AccessRequest, method: Method, fits: Fits, proof: NtProof | None = None
) -> KnownProof:
    """Who made the proof that `fits` knows how to check.

    A token or voucher that fits is used up by it, and its own method is what is decided on.

    Args:
        proof: that of MS-CHAPv2, which a directory may be able to check.
    """
    username = request.user_name.strip().casefold()
    account = yield FindAccount(username)
    if isinstance(account, Unavailable):
        return account, None
    code = find_code(request.user_name)
    if account is None and code is not None:
        known = first_fit(fits, (request.user_name, code, format_code(code)))
        if known is not None:
            return (yield from _redeem(code, request)), known
        if find_usual_code(code) is not None:
            return Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER), None
    secret = None
    if account is not None and account.recoverable != "none":
        secret = yield RecoverSecret(account, request)
        if isinstance(secret, Unavailable):
            return secret, None
        if isinstance(secret, Denied):
            return replace(secret, method=method), None
        if secret is not None and fits(secret):
            return if_active(request, account, method), secret
    tokens = yield FindTokens(username)
    if isinstance(tokens, Unavailable):
        return tokens, None
    for facts in tokens:
        known = first_fit(fits, (facts.token,))
        if known is not None:
            return (yield from spend(request, account, facts)), known
    if account is None or account.origin:
        told = yield AskDirectory(account, request, proof)
        if isinstance(told, Vouched):
            return vouched_for(request, told, method), RecoveredSecret(nt_key=told.nt_key)
        if isinstance(told, Unavailable):
            return told, None
        if isinstance(told, Denied):
            return replace(told, method=method), None
    return _refusal(account, secret, method), None


def first_fit(fits: Fits, passwords: Iterable[str]) -> RecoveredSecret | None:
    """The first of these passwords that fits, as a secret."""
    for password in passwords:
        secret = RecoveredSecret(password=password.encode())
        if fits(secret):
            return secret
    return None


def nt_hash_of(secret: RecoveredSecret) -> bytes:
    """The NT hash of any secret, kept or computed now; the secret has it from then on."""
    if secret.nt_hash is None:
        secret.nt_hash = nt_hash((secret.password or b"").decode("utf-8", "surrogateescape"))
    return secret.nt_hash


def nt_key_of(secret: RecoveredSecret) -> bytes:
    """MD4 of the NT hash, of which the keys are made: told by a directory, or computed now."""
    return secret.nt_key or hash_nt_hash(nt_hash_of(secret))


def if_active(request: AccessRequest, account: AccountSnapshot, method: Method) -> Decision:
    """Granted when the account may log in now."""
    refusal = account.refusal(request.now)
    # The portal gives a token to nobody before the change; a worker may not have seen it yet.
    is_changed = refusal is Reason.PASSWORD_UNCHANGED and method is Method.TOKEN
    if refusal is not None and not is_changed:
        return Denied(refusal, method, account.account_id)
    return Granted(account=account, method=method, expires_at=account.expires_at)


def vouched_for(request: AccessRequest, vouched: Vouched, method: Method) -> Decision:
    """Granted when the account that a directory has proven may log in now."""
    decision = if_active(request, vouched.account, method)
    return replace(decision, step=vouched.step) if isinstance(decision, Granted) else decision


def as_of_now(request: AccessRequest, granted: Granted) -> Proof:
    """What was granted, on the account as it is by now: a peer may take a minute to answer."""
    account = yield FindAccount(granted.account.username)
    if isinstance(account, Unavailable):
        return account
    method, account_id = granted.method, granted.account.account_id
    if account is None or account.account_id != account_id:
        return Denied(Reason.UNKNOWN_ACCOUNT, method, account_id)
    if account.password_hash != granted.account.password_hash:
        return Denied(Reason.WRONG_PASSWORD, method, account_id)
    decision = if_active(request, account, method)
    return replace(decision, step=granted.step) if isinstance(decision, Granted) else decision


def spend(request: AccessRequest, account: AccountSnapshot | None, facts: TokenFacts) -> Proof:
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
    spent = yield SpendToken(facts.token_id, request.station)
    if isinstance(spent, Unavailable | Denied):
        return spent
    if not spent:
        return Denied(Reason.TOKEN_SPENT, Method.TOKEN, account.account_id)
    return if_active(request, account, Method.TOKEN)


def _redeem(code: str, request: AccessRequest) -> Proof:
    answer = yield redeem_here(request, code)
    assert isinstance(answer, Granted | Denied | Unavailable)
    return answer


def _refusal(
    account: AccountSnapshot | None, secret: RecoveredSecret | None, method: Method
) -> Denied:
    if account is None:
        return Denied(Reason.UNKNOWN_ACCOUNT, method)
    reason = Reason.WRONG_PASSWORD
    if account.kind == "device":
        reason = Reason.NOT_A_LOGIN
    elif secret is None or (secret.password is None and method in _NEED_PASSWORD):
        reason = Reason.NOT_RECOVERABLE
    return Denied(reason, method, account.account_id)


_NEED_PASSWORD = frozenset({Method.CHAP, Method.EAP_MD5})
