"""Past login decisions with everything it takes to explain them; reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Row, Select, or_, select
from sqlalchemy.orm import Session

from common.net import find_mac, split_called_station_id
from db.models import Account, AuthEvent, NasClient
from identity.domain.spellings import spellings
from identity.office import Office
from identity.services.named import account_id_of

LOOKED_AT = timedelta(days=7)
"""How far back a name is searched; what is older has moved into the archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """One decision. What is said of the account is as it is now, not as it was then."""

    login_id: int
    at: datetime
    user_name: str
    """As it was sent; for a tunnel, who was inside."""
    method: str
    outcome: str
    reason: str
    station: str | None
    """Twelve hex digits when it is a MAC address, else as sent."""
    ssid: str
    nas_client_id: int | None
    nas: str | None
    trace: tuple[str, ...]
    """A code a step, such as `tls:alert=unknown_ca`; empty for logins without EAP."""
    account_id: int | None = None
    account: str | None = None
    full_name: str = ""
    role: str | None = None
    account_state: str | None = None

    @property
    def was_refused(self) -> bool:
        return self.outcome == "reject"


def _statement() -> Select[AuthEvent, NasClient, Account]:
    """Decisions, each with its NAS and account where they are known."""
    return (
        select(AuthEvent, NasClient, Account)
        .outerjoin(NasClient, NasClient.id == AuthEvent.nas_client_id)
        .outerjoin(Account, Account.id == AuthEvent.account_id)
    )


def _view(row: Row[AuthEvent, NasClient, Account]) -> LoginView:
    event, nas, account = row
    _mac, ssid = split_called_station_id(event.called_station_id or "")
    return LoginView(
        login_id=event.id,
        at=event.at,
        user_name=event.user_name,
        method=event.method,
        outcome=event.outcome,
        reason=event.reason,
        station=event.calling_station_id,
        ssid=ssid,
        nas_client_id=event.nas_client_id,
        nas=nas.name if nas is not None else None,
        trace=tuple(line for line in (event.trace or "").splitlines() if line),
        account_id=event.account_id,
        account=account.username if account is not None else None,
        full_name=account.full_name if account is not None else "",
        role=account.role.name if account is not None else None,
        account_state=account.state if account is not None else None,
    )


def _of(session: Session, name: str) -> ColumnElement[bool]:
    """The decisions about a user name or a MAC address, in any spelling of it."""
    mac = find_mac(name)
    account_id = account_id_of(session, mac or name)
    chosen: list[ColumnElement[bool]] = [AuthEvent.user_name.in_({name.strip(), *spellings(name)})]
    if account_id is not None:
        chosen.append(AuthEvent.account_id == account_id)
    if mac is not None:
        chosen.append(AuthEvent.calling_station_id == mac)
    return or_(*chosen)


def list_logins(
    session: Session,
    office: Office,
    *,
    user: str | None = None,
    refused: bool = False,
    limit: int = 100,
) -> Sequence[LoginView]:
    """Decisions of the last `LOOKED_AT`, newest first.

    Args:
        user: a user name or a MAC address; None: everybody's.
        refused: only refusals.
    """
    wanted = (
        _statement()
        .where(AuthEvent.at >= office.clock() - LOOKED_AT)
        .order_by(AuthEvent.at.desc(), AuthEvent.id.desc())
        .limit(limit)
    )
    if user is not None:
        wanted = wanted.where(_of(session, user))
    if refused:
        wanted = wanted.where(AuthEvent.outcome == "reject")
    return [_view(row) for row in session.execute(wanted).unique()]


def find_login(session: Session, login_id: int) -> LoginView | None:
    """One decision by its number."""
    row = session.execute(_statement().where(AuthEvent.id == login_id)).unique().one_or_none()
    return None if row is None else _view(row)


def find_next_accept(session: Session, login: LoginView) -> datetime | None:
    """When the same account got in after `login`, if it did."""
    if login.account_id is None:
        return None
    return session.scalar(
        select(AuthEvent.at)
        .where(
            AuthEvent.account_id == login.account_id,
            AuthEvent.at > login.at,
            AuthEvent.outcome == "accept",
        )
        .order_by(AuthEvent.at)
        .limit(1)
    )
