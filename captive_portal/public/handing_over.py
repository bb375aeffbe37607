"""A gateway is given a token: the place it takes, the session on record, and what came of a call.

Whether the account may come in at all has been decided before (captive_portal.public.connect).
"""

from __future__ import annotations

from dataclasses import replace

from captive_portal.public.open_visits import close_open_visit
from captive_portal.public.site import client_address, portal, visit
from captive_portal.public.taking_over import proven_here
from captive_portal.vendors.profile import BrowserStep, Completion, FetchStep, ServerStep
from db.models import Account, NasClient, PortalToken
from identity.domain.access import Denied, Granted
from identity.domain.granting import Basis
from identity.services import gateway_requests, granted_sessions, hand_over
from identity.services.granted_sessions import Begun, Entering
from identity.services.login import record_decision
from identity.services.tokens import withdraw
from identity.services.voucher_terms import is_of_voucher, place_of
from identity.services.vouchers import may_join


def hand_to(
    nas: NasClient,
    account: Account,
    granted: Granted,
    token: PortalToken,
    step: BrowserStep | ServerStep | FetchStep,
    seconds: int | None,
) -> Denied | BrowserStep | Completion:
    """Keep the token and let the device in, or say why not.

    Where nobody else tells of the session it is put on record before anybody lets the device in.

    Returns:
        what the browser has to do itself, or what came of the call.
    """
    office = portal().office
    device = None if isinstance(step, FetchStep) else step.granted_to
    is_proven = proven_here(nas, account, device) if device is not None else False
    if isinstance(is_proven, Denied):
        record_decision(office, is_proven, account.username, device, nas.id)
        return is_proven
    full = _take_place(nas.id, account, device, token)
    if full is not None:
        return full
    begun = None
    if device is not None:
        basis = Basis.LINK if isinstance(step, BrowserStep) else Basis.CALL
        begun = _begin(nas, granted, device, basis, seconds, is_proven)
    if isinstance(begun, Denied):
        with office.database.write() as session:
            withdraw(session, token.id)
        return begun
    if isinstance(step, BrowserStep):
        return step
    completion = step.run() if isinstance(step, ServerStep) else _await(step, nas.id)
    _settle(nas.id, granted, token, begun, completion)
    return completion


def _settle(
    nas_id: int,
    granted: Granted,
    token: PortalToken,
    begun: Begun | None,
    completion: Completion,
) -> None:
    """What came of a call, on record: a session that was not let in ends, a token is withdrawn."""
    office = portal().office
    if begun is not None and completion is not Completion.GRANTED:
        with office.database.write() as session:
            if completion is not Completion.UNREACHABLE:
                granted_sessions.not_let_in(session, office.clock(), begun)
            if completion is not Completion.NOT_YET:
                withdraw(session, token.id)
    if begun is None and completion is Completion.GRANTED:
        username = granted.account.username
        record_decision(office, granted, username, visit().mac or None, nas_id)


def _begin(
    nas: NasClient,
    granted: Granted,
    device: str,
    basis: Basis,
    seconds: int | None,
    is_proven: bool,
) -> Begun | Denied:
    """Put the session on record, before anybody lets the device in.

    Where the make does no accounting nothing else says of it.
    """
    here = visit().ip
    entering = Entering(
        device=device,
        # What a redirect says of an address is no proof, unless the browser comes from there.
        ip=here if here and here == client_address() else "",
        basis=basis,
        seconds=seconds,
        is_proven=is_proven,
    )
    noted = replace(granted, step=f"{hand_over.GRANTED}{device}")
    return granted_sessions.begin(portal().office, nas, noted, entering)


def _take_place(
    nas_id: int, account: Account, device: str | None, token: PortalToken
) -> Denied | None:
    """Keep the token; why not, if the voucher or the account has no room for the device."""
    office, here = portal().office, visit()
    with office.database.write() as session:
        if device is not None:
            full = hand_over.full_for(session, office, account, device)
            if full is not None:
                return full
            token.client_mac = device
        if is_of_voucher(account.kind, account.username):
            place = place_of(session, nas_id, here.ssid)
            refused = may_join(session, office, account.id, here.mac, place)
            if refused is not None:
                return refused
        close_open_visit(session)
        session.add(token)
    return None


def _await(step: FetchStep, nas_id: int) -> Completion:
    """Lay the grant ready, and look every two seconds whether the gateway has taken it."""
    office = portal().office
    now = office.clock()
    with office.database.write() as session:
        grant = gateway_requests.find_grant(session, nas_id, step.key)
        if grant is None or grant.created_at < now - gateway_requests.GRANT_LIFETIME:
            here = visit()
            gateway_requests.offer(session, nas_id, step.key, step.carried, here.mac, here.ip, now)
        elif grant.acknowledged_at is not None:
            return Completion.GRANTED
        elif grant.decided == "":
            session.delete(grant)
            return Completion.REFUSED
    return Completion.NOT_YET
