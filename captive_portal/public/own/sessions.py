"""`/me/sessions`: my sessions, live and of the last days, and signing out elsewhere."""

from __future__ import annotations

import time

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import throttle
from captive_portal.public.belongings import belongings
from captive_portal.public.login import stale_form_text
from captive_portal.public.own.desk import (
    came_by_voucher,
    current,
    form_is_mine,
    need_sign_in,
    own_page,
)
from captive_portal.public.own.words import OUTCOMES, describe_end
from captive_portal.public.site import client_address, portal, visit
from captive_portal.web.i18n import gettext
from common.errors import NotFound, Refused
from common.net import find_mac, is_randomised_mac
from identity.domain.dynamic import State
from identity.services import outbox, own_sessions
from identity.services.own_devices import names_of
from identity.services.own_sessions import SHOWN_DAYS

pages = Blueprint("own_sessions", __name__, url_prefix="/me/sessions")
pages.before_request(need_sign_in)

WAIT_SECONDS = 3.0
"""Equipment answers within milliseconds; after this the page says that it is being tried."""

_POLL_SECONDS = 0.1


@pages.get("")
def show() -> Response:
    """The list."""
    return _page(200)


@pages.post("")
def end() -> Response:
    """Ask the equipment to end one of the own sessions, wait a moment, tell what came of it."""
    if not form_is_mine():
        return _page(400, stale_form_text())
    checks = throttle.own_ending_checks(current().account.id)
    wait = throttle.wait_text(checks)
    if wait:
        return _page(429, wait)
    portal().limits.count(*checks)
    office = portal().office
    key = request.form.get("session", "")[:200]
    try:
        with office.database.write() as session:
            number = own_sessions.end_own(
                session,
                office,
                current().account,
                key,
                belongings(session, current().account).only,
            )
    except NotFound:
        return _page(404, gettext("This connection is not in your list."))
    except Refused:
        return _page(409, gettext("This connection has ended already."))
    _wait_for(number)
    return redirect(own_page("own_sessions.show"), 303)


def _wait_for(number: int) -> None:
    """Return once the equipment has answered, or after a moment."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        with portal().office.database.read() as session:
            asked = outbox.find_request(session, number)
        if asked is None or asked.state != State.QUEUED:
            return
        time.sleep(_POLL_SECONDS)


def _page(status: int, problem: str = "") -> Response:
    office, here = portal().office, client_address()
    account = current().account
    with office.database.read() as session:
        mine = belongings(session, account)
        found = own_sessions.list_own(
            session, account.id, office.clock() - SHOWN_DAYS, only=mine.only
        )
        names = names_of(session, account.id)
    rows = [
        {
            "key": one.session_key,
            "name": names.get(one.mac, ""),
            "mac": one.mac,
            "is_private": find_mac(one.mac) is not None and is_randomised_mac(one.mac),
            "is_here": one.until is None
            and (here in one.addresses or (bool(one.mac) and one.mac == visit().mac)),
            "place": " · ".join(filter(None, (one.school, one.nas, one.ssid))),
            "addresses": one.addresses,
            "started_at": one.started_at,
            "until": one.until,
            "end": describe_end(one.ended),
            "octets": one.input_octets + one.output_octets,
            "asked": str(OUTCOMES[one.asked]) if one.asked is not None else "",
            "is_being_ended": one.asked is State.QUEUED,
        }
        for one in found
    ]
    text = render_template(
        "own/sessions.html",
        live=[row for row in rows if row["until"] is None],
        past=[row for row in rows if row["until"] is not None],
        days=SHOWN_DAYS.days,
        problem=problem,
        is_shared=mine.is_shared,
        by_voucher=came_by_voucher(),
    )
    return make_response(text, status)
