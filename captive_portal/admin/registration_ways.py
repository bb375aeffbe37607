"""How visitors register for a role: one form beside what the role grants."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, IntegerField, SelectField, StringField
from wtforms.validators import Optional

from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import Form, at_most, between, offer
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import WAYS, explain
from common.errors import BackendUnavailable, NetAccessError
from db.models import Role
from identity.domain.registering import LONGEST_PROVISIONAL_MINUTES, Way
from identity.services import registration_ways as services

blueprint = Blueprint("registration_ways", __name__, url_prefix="/roles")
_ = lazy_gettext


class WayForm(Form):
    """What an officer chooses."""

    way = SelectField(_("Visitors register by"))
    needs_approval = BooleanField(_("An officer approves as well"))
    provisional_minutes = IntegerField(
        _("Minutes on the network to read a message"),
        [Optional(), between(0, LONGEST_PROVISIONAL_MINUTES)],
    )
    answerable = StringField(_("Who answers for them"), [Optional(), at_most(253)])
    may_sponsor = BooleanField(_("People of this role may receive guests"))


@blueprint.route("/<int:role_id>/registration", methods=["GET", "POST"])
@requires(Permission.CHANGE_ROLES)
def change(role_id: int) -> ResponseReturnValue:
    """Show and store how visitors register for one role."""
    with office().database.read() as session:
        role = session.get(Role, role_id)
        if role is None:
            abort(404)
        choice = services.choice_of(session, office(), role)
    form = WayForm(request.form) if request.method == "POST" else WayForm(obj=choice)
    form.way.choices = offer(WAYS.items())
    if request.method == "GET":
        form.way.data = choice.way.value
        form.answerable.data = choice.answerable or officer().username
        return render_template("role_registration.html", form=form, role=role, error=None)
    error: str | None = gettext("Please correct the marked fields.")
    if form.validate():
        try:
            with office().database.write() as session:
                services.set_choice(
                    session,
                    office(),
                    role.name,
                    officer().username,
                    way=Way(str(form.way.data)),
                    needs_approval=bool(form.needs_approval.data),
                    provisional_minutes=form.provisional_minutes.data or 0,
                    answerable=form.answerable.data or "",
                    may_sponsor=bool(form.may_sponsor.data),
                )
        except BackendUnavailable:
            raise
        except NetAccessError as refusal:
            error = explain(refusal)
        else:
            flash(gettext("Stored how visitors register."), "done")
            return redirect(url_for("roles.listing"))
    return render_template("role_registration.html", form=form, role=role, error=error), 422
