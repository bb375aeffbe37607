"""New first passwords for a class, printed once: the only place where they are shown."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from captive_portal.admin.desk import office, officer
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from captive_portal.slips.passwords import password_slips, password_slips_pdf, password_style
from common.errors import BackendUnavailable, NetAccessError
from identity.services import class_passwords

blueprint = Blueprint("class_slips", __name__, url_prefix="/people/classes")

_LANGUAGES = ("th", "en", "both")


@blueprint.get("/")
@requires(Permission.CHANGE_PEOPLE)
def choose() -> ResponseReturnValue:
    """Which class; the list of those that the officer sees."""
    with office().database.read() as session:
        classes = class_passwords.list_classes(session, officer().reach.accounts())
    return render_template(
        "class_slips.html", classes=classes, address=office().config.portal.public_url
    )


@blueprint.get("/slips.css")
@requires(Permission.CHANGE_PEOPLE)
def style() -> ResponseReturnValue:
    """How the slips look; the policy of the pages allows no style in them."""
    answer = make_response(password_style())
    answer.mimetype = "text/css"
    return answer


@blueprint.post("/")
@requires(Permission.CHANGE_PEOPLE)
def make() -> ResponseReturnValue:
    """Set the passwords of one class, and answer with the slips; nothing of them is kept."""
    here = redirect(url_for("class_slips.choose"))
    organisation, joint, class_name = request.form.get("class", "").partition("|")
    language = request.form.get("language", "th")
    if not joint or not class_name or language not in _LANGUAGES:
        flash(gettext("Choose a class."), "error")
        return here
    if request.form.get("sure") != "yes":
        flash(gettext("Tick that the passwords of now stop working."), "error")
        return here
    as_pdf = request.form.get("as") == "pdf"
    config = office().config
    terms = (config.site.name, config.portal.public_url, language, config.vouchers.wifi_ssid)
    try:
        with office().database.read() as session:
            accounts = class_passwords.of_classes(
                session, organisation, [class_name], officer().reach.accounts()
            )
            planned = class_passwords.plan(session, office(), accounts)
        octets = password_slips_pdf(planned.slips, *terms) if as_pdf else b""
        with office().database.write() as session:
            class_passwords.carry_out(session, office(), planned, officer().username)
    except BackendUnavailable:
        raise
    except NetAccessError as error:
        flash(explain(error), "error")
        return here
    if as_pdf:
        answer = make_response(octets)
        answer.headers["Content-Type"] = "application/pdf"
        answer.headers["Content-Disposition"] = 'attachment; filename="class-passwords.pdf"'
        return answer
    return render_template(
        "class_slips_print.html",
        class_name=class_name,
        pages=list(password_slips(planned.slips, *terms)),
        left=planned.left,
    )
