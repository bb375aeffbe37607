"""Network devices that speak RADIUS: the list, adding one, and strangers that tried."""

from __future__ import annotations

import secrets
from ipaddress import ip_address

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import select
from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import Optional

from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import Form, at_most, needed, offer, organisation_choices
from captive_portal.admin.paging import contains, fetch_page
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from captive_portal.vendors.settings import check_login_url
from common.errors import BackendUnavailable, NetAccessError
from db.models import NasClient
from identity.domain.vendors import VENDORS
from identity.services import nas, nas_hygiene

blueprint = Blueprint("nas_clients", __name__, url_prefix="/nas")

_ = lazy_gettext


def _on_one_line(text: str | None) -> str:
    return (text or "").replace("\r", "").replace("\n", "")


class NewNas(Form):
    """What an admin fills in for a network device."""

    name = StringField(_("Name"), [needed(), at_most(100)])
    prefix = StringField(_("Address or network it sends from"), [needed(), at_most(60)])
    secret = TextAreaField(_("Shared secret"), [needed(), at_most(253)], filters=[_on_one_line])
    """A field of several lines, so that a phone shows all of it."""
    vendor = SelectField(_("Make"), choices=offer((vendor, vendor) for vendor in VENDORS))
    organisation = SelectField(_("Organisation"))
    login_url = StringField(_("Sign-in address of the gateway"), [Optional(), at_most(500)])
    allow_missing = BooleanField(_("Allow requests without Message-Authenticator (unsafe)"))


@blueprint.get("/")
@requires(Permission.VIEW_NAS)
def listing() -> ResponseReturnValue:
    """Registered devices, and addresses that sent RADIUS without being registered."""
    wanted = request.args.get("q", "").strip()
    statement = select(NasClient).where(officer().reach.nas()).order_by(NasClient.name)
    if wanted:
        statement = statement.where(
            contains(wanted, NasClient.name, NasClient.prefix, NasClient.vendor)
        )
    with office().database.read() as session:
        page = fetch_page(session, statement, count=True)
        rows = [row for (row,) in page.rows]
        return render_template(
            "nas.html",
            page=page,
            devices=list(
                zip(
                    rows,
                    nas_hygiene.describe(session, office(), rows, officer().reach),
                    strict=True,
                )
            ),
            unknown=nas.list_unknown(session, 50) if officer().reach.is_whole else [],
            q=wanted,
        )


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.CHANGE_NAS)
def add() -> ResponseReturnValue:
    """Register a device. Its secret is shown while it is being typed and never again."""
    form = NewNas(request.form)
    with office().database.read() as session:
        form.organisation.choices = offer(organisation_choices(session, officer().reach))
    if request.method == "GET":
        form.prefix.data = request.args.get("address", "")
        form.secret.data = secrets.token_urlsafe(24)
        return render_template("nas_new.html", form=form, error=None)
    error = gettext("Please correct the marked fields.")
    if form.validate():
        try:
            prefix = _as_prefix(form.prefix.data or "")
            with office().database.write() as session:
                nas.refuse_overlap(session, prefix, officer().reach)
                added = nas.add_nas(
                    session,
                    office(),
                    form.name.data or "",
                    prefix,
                    form.secret.data or "",
                    officer().username,
                    vendor=form.vendor.data,
                    organisation=form.organisation.data or None,
                    require_message_authenticator=not form.allow_missing.data,
                    login_url=check_login_url(form.login_url.data or "") or None,
                )
            flash(gettext("%(name)s is registered.", name=added.name), "done")
            return redirect(url_for("nas_clients.listing"))
        except BackendUnavailable:
            raise
        except NetAccessError as refusal:
            error = explain(refusal)
    return render_template("nas_new.html", form=form, error=error), 422


def _as_prefix(text: str) -> str:
    """A single address as the prefix of its full length; anything else as it is."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return text
    return f"{address}/{address.max_prefixlen}"
