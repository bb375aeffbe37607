"""One network device as a gateway: how visitors are handed back, and what it is to be told."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext

from captive_portal.admin.desk import office, officer
from captive_portal.admin.nas_settings import find_nas
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from captive_portal.vendors.places import check_controller, secrets_to_give_anew
from captive_portal.vendors.profile import Tested
from captive_portal.vendors.registry import vendor_called
from captive_portal.vendors.settings import MODE, check_changes, check_login_url
from captive_portal.vendors.snippets.registry import snippet_for
from captive_portal.vendors.snippets.site import facts_of
from common.errors import BackendUnavailable, NetAccessError
from identity.domain.central import CENTRAL
from identity.services.nas_portal import (
    change_portal_settings,
    portal_settings,
    set_login_url,
)

blueprint = Blueprint("nas_gateways", __name__, url_prefix="/nas")

_ = lazy_gettext
_MARKS = {
    Tested.FIXTURE: _("Tested with requests as the maker documents them; not on the device."),
    Tested.PROGRAM: _("Tested with the real program."),
    Tested.UNTESTED: _("Written from documents; not tested on the device."),
}


@blueprint.get("/<int:nas_id>/gateway")
@requires(Permission.VIEW_NAS)
def show(nas_id: int) -> ResponseReturnValue:
    """The settings of its make, without a secret, and the configuration to copy."""
    with office().database.read() as session:
        row = find_nas(session, nas_id)
        settings = portal_settings(office(), row)
        snippet = snippet_for(facts_of(office(), row))
    make = vendor_called(row.vendor)
    mode = settings.get(MODE) or next(
        (one.default for one in make.settings if one.name == MODE), ""
    )
    return render_template(
        "nas_gateway.html",
        row=row,
        make=make,
        is_central=mode == CENTRAL,
        mark=_MARKS[make.tested],
        shown=[one for one in make.settings if not one.modes or mode in one.modes],
        given={one.name: settings.get(one.name, "") for one in make.settings if not one.is_secret},
        kept={one.name for one in make.settings if one.is_secret and settings.get(one.name)},
        snippet=snippet,
    )


@blueprint.post("/<int:nas_id>/gateway")
@requires(Permission.CHANGE_NAS)
def change(nas_id: int) -> ResponseReturnValue:
    """Store what the form gives; an empty secret stays as it is unless its removal is ticked."""
    here = redirect(url_for("nas_gateways.show", nas_id=nas_id))
    try:
        with office().database.write() as session:
            row = find_nas(session, nas_id)
            make = vendor_called(row.vendor)
            before = portal_settings(office(), row)
            form = {}
            for one in make.settings:
                text = request.form.get(f"setting-{one.name}")
                if one.is_secret and not text:
                    text = "" if request.form.get(f"none-{one.name}") == "1" else None
                if text is not None:
                    form[one.name] = text.replace("\r\n", "\n")
            checked = check_changes(make, form)
            check_controller(
                make,
                before,
                checked,
                prefix=row.prefix,
                networks=office().config.portal.controller_networks,
                is_whole=officer().reach.is_whole,
            )
            dropped = secrets_to_give_anew(make, before, checked)
            checked = {**checked, **dict.fromkeys(dropped, "")}
            new = {name: text for name, text in checked.items() if text != before.get(name, "")}
            if new:
                change_portal_settings(session, office(), row, new, officer().username)
            url = check_login_url(request.form.get("login_url", row.login_url or ""))
            if url != (row.login_url or ""):
                set_login_url(session, office(), row, url, officer().username)
    except BackendUnavailable:
        raise
    except NetAccessError as error:
        flash(explain(error), "error")
        return here
    flash(gettext("Changed. The portal follows with the next visitor."), "done")
    if dropped:
        flash(
            gettext(
                "The controller is another one now, so what was secret for the old one was taken "
                "away: %(names)s. Enter it anew.",
                names=", ".join(dropped),
            ),
            "error",
        )
    return here


@blueprint.get("/<int:nas_id>/gateway/<file>")
@requires(Permission.VIEW_NAS)
def page(nas_id: int, file: str) -> ResponseReturnValue:
    """A page that goes onto the equipment, to be saved."""
    with office().database.read() as session:
        row = find_nas(session, nas_id)
        files = snippet_for(facts_of(office(), row)).files
    if file not in files:
        abort(404)
    # As a file to save, never as a page of this portal.
    kept = {"Content-Disposition": f'attachment; filename="{file}"'}
    return Response(files[file], mimetype="application/octet-stream", headers=kept)
