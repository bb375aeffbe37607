"""One network device: whether it must sign, which make it is, where it takes orders."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from captive_portal.admin.desk import office, officer
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from common.errors import BackendUnavailable, NetAccessError, UsageError
from db.models import NasClient
from identity.domain.dynamic import UNREACHABLE
from identity.domain.vendors import VENDORS
from identity.services import nas, nas_hygiene

blueprint = Blueprint("nas_settings", __name__, url_prefix="/nas")


@blueprint.get("/<int:nas_id>")
@requires(Permission.VIEW_NAS)
def show(nas_id: int) -> ResponseReturnValue:
    """One device with what may be changed of it."""
    with office().database.read() as session:
        row = find_nas(session, nas_id)
        (hygiene,) = nas_hygiene.describe(session, office(), [row], officer().reach)
        signed = nas_hygiene.signed_in_a_row(session, office(), row)
        return render_template(
            "nas_one.html",
            row=row,
            hygiene=hygiene,
            signed=signed,
            is_many=signed >= nas_hygiene.MOST_COUNTED,
            is_safe=nas_hygiene.may_be_enforced(row, signed, office().clock()),
            days=nas_hygiene.LOOKED_BACK.days,
            vendors=[(vendor, vendor) for vendor in VENDORS],
            takes_orders=row.coa_port != 0 and row.vendor not in UNREACHABLE,
        )


@blueprint.post("/<int:nas_id>/policy")
@requires(Permission.CHANGE_NAS)
def set_policy(nas_id: int) -> ResponseReturnValue:
    """Demand a Message-Authenticator, or allow that it is missing.

    What may cut somebody off, or opens a hole, needs a tick that says so.
    """
    required = request.form.get("required") == "1"
    confirmed = request.form.get("confirmed") == "1"
    with office().database.write() as session:
        row = find_nas(session, nas_id)
        if row.require_message_authenticator == required:
            return _here(nas_id)
        signed = nas_hygiene.signed_in_a_row(session, office(), row)
        safe = required and nas_hygiene.may_be_enforced(row, signed, office().clock())
        if not safe and not confirmed:
            flash(gettext("Tick the box that says you know what this does."), "error")
            return _here(nas_id)
        nas.require_message_authenticator(session, office(), row.name, required, officer().username)
    if required:
        flash(gettext("Every request must be signed from now on."), "done")
    else:
        flash(gettext("Requests without Message-Authenticator are allowed."), "done")
    return _here(nas_id)


@blueprint.post("/<int:nas_id>/settings")
@requires(Permission.CHANGE_NAS)
def set_settings(nas_id: int) -> ResponseReturnValue:
    """Change make, place of orders, and what it says when it asks for a device."""
    try:
        with office().database.write() as session:
            _change(session, find_nas(session, nas_id))
    except BackendUnavailable:
        raise
    except NetAccessError as error:
        flash(explain(error), "error")
    else:
        flash(gettext("Changed. RADIUS follows within a second."), "done")
    return _here(nas_id)


def _change(session: Session, row: NasClient) -> None:
    form, who = request.form, officer().username
    vendor = form.get("vendor", row.vendor)
    if vendor != row.vendor:
        nas.set_vendor(session, office(), row.name, vendor, who)
    port, address = _port(form.get("coa_port", "")), form.get("coa_address", "").strip() or None
    if (port, address) != (row.coa_port, row.coa_address):
        nas.set_coa(session, office(), row.name, who, address=address, port=port)
    suffix = form.get("mab_suffix", "").strip()
    password: str | None = form.get("mab_password", "") or None
    if form.get("mab_password_none") == "1":
        password = ""
    if suffix != (row.mab_suffix or "") or password is not None:
        nas.set_station_words(session, office(), row.name, who, suffix=suffix, password=password)


def _port(text: str) -> int | None:
    cleaned = text.strip()
    if not cleaned:
        return None
    if not cleaned.isascii() or not cleaned.isdigit():
        raise UsageError("the CoA port is 1..65535; 0 says that this NAS takes no requests")
    return int(cleaned)


def _here(nas_id: int) -> Response:
    return redirect(url_for("nas_settings.show", nas_id=nas_id))


def find_nas(session: Session, nas_id: int) -> NasClient:
    """The device with this number, where the officer may see it; else the page is not there."""
    row = session.get(NasClient, nas_id)
    if row is None or not officer().reach.covers(row.organisation_id):
        abort(404)
    return row
