"""What the pages of vouchers share: their blueprint, which sheets an officer sees, and may use."""

from __future__ import annotations

from flask import Blueprint, abort, flash, request
from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from captive_portal.admin.desk import office, officer
from captive_portal.admin.permissions import Permission
from captive_portal.admin.words import explain
from common.errors import Refused
from common.net import parse_listen
from db.models import Account, VoucherBatch
from identity.services import approval

blueprint = Blueprint("vouchers", __name__, url_prefix="/vouchers")


def visible(session: Session) -> ColumnElement[bool]:
    """The sheets the officer may see: of the own organisation, unless they may issue anywhere."""
    if officer().may(Permission.ISSUE_VOUCHERS):
        account = session.get_one(Account, officer().account_id)
        if approval.scope_of(session, account).organisation_id is None:
            return true()
    return officer().reach.batches()


def find_sheet(session: Session, batch_id: int) -> VoucherBatch:
    """The sheet; 404 when there is none that the officer may see."""
    wanted = select(VoucherBatch).where(VoucherBatch.id == batch_id, visible(session))
    batch = session.scalar(wanted)
    if batch is None:
        abort(404)
    return batch


def why_not(session: Session, batch: VoucherBatch) -> str | None:
    """Why the officer may neither print nor change this sheet; None: they may."""
    try:
        approval.refuse_vouchers(session, session.get_one(Account, officer().account_id), batch)
    except Refused as refusal:
        return explain(refusal)
    return None


def own_sheet(session: Session, batch_id: int) -> VoucherBatch | None:
    """The sheet when the officer may use it, else None and the reason is shown."""
    batch = find_sheet(session, batch_id)
    if (refusal := why_not(session, batch)) is not None:
        flash(refusal, "error")
        return None
    return batch


def portal_url() -> tuple[str, bool]:
    """Where guests reach the public portal, and whether that is only a guess."""
    portal = office().config.portal
    if portal.public_url:
        return portal.public_url.rstrip("/"), False
    host, port = parse_listen(portal.listen)
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = request.host.rpartition(":")[0] or request.host
    return f"http://{host}:{port}", True
