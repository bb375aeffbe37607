"""Consent of guardians at a desk: recorded, missing, one more, a file of them, withdrawn."""

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
from flask_babel import gettext, lazy_gettext
from wtforms import SelectField, StringField
from wtforms.validators import Optional, ValidationError

from captive_portal.admin.consent_words import HOWS, RELATIONS
from captive_portal.admin.desk import note_reading, office, officer
from captive_portal.admin.forms import Form, at_most, needed, offer, organisation_choices
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from common.errors import BackendUnavailable, NetAccessError, NotFound, Refused, UsageError
from common.thai_time import read_bound
from db.models import GuardianConsent, Person
from identity.domain.guardians import LONGEST_TEXT
from identity.services import guardians

blueprint = Blueprint("consents", __name__, url_prefix="/consents")
_ = lazy_gettext


class ConsentForm(Form):
    """What the paper says."""

    org = SelectField(_("Organisation"), validate_choice=True)
    person_code = StringField(_("Pupil's number"), [Optional(), at_most(60)])
    username = StringField(_("User name"), [Optional(), at_most(253)])
    guardian = StringField(_("Name of the guardian"), [needed(), at_most(LONGEST_TEXT)])
    relation = SelectField(_("Relation"))
    how = SelectField(_("How it was given"))
    given_on = StringField(_("Day of the signature"), [needed(), at_most(60)])
    text_version = StringField(_("Version of the text"), [needed(), at_most(LONGEST_TEXT)])
    document = StringField(_("Document number"), [needed(), at_most(LONGEST_TEXT)])

    def validate_given_on(self, field: StringField) -> None:
        try:
            read_bound(field.data or "", office().config.site.timezone, now=office().clock())
        except UsageError as error:
            told = gettext("Write the date like 22/11/2569 or 2026-11-22.")
            raise ValidationError(told) from error


class WithdrawalForm(Form):
    """On what it ends."""

    why = StringField(_("Reason"), [Optional(), at_most(LONGEST_TEXT)])


@blueprint.get("/")
@requires(Permission.KEEP_CONSENTS)
def listing() -> ResponseReturnValue:
    """The newest consents of people in reach, and who needs one and has none."""
    with office().database.read() as session:
        rows = guardians.list_consents(session, officer().reach)
        missing = guardians.list_missing(session, officer().reach)
        count = guardians.count_missing(session, officer().reach)
    note_reading("people:searched", "consents", results=len(rows) + len(missing))
    return render_template(
        "consents.html",
        rows=rows,
        missing=missing,
        count=count,
        relations=RELATIONS,
        hows=HOWS,
    )


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.KEEP_CONSENTS)
def add() -> ResponseReturnValue:
    """Record one consent."""
    form = ConsentForm(request.form)
    with office().database.read() as session:
        form.org.choices = offer(organisation_choices(session, officer().reach))
    form.relation.choices, form.how.choices = offer(RELATIONS.items()), offer(HOWS.items())
    if request.method == "GET":
        return render_template("consent_new.html", form=form, error=None)
    error = gettext("Please correct the marked fields.")
    if form.validate():
        try:
            fields = {name: str(value or "") for name, value in form.data.items()}
            zone, now = office().config.site.timezone, office().clock()
            given = guardians.read_line(fields, zone, now)
            with office().database.write() as session:
                reach = officer().reach
                person = guardians.find_person(
                    session, reach, fields["org"], fields["person_code"], fields["username"]
                )
                if guardians.record(session, office(), person, given, officer().username) is None:
                    raise Refused("this consent is recorded already")
        except BackendUnavailable:
            raise
        except NetAccessError as refusal:
            error = explain(refusal)
        else:
            flash(gettext("The consent is recorded."), "done")
            return redirect(url_for("consents.listing"))
    return render_template("consent_new.html", form=form, error=error), 422


@blueprint.get("/sample.csv")
@requires(Permission.KEEP_CONSENTS)
def sample() -> ResponseReturnValue:
    """A file of the right shape, as a spreadsheet opens it: with the mark of UTF-8."""
    lines = [
        guardians.COLUMNS,
        ("NNS", "45120", "นางสมศรี ใจดี", "มารดา", "เอกสาร", "22/11/2569", "2569-1", "ศธ 1/2569"),
    ]
    answer = make_response("\ufeff" + "".join(",".join(line) + "\r\n" for line in lines))
    answer.headers["Content-Type"] = "text/csv; charset=utf-8"
    answer.headers["Content-Disposition"] = 'attachment; filename="consents.csv"'
    return answer


@blueprint.post("/import")
@requires(Permission.KEEP_CONSENTS)
def import_file() -> ResponseReturnValue:
    """Record the consents of a CSV file; wrong lines are left out and told by their row."""
    sent = request.files.get("file")
    if sent is None:
        abort(400)
    try:
        with office().database.write() as session:
            found = guardians.import_csv(
                session, office(), sent.read(), officer().username, officer().reach
            )
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        flash(explain(refusal), "error")
        return redirect(url_for("consents.listing"))
    text = gettext(
        "Recorded: %(recorded)s, known already: %(known)s.",
        recorded=found.recorded,
        known=found.known,
    )
    flash(text, "done")
    if found.bad:
        rows = ", ".join(str(one.row) for one in found.bad[:50])
        flash(
            gettext("Not recorded, because something is wrong: rows %(rows)s.", rows=rows), "error"
        )
    return redirect(url_for("consents.listing"))


@blueprint.post("/<int:consent_id>/withdraw")
@requires(Permission.KEEP_CONSENTS)
def withdraw(consent_id: int) -> ResponseReturnValue:
    """End a consent."""
    form = WithdrawalForm(request.form)
    try:
        with office().database.write() as session:
            found = session.get(GuardianConsent, consent_id)
            person = session.get(Person, found.person_id) if found is not None else None
            if person is None or not officer().reach.covers(person.organisation_id):
                abort(404)
            why = (form.why.data or "") if form.validate() else ""
            guardians.withdraw(session, office(), consent_id, why, officer().username)
    except NotFound:
        abort(404)
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        flash(explain(refusal), "error")
    else:
        flash(gettext("The consent is withdrawn."), "done")
    return redirect(url_for("consents.listing"))
