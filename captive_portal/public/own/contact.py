"""`/me/mailbox`: the e-mail address that a forgotten password's code goes to, proven by a code."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import throttle
from captive_portal.public.login import stale_form_text
from captive_portal.public.own.desk import (
    came_by_voucher,
    current,
    form_is_mine,
    need_sign_in,
    own_page,
    prove_again,
)
from captive_portal.public.site import client_address, portal
from captive_portal.web.i18n import gettext
from common.errors import Refused, UsageError
from identity.services import contacts

pages = Blueprint("own_mailbox", __name__, url_prefix="/me/mailbox")
pages.before_request(need_sign_in)

_LONGEST = 200


@pages.get("")
def form() -> Response:
    """The mailbox that is known, and the form for another one."""
    return _page(200)


@pages.post("")
def submit() -> Response:
    """What the form that was sent asks for; one address, so that its answer can be shown again."""
    steps = {"begin": _begin, "confirm": _confirm, "remove": _remove}
    step = steps.get(request.form.get("do", ""))
    if step is None or not form_is_mine():
        return _page(400, problem=stale_form_text())
    if came_by_voucher() or not portal().office.config.mail.host:
        return _page(403)
    return step()


def _begin() -> Response:
    """Mail a code to the mailbox that was typed; the password is needed."""
    typed = request.form.get("mailbox", "").strip()[:_LONGEST]
    errors: dict[str, str] = {}
    try:
        contacts.clean_mailbox(typed)
    except UsageError:
        errors["mailbox"] = gettext("This is no e-mail address. Write it like name@example.com.")
    wrong = "" if errors else prove_again(request.form.get("old_password", ""))
    if wrong:
        errors["old_password"] = wrong
    if errors:
        return _page(422, errors=errors, mailbox=typed)
    checks = throttle.mailbox_checks(current().account.id)
    wait = throttle.wait_text(checks)
    if wait:
        return _page(429, problem=wait, mailbox=typed)
    portal().limits.count(*checks)
    office = portal().office
    try:
        with office.database.write() as session:
            contacts.begin(session, office, current().account, typed, client_address())
    except Refused:
        return _page(
            422,
            problem=gettext("No more codes can be mailed today. Please try again tomorrow."),
            mailbox=typed,
        )
    return redirect(own_page("own_mailbox.form", sent="1"), 303)


def _confirm() -> Response:
    """Keep the mailbox whose code came back."""
    checks = throttle.code_checks()
    wait = throttle.flood_text(checks)
    if wait:
        return _page(429, problem=wait, asks_code=True)
    office = portal().office
    with office.database.write() as session:
        is_good = contacts.confirm(
            session, office, current().account, request.form.get("code", "")[:60]
        )
    if not is_good:
        wait = throttle.miss_text(checks)
        if wait:
            return _page(429, problem=wait, asks_code=True)
        return _page(
            422,
            errors={"code": gettext("This code is not right or too old. Please check the letter.")},
            asks_code=True,
        )
    return redirect(own_page("own_mailbox.form", done="1"), 303)


def _remove() -> Response:
    """Take the mailbox out; the password is needed."""
    problem = prove_again(request.form.get("old_password", ""))
    if problem:
        return _page(422, problem=problem)
    office = portal().office
    with office.database.write() as session:
        contacts.drop(session, office, current().account)
    return redirect(own_page("own_mailbox.form"), 303)


def _page(
    status: int,
    *,
    problem: str = "",
    errors: dict[str, str] | None = None,
    mailbox: str = "",
    asks_code: bool = False,
) -> Response:
    with portal().office.database.read() as session:
        known = contacts.mailbox_of(session, current().account.id)
    text = render_template(
        "own/mailbox.html",
        known=known,
        mailbox=mailbox,
        asks_code=asks_code or (request.args.get("sent") == "1" and not problem and not errors),
        is_done=request.args.get("done") == "1" and not problem and not errors,
        is_possible=bool(portal().office.config.mail.host) and not came_by_voucher(),
        problem=problem,
        errors=errors or {},
    )
    return make_response(text, status)
