"""`/connect`: hand the gateway a one-time token for somebody this portal has proven.

The school password never travels to an access point; the form's target is the address
registered for the NAS. After it the gateway sends the browser back to our status page.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, make_response, redirect, render_template
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from captive_portal.public import throttle
from captive_portal.public.messages import refusal_text
from captive_portal.public.open_visits import close_open_visit
from captive_portal.public.sign_ins import holder, sign_in_text
from captive_portal.public.site import page, portal, public_root, visit
from captive_portal.public.visits import arrival_of_visit, can_hand_over, gateway_of, nas_of_visit
from captive_portal.vendors.profile import BrowserStep, Completion, Entry, ServerStep
from captive_portal.vendors.registry import vendor_called
from captive_portal.web.i18n import gettext
from captive_portal.web.security_headers import allow_form_target
from db.models import Account
from identity.services.tokens import mint
from identity.services.voucher_terms import place_of, profile_of
from identity.services.vouchers import may_join

pages = Blueprint("connect", __name__)


@pages.get("/connect")
def show() -> Response:
    """The page whose one form posts a fresh token to the gateway.

    `dst` is our status page, not the page first asked for: that one is mostly a phone's
    probe, and the status page links to it.
    """
    current = holder()
    if current is None:
        return redirect(page("login.form"), 302)
    nas = nas_of_visit()
    if nas is None or not can_hand_over(nas):
        return redirect(page("status.show", s=sign_in_text()), 302)
    checks = throttle.hand_off_checks(current.account.id)
    wait = throttle.wait_text(checks)
    if wait:
        return make_response(render_template("connect.html", problem=wait), 429)
    portal().limits.count(*checks)
    office = portal().office
    with office.database.write() as session:
        place = place_of(session, nas.id, visit().ssid)
        refused = may_join(session, office, current.account.id, visit().mac, place)
        if refused is not None:
            return make_response(
                render_template("connect.html", problem=refusal_text(refused)), 403
            )
        limits = _limits(session, current.account)
        close_open_visit(session)
        token = mint(session, office, current.account, visit().mac or None, nas.id)
    entry = Entry(
        username=token.username,
        token=token.token,
        destination=public_root() + page("status.show", joined="1"),
        **limits,
    )
    step = vendor_called(nas.vendor).step(arrival_of_visit(), gateway_of(nas), entry)
    return _follow(step) if isinstance(step, BrowserStep) else _call(step)


def _limits(session: Session, account: Account) -> dict[str, int | None]:
    """For a make that RADIUS tells nothing: what is left of the time, and the rates."""
    role = profile_of(session, account)
    seconds = role.session_seconds
    if account.expires_at is not None:
        left = max(1, int((account.expires_at - portal().office.clock()).total_seconds()))
        seconds = left if seconds is None else min(seconds, left)
    return {
        "session_seconds": seconds,
        "down_kbps": role.down_kbps,
        "up_kbps": role.up_kbps,
    }


def _follow(step: BrowserStep) -> Response:
    if step.method == "get":
        query = urlencode(step.fields)
        joint = "&" if "?" in step.url else "?"
        return redirect(f"{step.url}{joint}{query}" if query else step.url, 302)
    parts = urlsplit(step.url)
    allow_form_target(f"{parts.scheme}://{parts.netloc}")
    return make_response(render_template("connect.html", target=step.url, fields=step.fields))


def _call(step: ServerStep) -> Response:
    completion = step.run()
    if completion is Completion.GRANTED:
        return redirect(page("status.show", joined="1", s=sign_in_text()), 303)
    if completion is Completion.NOT_YET:
        again = page("connect.show", s=sign_in_text())
        return make_response(render_template("connect.html", again=again), 200)
    problem = (
        gettext("The network did not accept the sign-in. Please sign in once more.")
        if completion is Completion.REFUSED
        else gettext("The network's controller does not answer. Please try again in a minute.")
    )
    return make_response(render_template("connect.html", problem=problem), 503)
