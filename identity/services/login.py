"""Proving a password or a voucher outside RADIUS: the portal's and the admin's sign-in."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, exists, select

from common.errors import BackendUnavailable
from db.models import Account, Credential, PublishedText
from db.models.base import to_micros
from identity.directories import ORIGIN
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
from identity.domain.admission import is_strong
from identity.domain.guessing import Guesser, Lane
from identity.domain.spellings import composed
from identity.domain.vouchers import Place
from identity.office import Office
from identity.services import directory_login, recoverable, voucher_guard, vouchers
from identity.services.snapshots import FACTS, of_row, snapshot
from identity.services.voucher_terms import is_of_voucher, place_of, profiles_by_account

__all__ = [
    "check_password",
    "check_voucher",
    "examine_voucher",
    "guesser_of",
    "prove_password",
    "record_decision",
    "renew_hash",
    "snapshot",
]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a user name and password came to, and what was read of their account on the way."""

    decision: Decision
    must_change: bool = False
    """The password is somebody else's choice."""
    has_texts: bool = True
    """The office may have published something that the owner has not agreed to yet."""


_LOGIN = FACTS.add_columns(exists(select(PublishedText.id)).label("has_texts")).where(
    Account.username == bindparam("username")
)


def check_password(
    office: Office,
    username: str,
    password: str,
    method: Method = Method.PORTAL,
    local_only: bool = False,
) -> Decision:
    """The decision of `prove_password`."""
    return prove_password(office, username, password, method, local_only).decision


def prove_password(
    office: Office,
    username: str,
    password: str,
    method: Method = Method.PORTAL,
    local_only: bool = False,
) -> Proof:
    """Decide on a user name and password; an unknown name costs the same time as a wrong one.

    The hash is checked before the account's state is told, so that only who knows the
    password learns that an account is suspended. A hash with old costs is renewed.

    Args:
        local_only: ask no directory; its people are refused.
    """
    now = office.clock()
    name = username.strip().casefold()
    try:
        row = _row(office, name)
        if row is None and composed(name) != name:
            row = _row(office, name := composed(name))
        facts = _facts(office, row) if row is not None else None
        if not local_only and directory_login.concerns(office, facts):
            answer = directory_login.prove(office, facts, name, password.encode())
            return Proof(_told(answer, method, now))
        decision = _decided(office, facts, password, method, now)
    except BackendUnavailable as error:
        return Proof(Unavailable(error.backend))
    if row is None:
        return Proof(decision)
    return Proof(decision, row.must_change is True and row.origin is None, row.has_texts)


def _row(office: Office, name: str) -> Any:
    return next(iter(office.database.ask(_LOGIN, {"username": name})), None)


def _facts(office: Office, row: Any) -> AccountSnapshot:
    facts = of_row(row, row.state)
    if not is_of_voucher(facts.kind, facts.username):
        return facts
    with office.database.read() as session:
        found = profiles_by_account(session, [facts.account_id])
    return replace(facts, role=found.get(facts.account_id, facts.role))


def _decided(
    office: Office, facts: AccountSnapshot | None, password: str, method: Method, now: datetime
) -> Decision:
    """The decision where the password is kept here."""
    proven = _proven(office, facts, password)
    if facts is None:
        return Denied(Reason.UNKNOWN_ACCOUNT, method)
    if facts.kind == "device":
        return Denied(Reason.NOT_A_LOGIN, method, facts.account_id)
    if facts.password_hash is None:
        return Denied(Reason.NO_PASSWORD, method, facts.account_id)
    if not proven:
        return Denied(Reason.WRONG_PASSWORD, method, facts.account_id)
    if facts.to_keep != "none":
        recoverable.keep_now(office, facts.account_id, facts.password_hash, password)
    renew_hash(office, facts.account_id, facts.password_hash, password, now)
    refusal = facts.refusal(now)
    if refusal is not None:
        return Denied(refusal, method, facts.account_id)
    return Granted(account=facts, method=method, expires_at=facts.expires_at)


def _proven(office: Office, facts: AccountSnapshot | None, password: str) -> bool:
    """Whether argon2 says so, or said so of this password and this hash within the hour."""
    octets = password.encode("utf-8", "surrogatepass")
    if facts is not None and office.verified.confirms(facts, octets, time.monotonic()):
        return True
    proven = office.passwords.verify(facts.password_hash if facts else None, password)
    if facts is not None and proven:
        office.verified.remember(facts, octets, time.monotonic())
    return proven


def _told(answer: Vouched | Denied, method: Method, now: datetime) -> Decision:
    """The decision that a directory's answer comes to."""
    if isinstance(answer, Denied):
        return replace(answer, method=method)
    refusal = answer.account.refusal(now)
    if refusal is not None:
        return Denied(refusal, method, answer.account.account_id)
    return Granted(
        account=answer.account,
        method=method,
        expires_at=answer.account.expires_at,
        step=answer.step,
    )


def renew_hash(
    office: Office, account_id: int, old_hash: str, password: str, now: datetime
) -> None:
    """Hash `password` anew when the stored hash has other costs than the configuration's."""
    if not office.passwords.needs_rehash(old_hash):
        return
    renewed = office.passwords.hash(password)
    with office.database.write() as session:
        credential = session.get(Credential, account_id)
        if credential is not None and credential.password_hash == old_hash:
            credential.password_hash = renewed
            credential.changed_at = now


_GUESSES = frozenset(
    {
        Reason.VOUCHER_UNKNOWN,
        Reason.VOUCHER_EXPIRED,
        Reason.VOUCHER_REVOKED,
        Reason.VOUCHER_EXHAUSTED,
    }
)
"""What a guesser cannot tell apart, and what is counted: counting only unknown codes would tell."""


def check_voucher(
    office: Office,
    code: str,
    client_mac: str | None,
    *,
    nas_client_id: int | None = None,
    ssid: str = "",
    address: str = "",
) -> Decision:
    """Decide on a voucher code as `find_code` returns it; the first use starts its clock.

    Wrong codes are counted (identity.domain.guessing). The code is looked at before the count is
    asked, so that the time tells nothing, and nothing is written for a wrong one but the count.

    Args:
        nas_client_id, ssid: where the code is used, as far as it is known.
        address: of the client, where there is one.
    """
    try:
        refusal, place = _examined(office, code, client_mac, nas_client_id, ssid, address)
        if refusal is not None:
            return refusal
        with office.database.write() as session:
            outcome = vouchers.redeem(session, office, code, client_mac, place)
            if isinstance(outcome, Denied):
                return outcome
            facts = snapshot(session, outcome)
    except BackendUnavailable as error:
        return Unavailable(error.backend)
    return Granted(account=facts, method=Method.VOUCHER, expires_at=facts.expires_at)


def examine_voucher(
    office: Office,
    code: str,
    client_mac: str | None,
    *,
    nas_client_id: int | None = None,
    ssid: str = "",
    address: str = "",
) -> Denied | None:
    """What `check_voucher` would refuse, guesses counted alike; None when it would let in.

    Raises:
        BackendUnavailable: nobody can say now.
    """
    return _examined(office, code, client_mac, nas_client_id, ssid, address)[0]


def _examined(
    office: Office,
    code: str,
    client_mac: str | None,
    nas_client_id: int | None,
    ssid: str,
    address: str,
) -> tuple[Denied | None, Place]:
    guesser = guesser_of(code, client_mac, nas_client_id, address)
    with office.database.read() as session:
        place = place_of(session, nas_client_id, ssid)
        stands = voucher_guard.standing(session, guesser, office.clock())
        examined = vouchers.examine(session, office, code, client_mac, place)
    refusal = examined.refusal
    if refusal is not None and refusal.reason in _GUESSES:
        voucher_guard.count_failure(office, guesser, stands.wait_seconds > 0)
        return (_throttled(guesser) if stands.wait_seconds else refusal), place
    if not (stands.lets_right_codes or examined.knows_device):
        return _throttled(guesser), place
    return refusal, place


def guesser_of(
    code: str | None, client_mac: str | None, nas_client_id: int | None, address: str
) -> Guesser:
    """Who tries this code; what reads as none is counted with the weak ones."""
    lane = Lane.STRONG if code is not None and is_strong(code) else Lane.WEAK
    return Guesser(lane=lane, device=client_mac or "", address=address, nas_client_id=nas_client_id)


def _throttled(guesser: Guesser) -> Denied:
    return Denied(Reason.THROTTLED, Method.VOUCHER, None, f"throttle:voucher-{guesser.lane}")


def record_decision(
    office: Office,
    decision: Decision,
    user_name: str,
    client_mac: str | None,
    nas_client_id: int | None = None,
) -> None:
    """Write a portal decision to auth_event, as a refusal where a directory did not answer.

    Without the database there is nowhere to write it.

    Args:
        nas_client_id: the gateway the visitor came from, when it is known.
    """
    if isinstance(decision, Unavailable):
        if not decision.backend.startswith(ORIGIN):
            return
        step = f"{ORIGIN}unreachable={decision.backend.removeprefix(ORIGIN)}"
        decision = Denied(Reason.BACKEND, Method.PORTAL, step=step)
    if isinstance(decision, Granted):
        outcome, reason = "accept", Reason.OK
        account_id: int | None = decision.account.account_id
    else:
        outcome, reason, account_id = "reject", decision.reason, decision.account_id
    office.database.auth_events.write(
        at=to_micros(office.clock()),
        nas_client_id=nas_client_id,
        user_name=user_name,
        account_id=account_id,
        method=decision.method.value,
        outcome=outcome,
        reason=reason.value,
        calling_station_id=client_mac,
        trace=decision.step or None,
    )
