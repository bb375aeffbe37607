"""Who did what to whom: the audit trail, read only. Reading it is in it too."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import ColumnElement, select, true

from captive_portal.admin.desk import note_reading, office, officer
from captive_portal.admin.paging import contains, fetch_page
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import ACTIONS, explain
from common.errors import UsageError
from common.thai_time import read_time
from db.models import Account, AuditEvent

blueprint = Blueprint("audit_trail", __name__, url_prefix="/audit")

READINGS = (
    "lookup:run", "lookup:revealed", "lookup:unlock_requested", "lookup:unlock_approved",
    "lookup:unlock_refused", "flows:read", "people:searched", "person:read", "sessions:searched",
    "logins:searched", "login:read", "audit:read",
)  # fmt: skip
"""What was read, searched or revealed of people (R50)."""
DENIALS = ("admin:denied", "admin:sign_in_failed", "admin:sign_in_throttled", "lookup:denied")
GROUPS = {"readings": READINGS, "denials": DENIALS}


@blueprint.get("/")
@requires(Permission.VIEW_AUDIT)
def listing() -> ResponseReturnValue:
    """Audit events, newest first, filtered by actor, action, target, case and days."""
    filters = {
        key: request.args.get(key, "").strip()
        for key in ("actor", "action", "target", "case", "group", "from", "to")
    }
    statement = select(AuditEvent).where(_reach()).order_by(AuditEvent.id.desc())
    if filters["actor"]:
        statement = statement.where(AuditEvent.actor == filters["actor"].casefold())
    if filters["action"]:
        statement = statement.where(AuditEvent.action == filters["action"])
    if filters["group"] in GROUPS:
        statement = statement.where(AuditEvent.action.in_(GROUPS[filters["group"]]))
    if filters["target"]:
        statement = statement.where(contains(filters["target"], AuditEvent.target))
    if filters["case"]:
        statement = statement.where(contains(filters["case"], AuditEvent.detail))
    error = None
    try:
        if (begins := _day(filters["from"])) is not None:
            statement = statement.where(AuditEvent.at >= begins)
        if (ends := _day(filters["to"])) is not None:
            statement = statement.where(AuditEvent.at < ends + timedelta(days=1))
    except UsageError as refusal:
        error = explain(refusal)
    with office().database.read() as session:
        page = fetch_page(session, statement)
        known = set(session.scalars(select(AuditEvent.action).where(_reach()).distinct()))
    note_reading(
        "audit:read",
        filters["actor"] or filters["target"] or "*",
        sought=" ".join(f"{key}={value}" for key, value in filters.items() if value) or None,
        results=len(page.rows),
    )
    return render_template(
        "audit.html",
        page=page,
        filters=filters,
        error=error,
        actions=sorted(known | set(ACTIONS)),
    )


def _reach() -> ColumnElement[bool]:
    """The officer's own organisation acts under its accounts' names."""
    reach = officer().reach
    if reach.is_whole:
        return true()
    return AuditEvent.actor.in_(select(Account.username).where(reach.accounts()))


def _day(text: str) -> datetime | None:
    """The first moment of a day, Thai or Western; None without one."""
    if not text:
        return None
    zone = office().config.site.timezone
    return read_time(text, zone, now=office().clock(), needs_clock=False).moment
