"""Every login decision with its reason in words: "why was this login refused?"."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select

from captive_portal.admin.desk import note_reading, office, officer, past_logins_locked
from captive_portal.admin.login_story import tell
from captive_portal.admin.paging import fetch_ledger_page, read_number
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import REASONS
from common.net import find_mac
from common.printable import printable
from db.models import Account, AuthEvent, NasClient
from identity.services import login_log

blueprint = Blueprint("logins", __name__, url_prefix="/logins")

SPANS = {"1": 1, "7": 7, "30": 30, "all": 0}
"""A span keeps the search inside the index on time, however long the ledger is."""


@blueprint.get("/")
@requires(Permission.VIEW_LOGINS)
def listing() -> ResponseReturnValue:
    """Decisions, newest first; where a second officer unlocks names, without them."""
    filters = {
        key: request.args.get(key, "").strip()
        for key in ("user", "mac", "outcome", "reason", "nas", "span")
    }
    if filters["span"] not in SPANS:
        filters["span"] = "7"
    locked = past_logins_locked()
    error = None
    if locked:
        filters["user"] = filters["mac"] = ""
        error = gettext(
            "Past logins name people: ask by a look-up, which a second officer unlocks."
        )
    statement = (
        select(AuthEvent, NasClient.name, Account)
        .outerjoin(NasClient, NasClient.id == AuthEvent.nas_client_id)
        .outerjoin(Account, Account.id == AuthEvent.account_id)
        .where(officer().reach.logins())
    )
    if SPANS[filters["span"]]:
        since = office().clock() - timedelta(days=SPANS[filters["span"]])
        statement = statement.where(AuthEvent.at >= since)
    if filters["user"]:
        statement = statement.where(AuthEvent.user_name.icontains(filters["user"], autoescape=True))
    if filters["mac"]:
        text = find_mac(filters["mac"]) or filters["mac"]
        statement = statement.where(AuthEvent.calling_station_id.icontains(text, autoescape=True))
    if filters["outcome"] in ("accept", "reject"):
        statement = statement.where(AuthEvent.outcome == filters["outcome"])
    if filters["reason"] in REASONS:
        statement = statement.where(AuthEvent.reason == filters["reason"])
    nas = read_number(filters["nas"])
    if nas is not None:
        statement = statement.where(AuthEvent.nas_client_id == nas)
    with office().database.read() as session:
        page = fetch_ledger_page(session, statement, AuthEvent.at, AuthEvent.id)
        choices = session.execute(
            select(NasClient.id, NasClient.name)
            .where(officer().reach.nas())
            .order_by(NasClient.name)
        ).all()
        shown = render_template(
            "logins.html",
            page=page,
            filters=filters,
            reasons=REASONS,
            nas_choices=choices,
            locked=locked,
            error=error,
        )
    sought = filters["user"] or filters["mac"] or "*"
    note_reading("logins:searched", sought, **filters, results=len(page.rows))
    return shown


@blueprint.get("/<int:login_id>")
@requires(Permission.VIEW_LOGINS)
def show(login_id: int) -> ResponseReturnValue:
    """One decision: what happened, step by step, and what to do."""
    if past_logins_locked():
        return redirect(url_for("logins.listing"))
    with office().database.read() as session:
        login = login_log.find_login(session, login_id)
        visible = select(AuthEvent.id).where(AuthEvent.id == login_id, officer().reach.logins())
        if login is None or session.scalar(visible) is None:
            abort(404)
        next_accept = login_log.find_next_accept(session, login)
    note_reading("login:read", printable(login.user_name) or "-", login=login_id)
    return render_template(
        "login_one.html", login=login, story=tell(login), next_accept=next_accept
    )
