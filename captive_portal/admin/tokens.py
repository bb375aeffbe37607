"""Tokens for programs: one's own, a new one, the end of one; administrators see everybody's.

Only the owner makes one here, with the password: whoever finds an unlocked screen must not take
away a year's access.
"""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import BooleanField, IntegerField, PasswordField, SelectField, StringField

from captive_portal.admin.desk import client_address, desk, office, officer
from captive_portal.admin.forms import (
    Form,
    at_most,
    between,
    needed,
    needed_number,
    offer,
    organisation_choices,
)
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import LEVELS, explain
from common.errors import BackendUnavailable, NetAccessError, NotFound
from db.models import Account, ApiToken
from identity.domain.access import Granted, Unavailable
from identity.domain.api_tokens import LONGEST, USUAL_DAYS
from identity.domain.levels import in_order
from identity.services import api_tokens, token_endings
from identity.services.login import check_password

blueprint = Blueprint("tokens", __name__, url_prefix="/tokens")
_ = lazy_gettext


class NewToken(Form):
    """What a program is to be let do, and for how long."""

    name = StringField(_("What it is for"), [needed(), at_most(api_tokens.MOST_NAME)])
    level = SelectField(_("In which of your duties"), validate_choice=True)
    organisation = SelectField(_("Sees"), validate_choice=True)
    days = IntegerField(_("Days it lasts"), [needed_number(), between(1, LONGEST.days)])
    names = BooleanField(_("May unlock names, under the same rules as you"))
    password = PasswordField(_("Your password"), [needed(), at_most(1024)])


@blueprint.get("/")
@requires(Permission.HOLD_TOKENS)
def listing() -> ResponseReturnValue:
    """One's own tokens, or everybody's in reach."""
    now = office().clock()
    mine = None if officer().may(Permission.CHANGE_OFFICERS) else officer().account_id
    with office().database.read() as session:
        rows = [
            (token, owner, code, token_endings.state_of(token, now).value)
            for token, owner, code in api_tokens.list_tokens(
                session, officer().reach, account_id=mine
            )
        ]
    return render_template("tokens.html", rows=rows)


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.HOLD_TOKENS)
def add() -> ResponseReturnValue:
    """Make a token of one's own; its text is on the page that answers, and nowhere else."""
    form = NewToken(request.form)
    form.level.choices = offer([(one.value, str(LEVELS[one])) for one in officer().levels])
    with office().database.read() as session:
        choices = organisation_choices(session, officer().reach)
    form.organisation.choices = offer(
        [("", gettext("everything that you see")), *(choice for choice in choices if choice[0])]
    )
    if request.method == "GET":
        form.days.data = USUAL_DAYS
        return render_template("token_new.html", form=form, error=None)
    error = gettext("Please correct the marked fields.")
    if form.validate():
        if not desk().attempts.admit(officer().username, client_address()):
            error = gettext("Too many attempts")
        elif not _is_password(form.password.data or ""):
            error = gettext("The password is not right.")
        else:
            made = _create(form)
            if not isinstance(made, str):
                return render_template("token_made.html", token=made[0], text=made[1])
            error = made
    return render_template("token_new.html", form=form, error=error), 422


@blueprint.post("/<int:token_id>/revoke")
@requires(Permission.HOLD_TOKENS)
def revoke(token_id: int) -> ResponseReturnValue:
    """End a token: the own, or as administrator anybody's in reach."""
    try:
        with office().database.write() as session:
            found = api_tokens.get(session, token_id)
            owner = session.get_one(Account, found.account_id)
            is_mine = owner.id == officer().account_id
            may_end = officer().may(Permission.CHANGE_OFFICERS)
            if not is_mine and not (may_end and officer().reach.covers(owner.organisation_id)):
                abort(404)
            api_tokens.revoke(session, office(), token_id, officer().username)
    except NotFound:
        abort(404)
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        flash(explain(refusal), "error")
    else:
        flash(gettext("Token %(name)s is revoked.", name=found.name), "done")
    return redirect(url_for("tokens.listing"))


def _create(form: NewToken) -> tuple[ApiToken, str] | str:
    wanted = api_tokens.Wanted(
        name=form.name.data or "",
        levels=in_order([form.level.data]),
        days=form.days.data or 0,
        organisation=form.organisation.data or None,
        names=form.names.data,
    )
    try:
        with office().database.write() as session:
            owner = session.get_one(Account, officer().account_id)
            return api_tokens.create(session, office(), owner, wanted, officer().username)
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        return explain(refusal)


def _is_password(password: str) -> bool:
    decision = check_password(office(), officer().username, password, local_only=True)
    if isinstance(decision, Unavailable):
        raise BackendUnavailable(decision.backend)
    return isinstance(decision, Granted)
