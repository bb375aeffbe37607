"""Who is connected, and who was: the list of sessions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_network

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import ColumnElement, or_, select

from captive_portal.admin.connections import describe_sessions
from captive_portal.admin.desk import note_reading, office, officer
from captive_portal.admin.disconnects import outcomes_of
from captive_portal.admin.paging import Page, contains, fetch_page, read_number
from captive_portal.admin.permissions import Permission, requires
from common.errors import UsageError
from common.net import find_mac, parse_address
from db.models import Account, AddressInterval, NasClient, NetworkSession, Person

blueprint = Blueprint("sessions", __name__, url_prefix="/sessions")

SPANS = {"1": 1, "7": 7, "30": 30, "all": 0}


@blueprint.get("/")
@requires(Permission.VIEW_SESSIONS)
def listing() -> ResponseReturnValue:
    """Sessions that are open now, or those of the last days, newest first."""
    filters = {key: request.args.get(key, "").strip() for key in ("user", "mac", "address", "nas")}
    shown = request.args.get("show", "open")
    shown = shown if shown == "open" or shown in SPANS else "open"
    error = None
    if shown != "open" and office().config.lookup.second_person:
        # This list names people without a case; it must not be the way around the second officer.
        shown = "open"
        error = gettext(
            "Past connections name people: ask by a look-up, which a second officer unlocks."
        )
    reach = officer().reach
    conditions: list[ColumnElement[bool]] = [reach.sessions()]
    if shown == "open":
        conditions += [NetworkSession.stop_seen == 0, NetworkSession.closed_at.is_(None)]
    elif SPANS[shown]:
        conditions.append(NetworkSession.first_heard_at >= _days_ago(SPANS[shown]))
    if filters["user"]:
        conditions.append(_user(filters["user"]))
    if filters["mac"]:
        mac = find_mac(filters["mac"])
        conditions.append(
            NetworkSession.calling_station_id == mac
            if mac
            else NetworkSession.calling_station_id.icontains(
                filters["mac"].replace(":", "").replace("-", ""), autoescape=True
            )
        )
    if filters["address"]:
        try:
            conditions.append(_address(filters["address"]))
        except UsageError:
            error = gettext("%(value)s is not an IP address.", value=filters["address"])
    nas = read_number(filters["nas"])
    if nas is not None:
        conditions.append(NetworkSession.nas_client_id == nas)
    statement = (
        select(NetworkSession).where(*conditions).order_by(NetworkSession.first_heard_at.desc())
    )
    with office().database.read() as session:
        raw = fetch_page(session, statement, count=shown == "open")
        page = Page(
            rows=describe_sessions(session, [row for (row,) in raw.rows]),
            number=raw.number,
            has_next=raw.has_next,
            total=raw.total,
        )
        asked = outcomes_of(session, [row.session_key for row in page.rows if not row.ended_at])
        choices = session.execute(
            select(NasClient.id, NasClient.name).where(reach.nas()).order_by(NasClient.name)
        ).all()
    note_reading(
        "sessions:searched", _sought(filters), **filters, span=shown, results=len(page.rows)
    )
    return render_template(
        "sessions.html",
        page=page,
        asked=asked,
        filters=filters,
        show=shown,
        nas_choices=choices,
        error=error,
    )


def _sought(filters: Mapping[str, str]) -> str:
    """What was searched for, in one word for the audit trail."""
    return filters["address"] or filters["user"] or filters["mac"] or "*"


def _days_ago(days: int) -> datetime:
    return office().clock() - timedelta(days=days)


def _user(text: str) -> ColumnElement[bool]:
    """The name as sent, or any part of the account's name or the person's."""
    accounts = (
        select(Account.id)
        .outerjoin(Person, Account.person_id == Person.id)
        .where(contains(text, Account.username, Account.guest_name, Person.full_name))
    )
    return or_(
        NetworkSession.account_id.in_(accounts),
        NetworkSession.user_name == text,
    )


def _address(text: str) -> ColumnElement[bool]:
    """The address itself, or for IPv6 any delegated prefix that holds it.

    Raises:
        UsageError: `text` is no address.
    """
    address = parse_address(text)
    wanted = [str(address)]
    if isinstance(address, IPv6Address):
        wanted += [
            str(ip_network(f"{address}/{length}", strict=False)) for length in range(32, 129)
        ]
    return NetworkSession.session_key.in_(
        select(AddressInterval.session_key).where(AddressInterval.address.in_(wanted))
    )
