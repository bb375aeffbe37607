"""`/connect`: hand the gateway a one-time token for somebody this portal has proven.

The school password never travels to an access point; the form's target is the address
registered for the NAS. After it the gateway sends the browser back to our status page.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, make_response, redirect, render_template
from werkzeug.wrappers import Response

from captive_portal.public import throttle
from captive_portal.public.devices import may_join
from captive_portal.public.messages import refusal_text
from captive_portal.public.sign_ins import holder, sign_in_text
from captive_portal.public.site import page, portal, public_root, visit
from captive_portal.public.visits import arrival_of_visit, can_hand_over, gateway_of, nas_of_visit
from captive_portal.vendors.profile import (
    BrowserStep,
    Completion,
    Entry,
    FetchStep,
    ServerStep,
)
from captive_portal.vendors.registry import vendor_called
from captive_portal.web.i18n import gettext
from captive_portal.web.security_headers import allow_form_target
from db.models import Account
from identity.domain.access import Denied, Method, Reason
from identity.services import gateway_requests
from identity.services.tokens import mint

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
        if not may_join(session, office, current.account.id, visit().mac):
            refusal = refusal_text(Denied(Reason.VOUCHER_DEVICES, Method.VOUCHER))
            return make_response(render_template("connect.html", problem=refusal), 403)
        token = mint(session, office, current.account, visit().mac or None, nas.id)
    entry = Entry(
        username=token.username,
        token=token.token,
        destination=public_root() + page("status.show", joined="1"),
        **_limits(current.account),
    )
    step = vendor_called(nas.vendor).step(arrival_of_visit(), gateway_of(nas), entry)
    if isinstance(step, FetchStep):
        return _await(step, nas.id)
    return _follow(step) if isinstance(step, BrowserStep) else _call(step)


def _limits(account: Account) -> dict[str, int | None]:
    role = account.role
    return {
        "session_seconds": role.session_seconds,
        "down_kbps": role.down_kbps,
        "up_kbps": role.up_kbps,
    }


def _follow(step: BrowserStep) -> Response:
    if step.method == "get":
        # No redirect: the login form's policy would hold for it, and Chromium would stop it.
        query = urlencode(step.fields)
        joint = "&" if "?" in step.url else "?"
        link = f"{step.url}{joint}{query}" if query else step.url
        return make_response(render_template("connect.html", link=link))
    parts = urlsplit(step.url)
    allow_form_target(f"{parts.scheme}://{parts.netloc}")
    return make_response(render_template("connect.html", target=step.url, fields=step.fields))


def _await(step: FetchStep, nas_id: int) -> Response:
    """Lay the grant ready, and look every two seconds whether the gateway has taken it."""
    office = portal().office
    now = office.clock()
    with office.database.write() as session:
        grant = gateway_requests.find_grant(session, nas_id, step.key)
        if grant is None or grant.created_at < now - gateway_requests.GRANT_LIFETIME:
            here = visit()
            gateway_requests.offer(session, nas_id, step.key, step.carried, here.mac, here.ip, now)
        elif grant.acknowledged_at is not None:
            return _completed(Completion.GRANTED)
        elif grant.decided == "":
            session.delete(grant)
            return _completed(Completion.REFUSED)
    return _completed(Completion.NOT_YET)


def _call(step: ServerStep) -> Response:
    return _completed(step.run())


def _completed(completion: Completion) -> Response:
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
