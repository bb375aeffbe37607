"""`/`: the login page, user name and password."""

from __future__ import annotations

from flask import Blueprint, make_response, render_template, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from captive_portal.public import sign_ins, throttle
from captive_portal.public.messages import (
    has_thai_letters,
    is_wrong_password,
    keyboard_hint,
    refusal_text,
)
from captive_portal.public.site import form_is_ours, portal, visit
from captive_portal.public.visits import nas_of_visit
from captive_portal.vendors.profile import Outcome
from captive_portal.web.i18n import gettext
from common.errors import UsageError
from db.models import Registration
from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from identity.domain.admission import RegistrationState, clean_username, format_code
from identity.services.login import prove_password, record_decision

pages = Blueprint("login", __name__)

_LONGEST = 253


@pages.get("/")
def form() -> Response:
    """The empty form; `u` fills in a user name somebody has just been given."""
    notice = ""
    if request.args.get("refused") == Outcome.SILENT:
        notice = gettext("The network's controller does not answer. Please try again in a minute.")
    elif request.args.get("refused"):
        notice = gettext("The network did not accept the sign-in. Please sign in once more.")
    elif request.args.get("signed_out"):
        notice = gettext("You are signed out of this page.")
    elif request.args.get("again"):
        notice = gettext("Please sign in once more for this device.")
    elif request.args.get("changed"):
        notice = gettext("The new password is set. Sign in with it.")
    return _page(200, username=request.args.get("u", "")[:_LONGEST], notice=notice)


@pages.post("/")
def submit() -> Response:
    """Check user name and password; a good pair goes on by 303, a bad one gets the form again."""
    username = request.form.get("username", "").strip()[:_LONGEST]
    password = request.form.get("password", "")
    if not form_is_ours():
        return _page(400, username=username, problem=stale_form_text())
    errors = {}
    if not username:
        errors["username"] = gettext("Enter your user name.")
    if not password:
        errors["password"] = gettext("Enter your password.")
    if errors:
        return _page(422, username=username, errors=errors)
    checks = throttle.login_checks(username)
    wait = throttle.wait_text(checks)
    if wait:
        return _page(429, username=username, problem=wait)
    proof = prove_password(portal().office, username, password)
    decision = proof.decision
    if isinstance(decision, Granted) and portal().gate.is_closed():
        decision = Denied(Reason.DISK_FULL, Method.PORTAL, decision.account.account_id)
    nas = nas_of_visit()
    record_decision(
        portal().office, decision, username, visit().mac or None, nas.id if nas else None
    )
    if isinstance(decision, Unavailable):
        return _page(503, username=username, problem=refusal_text(decision))
    if isinstance(decision, Granted):
        return sign_ins.begin(decision, proof=proof)
    portal().limits.count(*checks)
    return _refused(decision, username, password)


def _refused(decision: Denied, username: str, password: str) -> Response:
    reference, hint = "", ""
    problem = refusal_text(decision)
    if is_wrong_password(decision):
        reference = _waiting_reference(username, password)
        if has_thai_letters(username + password):
            hint = keyboard_hint()
    if reference:
        problem = gettext("Your registration is still waiting for approval.")
    return _page(422, username=username, problem=problem, hint=hint, reference=reference)


def _waiting_reference(username: str, password: str) -> str:
    """The reference of the pending application this pair belongs to, or the empty text.

    One more hash is checked for every refused pair, so the time tells nothing.
    """
    office = portal().office
    try:
        name = clean_username(username)
    except UsageError:
        name = ""
    with office.database.read() as session:
        waiting = session.scalar(
            select(Registration).where(
                Registration.username == name,
                Registration.state.in_((RegistrationState.DRAFT, RegistrationState.PENDING)),
            )
        )
    proven = office.passwords.verify(waiting.password_hash if waiting else None, password)
    return format_code(waiting.reference) if waiting is not None and proven else ""


def stale_form_text() -> str:
    """What to say when a form came back too late or from another address."""
    return gettext("This page was open too long. Please check what you typed and send it again.")


def _page(status: int, **values: object) -> Response:
    return make_response(render_template("login.html", **{"errors": {}, **values}), status)
