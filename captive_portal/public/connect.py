"""`/connect`: hand the gateway a one-time token for somebody this portal has proven.

The school password never travels to an access point; where the browser or a call goes is
registered for the NAS. After it the gateway sends the browser back to our status page.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import steps, throttle
from captive_portal.public.asking_again import ask_again
from captive_portal.public.handing_over import hand_to
from captive_portal.public.messages import refusal_text
from captive_portal.public.sign_ins import FIELD, Holder, holder, sign_in_text
from captive_portal.public.site import (
    StaleVisit,
    client_address,
    page,
    portal,
    public_root,
    visit,
)
from captive_portal.public.visits import arrival_of_visit, can_hand_over, gateway_of, nas_of_visit
from captive_portal.vendors.profile import (
    AskAgainStep,
    BrowserStep,
    Completion,
    Entry,
    FetchStep,
    Forged,
    names_device,
)
from captive_portal.vendors.registry import vendor_called
from captive_portal.web.i18n import gettext
from captive_portal.web.security_headers import allow_form_target
from db.models import Account, NasClient, PortalToken
from identity.domain.access import Denied, Granted, Reason
from identity.services import hand_over
from identity.services.tokens import prepare

pages = Blueprint("connect", __name__)

_LOOKS = 5
"""So often the page asks by itself for a device that a controller has not noticed yet."""


@pages.get("/connect")
def show() -> Response:
    """The page that takes a fresh token to the gateway, or what came of the call to it.

    `dst` is our status page, not the page first asked for: that one is mostly a phone's
    probe, and the status page links to it.
    """
    current = holder()
    if current is None or not request.args.get(FIELD):
        # By the cookie alone a link from anywhere would do, with anybody's visit in it.
        return redirect(page("login.form"), 302)
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return redirect(page("login.form"), 302)
    nas = nas_of_visit()
    if nas is None or not can_hand_over(nas):
        return redirect(page("status.show", s=sign_in_text()), 302)
    waiting = steps.still_asked(current.account.id)
    if waiting is not None:
        return redirect(page(waiting, s=sign_in_text()), 302)
    checks = throttle.hand_off_checks(current.account.id, visit().mac or client_address())
    wait = throttle.wait_text(checks)
    if wait:
        return _problem(wait, 429)
    portal().limits.count(*checks)
    decision = _admit(current.account)
    if isinstance(decision, Denied):
        return _problem(_why(decision), 403)
    return _connect(nas, current, decision)


def _connect(nas: NasClient, current: Holder, decision: Granted) -> Response:
    """Take whoever may come in to the gateway, in the way of its make."""
    token = prepare(portal().office, current.account, visit().mac or None, nas.id)
    entry = _entry(decision, token)
    try:
        step = vendor_called(nas.vendor).step(arrival_of_visit(), gateway_of(nas), entry)
    except Forged as error:
        raise StaleVisit from error
    if names_device(step):
        elsewhere = _not_this_device(nas, current)
        if elsewhere is not None:
            return elsewhere
    if isinstance(step, AskAgainStep):
        asked = ask_again(step, nas.id, current.account, entry.session_seconds)
        return _problem(_why(asked), 403) if isinstance(asked, Denied) else _tell(asked)
    if not isinstance(step, FetchStep) and step.granted_to == "":
        unnamed = gettext(
            "The Wi-Fi did not say which device this is. Switch Wi-Fi off and on again and use "
            "the page that then opens."
        )
        return _problem(unnamed, 403)
    done = hand_to(nas, current.account, decision, token, step, entry.session_seconds)
    if isinstance(done, Denied):
        return _problem(_why(done), 403)
    return _follow(done) if isinstance(done, BrowserStep) else _tell(done)


def _admit(account: Account) -> Granted | Denied:
    """Whether the account may come in with the device of this visit, by its hours and limits."""
    office, here = portal().office, visit()
    with office.database.read() as session:
        has_room = not portal().gate.is_closed()
        return hand_over.admit(session, office, account, here.mac, here.ip, has_room=has_room)


def _not_this_device(nas: NasClient, current: Holder) -> Response | None:
    """What is said where the device that would be let in need not be the one that asks."""
    if visit().seen_from != client_address():
        # Else the address of this page, opened by somebody who is signed in, would let in the
        # device of whoever sent it. A gateway that sees the device itself needs no such care.
        moved = gettext(
            "This page was opened from another device or network. Switch Wi-Fi off and on again "
            "on the device that is to go online."
        )
        return _problem(moved, 403)
    if (current.sign_in.nas, current.sign_in.mac) != (nas.name, visit().mac):
        # Behind a router that translates, all devices have one address: the password says that
        # this very one is meant.
        return redirect(page("login.form", again="1"), 302)
    return None


def _entry(granted: Granted, token: PortalToken) -> Entry:
    """What is left to the account, where the role alone would promise more."""
    role, now = granted.account.role, portal().office.clock()
    ends = [role.session_seconds]
    if granted.expires_at is not None:
        ends.append(max(1, int((granted.expires_at - now).total_seconds())))
    return Entry(
        username=token.username,
        token=token.token,
        destination=public_root() + page("status.show", joined="1"),
        session_seconds=min((one for one in ends if one is not None), default=None),
        down_kbps=role.down_kbps,
        up_kbps=role.up_kbps,
        quota_octets=granted.octets_left,
    )


def _problem(text: str, status: int) -> Response:
    return make_response(render_template("connect.html", problem=text), status)


def _why(denied: Denied) -> str:
    if denied.reason is Reason.QUOTA:
        return gettext("What this account may use is used up. The status page says when it renews.")
    if denied.reason is Reason.OUTSIDE_HOURS:
        return gettext("The network is closed for this account at this hour.")
    if denied.reason is Reason.SIMULTANEOUS:
        return gettext(
            "This account is online on as many devices as it may be. Sign one of them out first."
        )
    if denied.reason is Reason.DEVICE_TAKEN:
        return gettext(
            "Somebody else is signed in on this device. Let them sign out on the status page first."
        )
    if denied.reason is Reason.TOKEN_SPENT:
        return gettext(
            "This page has been used for a sign-in before. Switch Wi-Fi off and on again and use "
            "the page that then opens."
        )
    return refusal_text(denied)


def _follow(step: BrowserStep) -> Response:
    if step.method == "get":
        # No redirect: the login form's policy would hold for it, and Chromium would stop it.
        query = urlencode(step.fields)
        joint = "&" if "?" in step.url else "?"
        link = f"{step.url}{joint}{query}" if query else step.url
        return make_response(render_template("connect.html", link=link))
    allow_form_target(_origin(step.url))
    if urlsplit(public_root()).netloc != request.host:
        # The gateway sends the browser on to our public address, and the policy holds there too.
        allow_form_target(f"{_origin(step.url)} {_origin(public_root())}")
    return make_response(render_template("connect.html", target=step.url, fields=step.fields))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _tell(completion: Completion) -> Response:
    if completion is Completion.GRANTED:
        return redirect(page("status.show", joined="1", s=sign_in_text()), 303)
    if completion is Completion.NOT_YET:
        looks = request.args.get("looks", "")
        count = int(looks) + 1 if len(looks) == 1 and looks in "0123456789" else 1
        again = page("connect.show", s=sign_in_text(), looks=str(min(count, 9)))
        values = {"again": again, "by_itself": count < _LOOKS}
        return make_response(render_template("connect.html", **values), 200)
    problem = (
        gettext("The network did not accept the sign-in. Please sign in once more.")
        if completion is Completion.REFUSED
        else gettext("The network's controller does not answer. Please try again in a minute.")
    )
    return _problem(problem, 503)
