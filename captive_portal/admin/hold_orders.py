"""Orders that records be kept longer: the list, a new one, the end of one.

What a hold may say is identity.services.holds' to decide, what it keeps traffic.keeping's.
"""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import StringField
from wtforms.validators import Optional

from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import Form, at_most, needed
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from common.errors import BackendUnavailable, NetAccessError
from common.thai_time import read_bound
from identity.services import holds

blueprint = Blueprint("hold_orders", __name__, url_prefix="/holds")
_ = lazy_gettext


class HoldForm(Form):
    """What the letter says."""

    authority = StringField(_("Authority"), [needed(), at_most(200)])
    document = StringField(_("Document number"), [needed(), at_most(200)])
    first = StringField(_("First day of the records"), [needed(), at_most(60)])
    last = StringField(_("Last day of the records"), [needed(), at_most(60)])
    account = StringField(_("User name"), [Optional(), at_most(253)])
    address = StringField(_("Address"), [Optional(), at_most(60)])
    until = StringField(_("Keep until (last day)"), [needed(), at_most(60)])
    reason = StringField(_("Reason"), [needed(), at_most(500)])
    approved_by = StringField(_("Approved by (user name)"), [needed(), at_most(253)])


@blueprint.get("/")
@requires(Permission.VIEW_HOLDS)
def listing() -> ResponseReturnValue:
    """Every hold, newest first."""
    now = office().clock()
    with office().database.read() as session:
        rows = [(row, name, holds.state_of(row, now)) for row, name in holds.list_holds(session)]
    return render_template("holds.html", rows=rows)


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.CHANGE_HOLDS)
def add() -> ResponseReturnValue:
    """Enter an order."""
    form = HoldForm(request.form)
    if request.method == "GET":
        return render_template("hold_new.html", form=form, error=None)
    error = gettext("Please correct the marked fields.")
    if form.validate():
        try:
            new = _read(form)
            with office().database.write() as session:
                made = holds.make(session, office(), new, officer().username)
        except BackendUnavailable:
            raise
        except NetAccessError as refusal:
            error = explain(refusal)
        else:
            flash(gettext("Order %(document)s is in force.", document=made.document), "done")
            return redirect(url_for("hold_orders.listing"))
    return render_template("hold_new.html", form=form, error=error), 422


@blueprint.post("/<int:hold_id>/end")
@requires(Permission.CHANGE_HOLDS)
def end(hold_id: int) -> ResponseReturnValue:
    """Let go before the time is over."""
    try:
        with office().database.write() as session:
            holds.end(
                session, office(), hold_id, request.form.get("reason", ""), officer().username
            )
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        flash(explain(refusal), "error")
    else:
        flash(gettext("The order is ended; what it alone kept goes with the next purge."), "done")
    return redirect(url_for("hold_orders.listing"))


def _read(form: HoldForm) -> holds.NewHold:
    zone, now = office().config.site.timezone, office().clock()
    return holds.NewHold(
        authority=form.authority.data or "",
        document=form.document.data or "",
        from_at=read_bound(form.first.data or "", zone, now=now),
        to_at=read_bound(form.last.data or "", zone, now=now, end=True),
        until_at=read_bound(form.until.data or "", zone, now=now, end=True),
        reason=form.reason.data or "",
        approved_by=form.approved_by.data or "",
        account=(form.account.data or "").strip() or None,
        address=(form.address.data or "").strip() or None,
    )
