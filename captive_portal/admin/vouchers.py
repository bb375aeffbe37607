"""Vouchers: find sheets, issue one, see how it and its codes stand.

What is done to them and how they are printed are further pages of the same blueprint.
"""

from __future__ import annotations

from datetime import datetime

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from captive_portal.admin import voucher_acts, voucher_prints
from captive_portal.admin.desk import office, officer
from captive_portal.admin.paging import fetch_page
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.voucher_form import NewBatch, read_first_moment
from captive_portal.admin.voucher_sheets import (
    blueprint,
    find_sheet,
    portal_url,
    visible,
    why_not,
)
from captive_portal.admin.words import explain
from common.errors import BackendUnavailable, NetAccessError, UsageError
from db.models import Account, NasClient, Organisation, Voucher
from identity.domain.vouchers import VoucherState
from identity.services import voucher_lists, vouchers
from identity.services.voucher_lists import Wanted

__all__ = ["blueprint", "voucher_acts", "voucher_prints"]


@blueprint.get("/")
@requires(Permission.VIEW_VOUCHERS)
def listing() -> ResponseReturnValue:
    """Sheets, newest first, with how far they are used."""
    now, asked = office().clock(), request.args
    since = until = None
    try:
        since = read_first_moment(asked.get("from", ""))
        until = _end_of_day(asked.get("to", ""))
    except UsageError as error:
        flash(str(error), "error")
    wanted = Wanted(
        text=asked.get("q", "").strip()[:80],
        state=asked.get("state", ""),
        issuer=asked.get("issuer", "")[:253],
        since=since,
        until=until,
    )
    with office().database.read() as session:
        statement = voucher_lists.sheets(wanted, now).where(visible(session))
        page = fetch_page(session, statement, count=True)
        uses = voucher_lists.uses_of(session, [batch.id for batch, _issuer in page.rows], now)
        issuers = voucher_lists.issuers(session, officer().reach)
    return render_template(
        "vouchers.html",
        page=page,
        uses=uses,
        wanted=wanted,
        asked=asked,
        issuers=issuers,
        states=[state.value for state in VoucherState],
        is_filtered=any((wanted.text, wanted.state, wanted.issuer, since, until)),
    )


def _end_of_day(text: str) -> datetime | None:
    """The end of the day in a filter, which may be over."""
    first = read_first_moment(text)
    return first.replace(hour=23, minute=59, second=59) if first is not None else None


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.ISSUE_VOUCHERS)
def create() -> ResponseReturnValue:
    """Issue a sheet."""
    form = NewBatch.read(request.form.to_dict())
    with office().database.read() as session:
        form.offer_choices(session)
    if request.method == "GET":
        form.set_defaults()
        return render_template("voucher_new.html", form=form, error=None)
    error = gettext("Please correct the marked fields.")
    if form.validate():
        try:
            terms = form.terms()
            with office().database.write() as session:
                batch, _codes = vouchers.issue(session, office(), terms, officer().username)
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
    """One sheet: its terms, its use, its vouchers by number; codes are on what is printed only."""
    now, state = office().clock(), request.args.get("state", "")
    with office().database.read() as session:
        batch = find_sheet(session, batch_id)
        issuer = session.get(Account, batch.issuer_id)
        use = voucher_lists.uses_of(session, [batch_id], now)[batch_id]
        is_theirs = officer().may(Permission.ISSUE_VOUCHERS) and why_not(session, batch) is None
        page = fetch_page(session, voucher_lists.codes(batch_id, state, now), count=True)
        nas = session.get(NasClient, batch.nas_client_id) if batch.nas_client_id else None
        school = session.get(Organisation, batch.organisation_id) if batch.organisation_id else None
    return render_template(
        "voucher_batch.html",
        batch=batch,
        issuer=issuer,
        use=use,
        is_theirs=is_theirs,
        is_guess=portal_url()[1],
        page=page,
        state=state,
        states=[one.value for one in VoucherState],
        nas=nas,
        school=school,
    )


@blueprint.get("/<int:batch_id>/voucher/<int:voucher_id>")
@requires(Permission.VIEW_VOUCHERS)
def show_one(batch_id: int, voucher_id: int) -> ResponseReturnValue:
    """One voucher: how it stands, its devices, and what can be done about it."""
    now = office().clock()
    with office().database.read() as session:
        batch = find_sheet(session, batch_id)
        found = session.execute(
            voucher_lists.codes(batch_id, "", now).where(Voucher.id == voucher_id)
        ).one_or_none()
        if found is None:
            return redirect(url_for("vouchers.show", batch_id=batch_id))
        row, state = found
        devices = vouchers.devices_of(session, voucher_id)
        is_theirs = officer().may(Permission.ISSUE_VOUCHERS) and why_not(session, batch) is None
    return render_template(
        "voucher_one.html",
        batch=batch,
        row=row,
        state=state,
        devices=devices,
        is_theirs=is_theirs,
    )
