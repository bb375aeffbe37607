"""`/me/mailbox`, `/me/mobile`: where a forgotten password's code goes to, proven by a code."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import letters, throttle
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
from identity.domain.contacts import Channel, local_form
from identity.services import contacts
from identity.services.forgotten import can_send
from identity.services.messages import TooManyMessages

mailbox_pages = Blueprint("own_mailbox", __name__, url_prefix="/me/mailbox")
mobile_pages = Blueprint("own_mobile", __name__, url_prefix="/me/mobile")

_FIELDS = {Channel.MAIL: "mailbox", Channel.SMS: "mobile"}
_LONGEST = 200


@mailbox_pages.get("", defaults={"channel": Channel.MAIL})
@mobile_pages.get("", defaults={"channel": Channel.SMS})
def form(channel: Channel) -> Response:
    """What is known, and the form for another one."""
    return _page(200, channel)


@mailbox_pages.post("", defaults={"channel": Channel.MAIL})
@mobile_pages.post("", defaults={"channel": Channel.SMS})
def submit(channel: Channel) -> Response:
    """What the form that was sent asks for; one address, so that its answer can be shown again."""
    steps = {"begin": _begin, "confirm": _confirm, "remove": _remove}
    step = steps.get(request.form.get("do", ""))
    if step is None or not form_is_mine():
        return _page(400, channel, problem=stale_form_text())
    if came_by_voucher() or not can_send(portal().office, channel):
        return _page(403, channel)
    return step(channel)


for _pages in (mailbox_pages, mobile_pages):
    _pages.before_request(need_sign_in)


def _begin(channel: Channel) -> Response:
    """Send a code to what was typed; the password is needed."""
    name, office = _FIELDS[channel], portal().office
    typed = request.form.get(name, "").strip()[:_LONGEST]
    errors: dict[str, str] = {}
    try:
        contacts.clean(office, channel, typed)
    except UsageError:
        errors[name] = (
            gettext("Enter a mobile number like 081 234 5678.")
            if channel is Channel.SMS
            else gettext("This is no e-mail address. Write it like name@example.com.")
        )
    wrong = "" if errors else prove_again(request.form.get("old_password", ""))
    if wrong:
        errors["old_password"] = wrong
    if errors:
        return _page(422, channel, errors=errors, typed=typed)
    checks = throttle.mailbox_checks(current().account.id)
    wait = throttle.wait_text(checks)
    if wait:
        return _page(429, channel, problem=wait, typed=typed)
    portal().limits.count(*checks)
    try:
        with office.database.write() as session:
            contacts.begin(session, office, current().account, channel, typed, client_address())
    except TooManyMessages as error:
        return _page(429, channel, problem=letters.wait_text(error), typed=typed)
    except Refused:
        return _page(503, channel)
    return redirect(own_page(f"{request.blueprint}.form", sent="1"), 303)


def _confirm(channel: Channel) -> Response:
    """Keep the mailbox or number whose code came back."""
    checks = throttle.code_checks()
    wait = throttle.flood_text(checks)
    if wait:
        return _page(429, channel, problem=wait, asks_code=True)
    office, typed = portal().office, request.form.get("code", "")[:60]
    with office.database.write() as session:
        is_good = contacts.confirm(session, office, current().account, channel, typed)
    if not is_good:
        wait = throttle.miss_text(checks)
        if wait:
            return _page(429, channel, problem=wait, asks_code=True)
        problem = gettext("This code is not right or too old. Please check the message.")
        return _page(422, channel, errors={"code": problem}, asks_code=True)
    return redirect(own_page(f"{request.blueprint}.form", done="1"), 303)


def _remove(channel: Channel) -> Response:
    """Take the mailbox or number out; the password is needed."""
    problem = prove_again(request.form.get("old_password", ""))
    if problem:
        return _page(422, channel, errors={"remove-password": problem})
    office = portal().office
    with office.database.write() as session:
        contacts.drop(session, office, current().account, channel)
    return redirect(own_page(f"{request.blueprint}.form"), 303)


def _page(
    status: int,
    channel: Channel,
    *,
    problem: str = "",
    errors: dict[str, str] | None = None,
    typed: str = "",
    asks_code: bool = False,
) -> Response:
    office = portal().office
    with office.database.read() as session:
        known = contacts.address_of(session, current().account.id, channel)
    is_fresh = not problem and not errors
    text = render_template(
        "own/contact.html",
        by_sms=channel is Channel.SMS,
        known=local_form(known) if known else None,
        typed=typed,
        asks_code=asks_code or (request.args.get("sent") == "1" and is_fresh),
        is_done=request.args.get("done") == "1" and is_fresh,
        is_possible=can_send(office, channel) and not came_by_voucher(),
        problem=problem,
        errors=errors or {},
    )
    return make_response(text, status)
