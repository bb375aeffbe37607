"""The custody register: exhibits, their way through hands, and the form that goes with them.

Bundles are made at the console (`yuenyan evidence export`); nothing here reads records.
"""

from __future__ import annotations

from flask import (
    Blueprint,
    abort,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from captive_portal.admin.desk import office, officer
from captive_portal.admin.paging import fetch_page
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import CUSTODY_FIELDS, CUSTODY_REFUSALS
from common.errors import ArchiveError
from db.models import Exhibit
from traffic.evidence import custody
from traffic.evidence.custody import NewStep, Step
from traffic.evidence.forms import form_of

blueprint = Blueprint("custody", __name__, url_prefix="/custody")

_TYPES = {".pdf": "application/pdf", ".html": "text/html", ".txt": "text/plain"}
_LONGEST = 500
_STEPS = [step for step in Step if step is not Step.CREATED]


@blueprint.get("/")
@requires(Permission.VIEW_CUSTODY)
def listing() -> ResponseReturnValue:
    """Exhibits, newest first, and whether the register is whole."""
    case = request.args.get("case", "").strip()
    statement = select(Exhibit).order_by(Exhibit.id.desc())
    if case:
        statement = statement.where(Exhibit.case_reference.icontains(case, autoescape=True))
    with office().database.read() as session:
        page = fetch_page(session, statement)
        last = {row.id: custody.steps_of(session, row.id)[-1:] for (row,) in page.rows}
        broken = _find_break(session)
    return render_template("custody.html", page=page, last=last, case=case, broken=broken)


def _find_break(session: Session) -> str:
    try:
        return custody.find_break(session, custody.archived_steps(office().config))
    except ArchiveError as error:
        return str(error)


@blueprint.get("/<int:exhibit_id>")
@requires(Permission.VIEW_CUSTODY)
def show(exhibit_id: int) -> ResponseReturnValue:
    """One exhibit with every step."""
    with office().database.read() as session:
        row = session.get(Exhibit, exhibit_id)
        if row is None:
            abort(404)
        steps = custody.steps_of(session, exhibit_id)
    return render_template("custody_one.html", row=row, steps=steps, choices=_STEPS)


@blueprint.post("/<int:exhibit_id>/steps")
@requires(Permission.ENTER_CUSTODY)
def enter(exhibit_id: int) -> ResponseReturnValue:
    """Enter what happened to an exhibit."""
    fields = ("person", "officer_id", "document", "place", "note")
    told = {name: request.form.get(name, "").strip()[:_LONGEST] for name in fields}
    chosen = request.form.get("step", "")
    if chosen not in _STEPS:
        abort(400)
    new = NewStep(step=Step(chosen), **told)
    with office().database.read() as session:
        before = [Step(step.step) for step in custody.steps_of(session, exhibit_id)]
    if not before:
        abort(404)
    no, lacking = custody.refusal(before, new.step), custody.missing(new)
    if no is not None:
        flash(str(CUSTODY_REFUSALS[no.name]), "error")
    elif lacking:
        names = ", ".join(str(CUSTODY_FIELDS[name]) for name in lacking)
        flash(gettext("For this step fill in: %(names)s", names=names), "error")
    else:
        now = office().clock()
        custody.add_step(office().database, now, exhibit_id, new, officer().username)
        flash(gettext("Entered."), "done")
    return redirect(url_for("custody.show", exhibit_id=exhibit_id))


@blueprint.get("/<int:exhibit_id>/form")
@requires(Permission.VIEW_CUSTODY)
def form(exhibit_id: int) -> ResponseReturnValue:
    """The custody form to print: PDF where this machine can make it, else HTML."""
    with office().database.read() as session:
        forms = form_of(session, office().config, exhibit_id)
    if forms is None:
        abort(404)
    suffix = ".pdf" if ".pdf" in forms else ".html"
    response = make_response(forms[suffix])
    response.mimetype = _TYPES[suffix]
    name = f"custody-{exhibit_id}{suffix}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
