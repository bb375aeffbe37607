"""`/forgot`: a code to the proven mailbox or telephone. `/reset`: with it another password.

Every answer to `/forgot` is the same, whoever was named. Opening the link of a letter uses
nothing up: programs that check letters open it too.
"""

from __future__ import annotations

import time

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import throttle
from captive_portal.public.login import stale_form_text
from captive_portal.public.passwords import new_password_problems
from captive_portal.public.site import client_address, form_is_ours, page, portal
from captive_portal.web.i18n import gettext
from identity.domain.contacts import Channel
from identity.domain.registering import CODE_LIFETIME
from identity.services import forgotten

pages = Blueprint("forgotten", __name__)

ANSWER_SECONDS = 0.1
"""Every answer to a wish takes this long: writing a letter takes some milliseconds, and finding
nobody none, so that the time told who has a mailbox here."""

_LONGEST = 253
_LONGEST_CODE = 60


@pages.get("/forgot")
def ask() -> Response:
    """The form; where no code can be sent, whom to ask instead."""
    return _ask_page(200)


@pages.post("/forgot")
def send() -> Response:
    """Send a code where something is proven to send it to; the answer is the same otherwise."""
    typed = request.form.get("username", "").strip()[:_LONGEST]
    if not form_is_ours():
        return _ask_page(400, problem=stale_form_text(), username=typed)
    if not any(_ways().values()):
        return _ask_page(200)
    if not typed:
        told = gettext("Enter your user name, confirmed e-mail address or mobile number.")
        return _ask_page(422, errors={"username": told})
    checks = throttle.forgotten_checks(typed)
    wait = throttle.wait_text(checks)
    if wait:
        return _ask_page(429, problem=wait, username=typed)
    portal().limits.count(*checks)
    office, began = portal().office, time.monotonic()
    with office.database.write() as session:
        forgotten.ask(session, office, typed, client_address())
    time.sleep(max(0.0, ANSWER_SECONDS - (time.monotonic() - began)))
    return redirect(page("forgotten.form", sent="1"), 303)


@pages.get("/reset")
def form() -> Response:
    """The form for the code and the new password; `t` fills in the code."""
    return _reset_page(200, code=request.args.get("t", "")[:_LONGEST_CODE])


@pages.post("/reset")
def choose() -> Response:
    """Set the new password of whoever brings a good code."""
    code = request.form.get("code", "").strip()[:_LONGEST_CODE]
    if not form_is_ours():
        return _reset_page(400, problem=stale_form_text(), code=code)
    checks = throttle.code_checks()
    wait = throttle.flood_text(checks)
    if wait:
        return _reset_page(429, problem=wait, code=code)
    password = request.form.get("password", "")
    errors = new_password_problems(password, request.form.get("password_again", ""))
    if not code:
        errors = {"code": gettext("Enter the code from the message."), **errors}
    if errors:
        return _reset_page(422, errors=errors, code=code)
    office = portal().office
    with office.database.read() as session:
        is_good = forgotten.is_good(session, office, code)
    hashed = office.passwords.hash(password) if is_good else ""
    ends = request.form.get("end_sessions") == "yes"
    account = None
    if is_good:
        with office.database.write() as session:
            account = forgotten.choose(session, office, code, hashed, password, ends)
    if account is None:
        wait = throttle.miss_text(checks)
        if wait:
            return _reset_page(429, problem=wait, code=code)
        problem = gettext("This code is not right or too old. Please check the message.")
        return _reset_page(422, errors={"code": problem}, code=code)
    return redirect(page("login.form", u=account.username, changed="1"), 303)


def _ask_page(status: int, **values: object) -> Response:
    text = render_template(
        "forgot.html",
        **{
            "errors": {},
            **_ways(),
            **values,
        },
    )
    return make_response(text, status)


def _ways() -> dict[str, bool]:
    """How codes can be sent here, as the templates ask."""
    office = portal().office
    return {
        "by_mail": forgotten.can_send(office, Channel.MAIL),
        "by_sms": forgotten.can_send(office, Channel.SMS),
    }


def _reset_page(
    status: int, *, code: str = "", problem: str = "", errors: dict[str, str] | None = None
) -> Response:
    text = render_template(
        "reset.html",
        code=code,
        problem=problem,
        errors=errors or {},
        sent=request.args.get("sent") == "1" and not problem and not errors,
        minutes=int(CODE_LIFETIME.total_seconds()) // 60,
        minimum_length=portal().office.config.passwords.minimum_length,
        **_ways(),
    )
    return make_response(text, status)
