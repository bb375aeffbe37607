"""Central web authentication: whom the portal has proven for a device that waits at a controller.

RADIUS sends the browser of an unknown device to the portal (identity.domain.central); the portal
lays a grant here and has the controller ask again; RADIUS finds the grant. It is good for this
device at this controller, first used within two minutes, and after that for the same connection
until it ends.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import quote

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from db.models import Account, CoaRequest, NasClient, WebGrant
from identity.domain.access import Denied, Method, Reason
from identity.domain.central import (
    ACL,
    CENTRAL,
    LIFETIME,
    MAKES,
    MODE,
    SSIDS,
    Caught,
    CentralTerms,
    NotSent,
    Proven,
    ssids_in,
)
from identity.domain.dynamic import Cause, Change, Kind, State
from identity.office import Office
from identity.services import admitting, vouchers
from identity.services.nas_portal import portal_settings
from identity.services.tokens import LIFETIME as TOKEN_LIFETIME
from identity.services.web_grants import SUBJECT

LONGEST = timedelta(hours=8)
"""Of a grant whose role has no session time: a school day."""


class Waiting(StrEnum):
    """What has become of the controller's asking again."""

    WAITS = "waits"
    CAME = "came"
    REFUSED = "refused"
    SILENT = "silent"


def terms_of(office: Office, nas: NasClient) -> CentralTerms | NotSent | None:
    """How devices of this controller are sent to the portal; what is lacking where they are not.

    None where nobody wants it.
    """
    if nas.vendor not in MAKES or nas.portal_settings_encrypted is None:
        return None
    settings = portal_settings(office, nas)
    if settings.get(MODE) != CENTRAL:
        return None
    root = office.config.portal.public_url.rstrip("/")
    ssids = ssids_in(settings.get(SSIDS, ""))
    if not settings.get(ACL):
        return NotSent.NO_ACL
    if not ssids:
        return NotSent.NO_SSIDS
    if not root:
        return NotSent.NO_ADDRESS
    return CentralTerms(
        acl=settings[ACL],
        address=f"{root}/p/{quote(nas.name, safe='')}/",
        ssids=ssids,
        key=office.vault.redirect_key,
    )


def offer(
    session: Session,
    office: Office,
    nas_client_id: int,
    account: Account,
    caught: Caught,
    seconds: int | None,
    *,
    ends: bool,
) -> Denied | None:
    """Lay a grant ready and have the controller ask again; why not, when this redirect is spent.

    Args:
        seconds: how long the account may stay; None is a school day.
        ends: the controller is told to end the connection, and makes a new one; else it asks
            again about the one it has.
    """
    now = office.clock()
    # Locked, so that two pages of one sign-in lay one grant.
    session.get(Account, account.id, with_for_update={"of": Account})
    grant = _of_device(session, nas_client_id, caught.station)
    if grant is not None and _spent(grant, caught, account.id, now):
        return Denied(Reason.TOKEN_SPENT, Method.PORTAL, account.id)
    if grant is None:
        grant = WebGrant(nas_client_id=nas_client_id, mac=caught.station)
        session.add(grant)
    grant.account_id = account.id
    grant.connection, grant.is_renewed = caught.session, ends
    grant.calling, grant.nas_address, grant.source = (
        caught.calling,
        caught.nas_address,
        caught.source,
    )
    grant.created_at, grant.used_at, grant.ended_at = now, None, None
    grant.ends_at = now + (LONGEST if seconds is None else timedelta(seconds=seconds))
    session.flush()
    _ask_again(session, grant, account, caught, now, ends)
    return None


def _spent(grant: WebGrant, caught: Caught, account_id: int, now: datetime) -> bool:
    """Whether this redirect has let somebody in before; a fresh one is made when that has ended."""
    if grant.ended_at is not None:
        # A redirect says whole seconds.
        return caught.issued_at < grant.ended_at.replace(microsecond=0)
    if grant.used_at is None:
        return grant.account_id != account_id and grant.created_at + TOKEN_LIFETIME > now
    if grant.ends_at <= now:
        return False
    return grant.connection == caught.session or grant.created_at > caught.issued_at


def _ask_again(
    session: Session, grant: WebGrant, account: Account, caught: Caught, now: datetime, ends: bool
) -> None:
    key = f"{SUBJECT}{grant.id}"
    session.execute(
        update(CoaRequest)
        .where(CoaRequest.session_key == key, CoaRequest.state == State.QUEUED)
        .values(state=State.SUPERSEDED, finished_at=now)
    )
    session.add(
        CoaRequest(
            created_at=now,
            kind=Kind.DISCONNECT if ends else Kind.COA,
            session_key=key,
            nas_client_id=grant.nas_client_id,
            account_id=account.id,
            reason=Cause.PROVEN,
            actor=account.username,
            wanted=Change(reauthenticate=not ends).dump(),
            not_before=now,
            next_try_at=now,
            attempts=0,
            state=State.QUEUED,
        )
    )


def waiting(
    session: Session, nas_client_id: int, account_id: int, caught: Caught, now: datetime
) -> Waiting | None:
    """How far the hand-over of this device has come; None when none is under way.

    One that failed is forgotten.
    """
    grant = _of_device(session, nas_client_id, caught.station)
    if grant is None or grant.account_id != account_id or grant.ended_at is not None:
        return None
    if grant.used_at is None and grant.connection != caught.session:
        return None
    if grant.used_at is not None:
        return Waiting.CAME if grant.ends_at > now else None
    if grant.created_at + TOKEN_LIFETIME <= now:
        return None
    state = session.scalar(
        select(CoaRequest.state)
        .where(CoaRequest.session_key == f"{SUBJECT}{grant.id}")
        .order_by(CoaRequest.id.desc())
        .limit(1)
    )
    if state in (State.QUEUED, State.ACKED):
        return Waiting.WAITS
    session.delete(grant)  # the same redirect may try again
    return Waiting.REFUSED if state == State.NAKKED else Waiting.SILENT


def is_expected(session: Session, nas_client_id: int, mac: str) -> bool:
    """Whether anything is known of this device at this controller; takes no write lock."""
    found = select(WebGrant.id).where(
        WebGrant.nas_client_id == nas_client_id, WebGrant.mac == mac, WebGrant.ended_at.is_(None)
    )
    return session.scalar(found) is not None


def take(
    session: Session, office: Office, nas_client_id: int, mac: str, connection: str
) -> Proven | Denied | None:
    """Whose device this is, and until when; None when nobody has been proven for it here.

    Denied where they may not come in any more: the grant has ended then, and the page that waits
    for it can say why.

    Args:
        connection: the controller's own name for it.
    """
    now = office.clock()
    grant = _of_device(session, nas_client_id, mac)
    if grant is None or grant.ended_at is not None or grant.ends_at <= now:
        return None
    account = session.get(Account, grant.account_id)
    if account is None:
        return None
    if grant.used_at is not None:
        proven = Proven(username=account.username, ends_at=grant.ends_at)
        return proven if grant.connection == connection else None
    if grant.created_at + TOKEN_LIFETIME <= now:
        return None
    if grant.connection != connection and not grant.is_renewed:
        return None
    held = admitting.admit(session, office, account, mac, Method.PORTAL)
    beyond = vouchers.count_device(session, office, account.id, mac)
    refused = held if isinstance(held, Denied) else beyond
    if refused is not None:
        grant.ended_at = now
        return refused
    grant.used_at, grant.connection = now, connection
    return Proven(username=account.username, ends_at=grant.ends_at)


def drop_old(session: Session, now: datetime) -> None:
    """Delete grants whose redirects have become too old as well."""
    session.execute(delete(WebGrant).where(WebGrant.ends_at < now - LIFETIME))


def _of_device(session: Session, nas_client_id: int, mac: str) -> WebGrant | None:
    return session.scalar(
        select(WebGrant)
        .where(WebGrant.nas_client_id == nas_client_id, WebGrant.mac == mac)
        .with_for_update()
    )
