"""`/guests`: a host signs in, sees who named them, and agrees or refuses.

The address stands in a letter, and filters of mail servers open every address: what is opened
only shows, and shows nothing without the host's own sign-in.
"""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import sign_ins, steps, throttle
from captive_portal.public.login import stale_form_text
from captive_portal.public.messages import refusal_text
from captive_portal.public.own.desk import form_is_mine
from captive_portal.public.sign_ins import holder, sign_in_text
from captive_portal.public.site import form_is_ours, page, portal
from captive_portal.web.i18n import gettext
from common.errors import NotFound, Refused
from db.models import Account
from identity.domain.access import Granted
from identity.domain.admission import format_code
from identity.domain.registering import STAYS, USUAL_STAY
from identity.services import hosting, hosts
from identity.services.login import check_password, record_decision

pages = Blueprint("guests", __name__)


@pages.get("/guests")
def listing() -> Response:
    """Who waits for the host who is signed in; else the form to sign in."""
    return _listing(200)


@pages.get("/guests/<reference>")
def show(reference: str) -> Response:
    """One visitor and the two forms; else the form to sign in."""
    return _one(200, reference)


@pages.post("/guests/sign-in")
def sign_in() -> Response:
    """Check user name and password of a host."""
    username = request.form.get("username", "").strip()[:253]
    reference = request.args.get("reference", "")[:40]
    if not form_is_ours():
        return _sign_in_page(400, reference, username, stale_form_text())
    checks = throttle.login_checks(username)
    wait = throttle.wait_text(checks)
    if wait:
        return _sign_in_page(429, reference, username, wait)
    office = portal().office
    decision = check_password(office, username, request.form.get("password", ""))
    record_decision(office, decision, username, None)
    if not isinstance(decision, Granted):
        portal().limits.count(*checks)
        return _sign_in_page(422, reference, username, refusal_text(decision))
    if steps.still_asked(decision.account.account_id):
        return sign_ins.begin(decision)
    if reference:
        return sign_ins.begin(decision, "guests.show", reference=reference)
    return sign_ins.begin(decision, "guests.listing")


@pages.post("/guests/<reference>/agree")
def agree(reference: str) -> Response:
    """Let the visitor in for as long as the form says."""
    host, stay = _host(), request.form.get("stay", "")
    if host is None:
        return _sign_in_page(403, reference)
    if not form_is_mine():
        return _one(400, reference, problem=stale_form_text())
    if stay not in STAYS:
        return _one(422, reference, errors={"stay": gettext("Choose how long.")})
    office = portal().office
    try:
        with office.database.write() as session:
            hosting.agree(session, office, reference, host, stay)
    except NotFound:
        return _one(404, reference)
    except Refused:
        return _one(409, reference, problem=_why_not())
    return redirect(page("guests.listing", s=sign_in_text(), done="agreed"), 303)


@pages.post("/guests/<reference>/refuse")
def refuse(reference: str) -> Response:
    """Refuse the visitor; the reason is what they read."""
    host, reason = _host(), request.form.get("reason", "").strip()[:500]
    if host is None:
        return _sign_in_page(403, reference)
    if not form_is_mine():
        return _one(400, reference, problem=stale_form_text())
    if not reason:
        wrong = gettext("Give a reason; the visitor reads it.")
        return _one(422, reference, errors={"reason": wrong})
    office = portal().office
    try:
        with office.database.write() as session:
            hosting.decline(session, office, reference, host, reason)
    except NotFound:
        return _one(404, reference)
    except Refused:
        return _one(409, reference, problem=_why_not())
    return redirect(page("guests.listing", s=sign_in_text(), done="refused"), 303)


@pages.post("/guests/refuse-all")
def refuse_all() -> Response:
    """Refuse everybody who was on the list; the reason is what they read."""
    host, reason = _host(), request.form.get("reason", "").strip()[:500]
    if host is None:
        return _sign_in_page(403, "")
    if not form_is_ours():
        return _listing(400, problem=stale_form_text())
    newest = request.form.get("newest", "")
    if not reason or not newest.isascii() or not newest.isdigit() or len(newest) > 18:
        wrong = gettext("Give a reason; the visitor reads it.")
        return _listing(422, errors={"reason": wrong})
    office = portal().office
    try:
        with office.database.write() as session:
            hosting.decline_all(session, office, host, int(newest), reason)
    except (NotFound, Refused):
        return _listing(409, problem=_why_not())
    return redirect(page("guests.listing", s=sign_in_text(), done="refused"), 303)


def _host() -> Account | None:
    """Whoever is signed in, may receive guests, and has nothing else to do first.

    A password that somebody else printed proves no host (steps.py).
    """
    current, office = holder(), portal().office
    if current is None or steps.still_asked(current.account.id) is not None:
        return None
    with office.database.read() as session:
        may = hosts.may_receive(session, current.account, office.clock())
    return current.account if may else None


def _listing(status: int, **values: object) -> Response:
    host = _host()
    if host is None:
        return _sign_in_page(status, "")
    with portal().office.database.read() as session:
        waiting = hosting.waiting_for(session, host)
    text = render_template(
        "guests.html",
        **{
            "waiting": waiting,
            "newest": max((row.id for row in waiting), default=0),
            "printed": format_code,
            "host": host,
            "s": sign_in_text(),
            "done": request.args.get("done", ""),
            "errors": {},
            **values,
        },
    )
    return make_response(text, status)


def _one(status: int, reference: str, **values: object) -> Response:
    host = _host()
    if host is None:
        return _sign_in_page(status, reference)
    with portal().office.database.read() as session:
        found = hosting.find_waiting(session, host, reference)
    if found is None:
        # Answered, withdrawn, somebody else's or nobody's: the list says what there is.
        return redirect(page("guests.listing", s=sign_in_text(), done="gone"), 303)
    text = render_template(
        "guest.html",
        **{
            "visitor": found,
            "reference": format_code(found.reference),
            "stays": STAYS,
            "usual": request.form.get("stay", USUAL_STAY),
            "s": sign_in_text(),
            "errors": {},
            **values,
        },
    )
    return make_response(text, status)


def _why_not() -> str:
    return gettext("This visitor was answered before, or you may not receive guests any more.")


def _sign_in_page(status: int, reference: str, username: str = "", problem: str = "") -> Response:
    current = holder()
    waiting = steps.still_asked(current.account.id) if current is not None else None
    if waiting is not None and not problem:
        return redirect(page(waiting, s=sign_in_text()), 303)
    if current is not None and not problem:
        problem = gettext("With this account you cannot receive guests. Please ask the staff.")
    text = render_template(
        "guest_sign_in.html",
        reference=reference[:40],
        username=username,
        problem=problem,
        errors={},
    )
    return make_response(text, status)
