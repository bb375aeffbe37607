"""Vouchers: issue a batch, see how it is used, print its sheet, revoke it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import ColumnElement, case, func, select, true
from sqlalchemy.orm import Session
from wtforms import Form, IntegerField, SelectField, StringField

from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import at_most, between, granted_choices, needed_number, offer
from captive_portal.admin.paging import contains, fetch_page
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from captive_portal.web import qr
from common.errors import BackendUnavailable, NetAccessError, Refused
from common.net import parse_listen
from db.models import Account, Voucher, VoucherBatch
from identity.services import approval, audit, voucher_changes, vouchers

blueprint = Blueprint("vouchers", __name__, url_prefix="/vouchers")

LAYOUTS = {"24": 24, "10": 10}
"""Cards on an A4 page: 3 by 8 small ones, or 2 by 5 large ones."""
_PAGES_AT_ONCE = 10
"""A browser lays out 240 QR codes quickly and 2000 slowly."""
_ = lazy_gettext


class NewBatch(Form):
    """What somebody fills in to issue vouchers."""

    name = StringField(_("For what (names the sheet)"), [at_most(80)])
    count = IntegerField(_("How many"), [needed_number(), between(1, vouchers.MAXIMUM_BATCH)])
    minutes = IntegerField(
        _("Minutes from the first use"), [needed_number(), between(1, 366 * 1440)]
    )
    devices = IntegerField(_("Devices for one voucher"), [needed_number(), between(1, 100)])
    role = SelectField(_("Role"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchUse:
    """How many codes of a batch are in which state."""

    unused: int
    active: int
    expired: int
    revoked: int

    @property
    def total(self) -> int:
        return self.unused + self.active + self.expired + self.revoked


@blueprint.get("/")
@requires(Permission.VIEW_VOUCHERS)
def listing() -> ResponseReturnValue:
    """Batches, newest first, with how far they are used."""
    wanted = request.args.get("q", "").strip()
    statement = (
        select(VoucherBatch, Account)
        .join(Account, Account.id == VoucherBatch.issuer_id)
        .order_by(VoucherBatch.id.desc())
    )
    if wanted:
        statement = statement.where(contains(wanted, VoucherBatch.name))
    with office().database.read() as session:
        statement = statement.where(_visible(session))
        page = fetch_page(session, statement, count=True)
        uses = _uses(session, [batch.id for batch, _issuer in page.rows])
        return render_template("vouchers.html", page=page, uses=uses, q=wanted)


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.ISSUE_VOUCHERS)
def create() -> ResponseReturnValue:
    """Issue a batch."""
    form = NewBatch(request.form)
    with office().database.read() as session:
        form.role.choices = offer(granted_choices(session, officer()))
    if request.method == "GET":
        form.count.data, form.minutes.data, form.devices.data = 24, 480, 1
        form.role.data = "guest"
        return render_template("voucher_new.html", form=form, error=None)
    error = gettext("Please correct the marked fields.")
    if form.validate():
        try:
            with office().database.write() as session:
                batch, _codes = vouchers.create_batch(
                    session,
                    office(),
                    count=form.count.data or 0,
                    role=form.role.data,
                    minutes=form.minutes.data or 0,
                    devices=form.devices.data or 0,
                    issuer=officer().username,
                    name=form.name.data or "",
                )
            flash(gettext("The vouchers are ready to be printed."), "done")
            return redirect(url_for("vouchers.show", batch_id=batch.id))
        except BackendUnavailable:
            raise
        except NetAccessError as refusal:
            error = explain(refusal)
    return render_template("voucher_new.html", form=form, error=error), 422


@blueprint.get("/<int:batch_id>")
@requires(Permission.VIEW_VOUCHERS)
def show(batch_id: int) -> ResponseReturnValue:
    """One batch: its terms and its use; the codes themselves are on the print sheet only."""
    with office().database.read() as session:
        batch = _find(session, batch_id)
        issuer = session.get(Account, batch.issuer_id)
        use = _uses(session, [batch_id])[batch_id]
        is_theirs = officer().may(Permission.ISSUE_VOUCHERS) and _why_not(session, batch) is None
    return render_template(
        "voucher_batch.html",
        batch=batch,
        issuer=issuer,
        use=use,
        is_theirs=is_theirs,
        is_guess=_portal_url()[1],
    )


@blueprint.get("/<int:batch_id>/print")
@requires(Permission.ISSUE_VOUCHERS)
def print_sheet(batch_id: int) -> ResponseReturnValue:
    """Unused codes of a batch as cards for A4 paper. Printing is recorded."""
    layout = request.args.get("layout", "24")
    cards_on_page = LAYOUTS.get(layout, 24)
    part = request.args.get("part", 1, type=int)
    with office().database.write() as session:
        batch = _find(session, batch_id)
        if (refusal := _why_not(session, batch)) is not None:
            flash(refusal, "error")
            return redirect(url_for("vouchers.show", batch_id=batch_id))
        codes = [
            issued.code
            for issued in vouchers.codes_of(session, office(), batch_id)
            if issued.state == "unused"
        ]
        size = cards_on_page * _PAGES_AT_ONCE
        parts = max(1, -(-len(codes) // size))
        part = min(max(part, 1), parts)
        shown = codes[(part - 1) * size : part * size]
        audit.record(
            session,
            office().clock(),
            officer().username,
            "voucher:printed",
            f"batch {batch_id}",
            count=len(shown),
        )
    portal, is_guess = _portal_url()
    pages = [
        [
            (code, qr.svg(f"{portal}/v?c={quote(code)}", code))
            for code in shown[at : at + cards_on_page]
        ]
        for at in range(0, len(shown), cards_on_page)
    ]
    return render_template(
        "voucher_print.html",
        batch=batch,
        pages=pages,
        layout=str(cards_on_page),
        part=part,
        parts=parts,
        portal=portal,
        is_guess=is_guess,
    )


@blueprint.post("/<int:batch_id>/revoke")
@requires(Permission.ISSUE_VOUCHERS)
def revoke(batch_id: int) -> ResponseReturnValue:
    """Revoke every code of a batch and suspend the guests who came in by it."""
    here = redirect(url_for("vouchers.show", batch_id=batch_id))
    if request.form.get("sure") != "yes":
        flash(gettext("Tick the box to confirm first."), "error")
        return here
    with office().database.write() as session:
        batch = _find(session, batch_id)
        if (refusal := _why_not(session, batch)) is not None:
            flash(refusal, "error")
            return here
        count = voucher_changes.revoke_batch(session, office(), batch_id, officer().username)
    flash(gettext("%(count)s vouchers are revoked.", count=count), "done")
    return here


def _visible(session: Session) -> ColumnElement[bool]:
    """The sheets the officer may see: of the own organisation, unless they may issue anywhere."""
    if officer().may(Permission.ISSUE_VOUCHERS):
        account = session.get_one(Account, officer().account_id)
        if approval.scope_of(session, account).organisation_id is None:
            return true()
    return officer().reach.batches()


def _find(session: Session, batch_id: int) -> VoucherBatch:
    """The sheet; 404 when there is none that the officer may see."""
    wanted = select(VoucherBatch).where(VoucherBatch.id == batch_id, _visible(session))
    batch = session.scalar(wanted)
    if batch is None:
        abort(404)
    return batch


def _why_not(session: Session, batch: VoucherBatch) -> str | None:
    """Why the officer may neither print nor revoke this batch; None: they may."""
    try:
        approval.refuse_vouchers(session, session.get_one(Account, officer().account_id), batch)
    except Refused as refusal:
        return explain(refusal)
    return None


def _uses(session: Session, batch_ids: Sequence[int]) -> dict[int, BatchUse]:
    """How the codes of each batch stand now."""
    now = office().clock()
    over = (Voucher.state == "active") & (Voucher.expires_at <= now)
    lapsed = (Voucher.state == "unused") & (VoucherBatch.hard_expiry <= now)
    state = case((over | lapsed, "expired"), else_=Voucher.state)
    counted: dict[int, dict[str, int]] = {batch_id: {} for batch_id in batch_ids}
    for batch_id, name, number in session.execute(
        select(Voucher.batch_id, state, func.count())
        .join(VoucherBatch, VoucherBatch.id == Voucher.batch_id)
        .where(Voucher.batch_id.in_(batch_ids))
        .group_by(Voucher.batch_id, state)
    ):
        counted[batch_id][name] = number
    return {
        batch_id: BatchUse(
            unused=states.get("unused", 0),
            active=states.get("active", 0),
            expired=states.get("expired", 0),
            revoked=states.get("revoked", 0),
        )
        for batch_id, states in counted.items()
    }


def _portal_url() -> tuple[str, bool]:
    """Where guests reach the public portal, and whether that is only a guess."""
    portal = office().config.portal
    if portal.public_url:
        return portal.public_url.rstrip("/"), False
    host, port = parse_listen(portal.listen)
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = request.host.rpartition(":")[0] or request.host
    return f"http://{host}:{port}", True
