"""Who did what to whom: the audit trail, read only."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from captive_portal.admin.desk import office
from captive_portal.admin.paging import fetch_page
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import ACTIONS
from db.models import AuditEvent

blueprint = Blueprint("audit_trail", __name__, url_prefix="/audit")


@blueprint.get("/")
@requires(Permission.VIEW_AUDIT)
def listing() -> ResponseReturnValue:
    """Audit events, newest first, filtered by actor, action and target."""
    filters = {key: request.args.get(key, "").strip() for key in ("actor", "action", "target")}
    statement = select(AuditEvent).order_by(AuditEvent.id.desc())
    if filters["actor"]:
        statement = statement.where(AuditEvent.actor == filters["actor"].casefold())
    if filters["action"]:
        statement = statement.where(AuditEvent.action == filters["action"])
    if filters["target"]:
        statement = statement.where(AuditEvent.target.icontains(filters["target"], autoescape=True))
    with office().database.read() as session:
        page = fetch_page(session, statement)
        known = set(session.scalars(select(AuditEvent.action).distinct()))
    return render_template(
        "audit.html", page=page, filters=filters, actions=sorted(known | set(ACTIONS))
    )
