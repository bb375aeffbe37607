"""One Access-Request to one decision, as a dialogue of questions and answers.

`decide` is a generator: it yields a question, is sent the answer, and returns the decision.
At most one question is open at a time (RADIUS is lock-step). An answer may be `Unavailable`,
which ends the dialogue with itself.
"""

from __future__ import annotations

import hmac
from functools import partial

from common.net import find_mac
from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from identity.domain.stations import spellings
from radius_server.process.admission import admit, within_limits
from radius_server.process.central import central_login
from radius_server.process.known_secrets import first_fit, if_active
from radius_server.process.mschap_login import (
    is_mschap,
    mschap_login,
    mschap_station,
    station_knows,
)
from radius_server.process.proofs import answers_chap, prove
from radius_server.process.questions import (
    AccessRequest,
    Answered,
    Converses,
    Dialogue,
    FindAccount,
)


def decide(request: AccessRequest, eap: Converses | None = None) -> Dialogue:
    """The decision on `request`; ask its questions, in order, and send back the answers.

    Args:
        eap: who speaks EAP here; None refuses it.
    """
    if request.too_much:
        method = Method.EAP if "EAP-Message" in request.too_much else Method.PAP
        step = f"request:too_much={request.too_much}"
        return Denied(Reason.SEVERAL_PROOFS, method, step=step)
    if request.eap_message is not None:
        if eap is None:
            return Denied(Reason.METHOD_UNSUPPORTED, Method.PAP)
        return (yield from eap.converse(request))
    if not request.user_name:
        return Denied(Reason.BAD_REQUEST, Method.PAP)
    user_mac = find_mac(request.station_words.without_suffix(request.user_name))
    if user_mac is not None or request.call_check:
        decision = yield from _station(request, user_mac)
        if isinstance(decision, Answered):
            return decision
        if is_mschap(request) and user_mac is not None:
            return mschap_station(request, _station_passwords(request, user_mac), decision)
        return decision
    if is_mschap(request):
        return (yield from mschap_login(request))
    decision = yield from prove(request)
    if isinstance(decision, Granted):
        return (yield from admit(request, decision))
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
        if account is None and request.central and _station_password_fits(request, user_mac):
            return (yield from central_login(request, request.central, user_mac))
        return Denied(Reason.UNKNOWN_DEVICE, Method.MAC)
    if not _station_password_fits(request, user_mac):
        return Denied(Reason.WRONG_PASSWORD, Method.MAC, account.account_id)
    decision = if_active(request, account, Method.MAC)
    if isinstance(decision, Granted):
        return (yield from within_limits(request, decision))
    return decision


def _station_password_fits(request: AccessRequest, mac: str) -> bool:
    """The password of MAC authentication is the address again, or nothing, or a set one."""
    if request.chap_password is not None:
        answers = partial(answers_chap, request)
        return first_fit(answers, _station_passwords(request, mac)) is not None
    if is_mschap(request):
        return station_knows(request, _station_passwords(request, mac))
    if not request.password:
        return True
    password = request.password.decode("utf-8", "replace")
    if find_mac(request.station_words.without_suffix(password)) == mac:
        return True
    return any(
        hmac.compare_digest(request.password, word.encode())
        for word in request.station_words.passwords
    )


def _station_passwords(request: AccessRequest, mac: str) -> tuple[str, ...]:
    """What a proof that does not tell the password may have been made with."""
    return (request.user_name, "", *spellings(mac), *request.station_words.passwords)
