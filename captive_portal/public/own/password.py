"""`/me/password`: choose another password; the old one is needed.

Every other sign-in to this portal ends with it; this one goes on under a new key. What is on
the network stays or ends, as its owner chooses.
"""

from __future__ import annotations

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import sign_ins, steps
from captive_portal.public.login import stale_form_text
from captive_portal.public.messages import has_thai_letters, keyboard_hint
from captive_portal.public.own.desk import current, form_is_mine, need_sign_in, prove_again
from captive_portal.public.passwords import new_password_problems
from captive_portal.public.site import client_address, portal
from captive_portal.web.i18n import gettext
from common.errors import Refused
from db.models import Credential
from identity.services import forgotten, own_sessions, people
from identity.services.presence import session_of

pages = Blueprint("own_password", __name__, url_prefix="/me/password")
pages.before_request(need_sign_in)


@pages.get("")
def form() -> Response:
    """The form; or where the password is changed when it is not kept here."""
    return _page(200)


@pages.post("")
def submit() -> Response:
    """Check the old password and the new one, store it, and go on with a fresh sign-in."""
    account, office = current().account, portal().office
    if not form_is_mine():
        return _page(400, problem=stale_form_text())
    if not _is_kept_here():
        return _page(403)
    password = request.form.get("password", "")
    errors = new_password_problems(password, request.form.get("password_again", ""))
    old = request.form.get("old_password", "")
    if not errors and old == password:
        errors["password"] = gettext("This is the old password. Choose another one.")
    if not errors or not old:
        problem = prove_again(old)
        if problem:
            errors = {"old_password": problem, **errors}
    if errors:
        hint = keyboard_hint() if has_thai_letters(old) else ""
        return _page(422, errors=errors, hint=hint)
    hashed = office.passwords.hash(password)
    is_first = _must_change()
    try:
        with office.database.write() as session:
            people.set_password(
                session, office, account.username, hashed, account.username, password
            )
            if request.form.get("end_sessions") == "yes":
                here = session_of(session, client_address()) if client_address() else None
                own_sessions.end_others(
                    session, office, account, here.session_key if here else None
                )
    except Refused:
        return _page(403)
    if is_first:
        return sign_ins.begin_again(account.id, current().sign_in.method)
    return sign_ins.begin_again(account.id, current().sign_in.method, changed="1")


def _must_change() -> bool:
    return steps.must_change(current().account.id)


def _is_kept_here() -> bool:
    account = current().account
    if account.origin is not None:
        return False
    with portal().office.database.read() as session:
        return session.get(Credential, account.id) is not None


def _page(
    status: int,
    *,
    problem: str = "",
    errors: dict[str, str] | None = None,
    hint: str = "",
) -> Response:
    account, office = current().account, portal().office
    text = render_template(
        "own/password.html",
        is_first=_must_change(),
        kept_here=_is_kept_here(),
        where=forgotten.where_kept(office, account) if account.origin else "",
        minimum_length=office.config.passwords.minimum_length,
        username=account.username,
        problem=problem,
        errors=errors or {},
        hint=hint,
    )
    return make_response(text, status)
