"""Rules of use and notices: what is in force, every version, who has not accepted; a new one."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from captive_portal.admin.desk import note_reading, office, officer
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from captive_portal.web import plain_text
from captive_portal.web.drafts import draft_rules
from captive_portal.web.i18n import current_language
from common.errors import BackendUnavailable, NetAccessError
from db.models import Account, PublishedText
from identity.services import published
from identity.services.notices import Audience
from identity.services.published import Kind, Written

blueprint = Blueprint("texts", __name__, url_prefix="/texts")

_SHOWN = 200
"""Names of those who have not accepted; how many there are is told all the same."""


@blueprint.get("/")
@requires(Permission.VIEW_PEOPLE)
def listing() -> ResponseReturnValue:
    """Every version, and who has not accepted the rules in force yet."""
    with office().database.read() as session:
        rows = published.all_versions(session)
        in_force = published.in_force(session, Kind.ACCEPTABLE_USE, current_language())
        waiting: Sequence[Account] = ()
        number = 0
        if in_force is not None:
            mine = officer().reach.accounts()
            waiting = published.find_not_accepted(session, in_force, mine, limit=_SHOWN)
            number = published.count_not_accepted(session, in_force, mine)
    if in_force is not None:
        note_reading("people:searched", f"not accepted {in_force.version}", results=number)
    return render_template(
        "texts.html",
        rows=rows,
        in_force=in_force,
        waiting=waiting,
        number=number,
        kinds=_kinds(),
        audiences=_audiences(),
    )


@blueprint.get("/<int:text_id>")
@requires(Permission.VIEW_PEOPLE)
def show(text_id: int) -> ResponseReturnValue:
    """One text as people read it."""
    with office().database.read() as session:
        row = session.get(PublishedText, text_id)
    if row is None:
        abort(404)
    return render_template(
        "text_one.html",
        row=row,
        shown=plain_text.render(row.text),
        kinds=_kinds(),
        audiences=_audiences(),
    )


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.PUBLISH_TEXTS)
def add() -> ResponseReturnValue:
    """Publish a version; it is in force at once."""
    languages = office().config.site.languages
    kind = request.values.get("kind", Kind.ACCEPTABLE_USE)
    if kind not in set(Kind):
        abort(400)
    error: str | None = None
    if request.method == "POST":
        try:
            audience = Audience(request.form.get("audience", Audience.EVERYBODY))
        except ValueError:
            abort(400)
        try:
            with office().database.write() as session:
                published.publish(
                    session,
                    office(),
                    Kind(kind),
                    request.form.get("version", ""),
                    {
                        language: Written(
                            text=request.form.get(f"text_{language}", ""),
                            summary=request.form.get(f"summary_{language}", ""),
                        )
                        for language in languages
                    },
                    officer().username,
                    audience if kind == Kind.PRIVACY else Audience.EVERYBODY,
                )
        except BackendUnavailable:
            raise
        except NetAccessError as refusal:
            error = explain(refusal)
        else:
            flash(gettext("It is in force; people are asked at their next sign-in."), "done")
            return redirect(url_for("texts.listing"))
    filled = {
        name: request.form.get(name, "")
        for language in languages
        for name in (f"text_{language}", f"summary_{language}")
    }
    if request.method == "GET":
        filled |= _begin_with(Kind(kind))
    page = render_template(
        "text_new.html",
        kind=kind,
        filled=filled,
        version=request.form.get("version", ""),
        audience=request.form.get("audience", Audience.EVERYBODY),
        kinds=_kinds(),
        audiences=_audiences(),
        error=error,
    )
    return page, 200 if error is None else 422


def _begin_with(kind: Kind) -> dict[str, str]:
    """The text in force to begin with; of the rules else a draft of ours."""
    found: dict[str, str] = {}
    for language in office().config.site.languages:
        with office().database.read() as session:
            before = published.in_force(session, kind, language)
        if before is not None:
            found[f"text_{language}"] = before.text
        elif kind is Kind.ACCEPTABLE_USE:
            found[f"text_{language}"] = draft_rules(language)
    return found


def _kinds() -> dict[str, str]:
    return {
        Kind.ACCEPTABLE_USE: gettext("Rules of use"),
        Kind.PRIVACY: gettext("Privacy notice"),
    }


def _audiences() -> dict[str, str]:
    return {
        Audience.EVERYBODY: gettext("for everybody"),
        Audience.PUPIL: gettext("for pupils"),
        Audience.GUARDIAN: gettext("for parents and guardians"),
    }
