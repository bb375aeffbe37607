"""What a visitor does on the page of their registration: the code, another one, the host, minutes.

Each is a form that is sent; opening an address changes nothing. The reference number says whose
registration it is, so a closed browser goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, request
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from captive_portal.public import letters, sign_ins, throttle
from captive_portal.public.login import stale_form_text
from captive_portal.public.messages import refusal_text
from captive_portal.public.registration import look_up, show_registration
from captive_portal.public.site import form_is_ours, page, portal, public_root, set_visit, visit
from captive_portal.public.visits import can_hand_over, nas_of_visit
from captive_portal.web.i18n import gettext
from common.errors import NotFound, Refused
from db.models import Registration
from identity.domain.access import Denied, Granted, Method, Reason
from identity.domain.admission import RegistrationState, format_code
from identity.domain.registering import Way
from identity.services import hosting, provisional, registering, registrations
from identity.services.codes import Answer
from identity.services.login import record_decision, snapshot
from identity.services.messages import TooManyMessages

pages = Blueprint("registration_steps", __name__)


@pages.post("/registration/<reference>/code")
def enter_code(reference: str) -> Response:
    """Try the code; the right one goes on by 303, a wrong one gets the page again."""
    return _step(reference, _enter_code)


@pages.post("/registration/<reference>/again")
def send_again(reference: str) -> Response:
    """Send another code."""
    return _step(reference, _send_again)


@pages.post("/registration/<reference>/host")
def name_host(reference: str) -> Response:
    """Ask another host."""
    return _step(reference, _name_host)


@pages.post("/registration/<reference>/minutes")
def minutes(reference: str) -> Response:
    """Some minutes on the network, to read what was sent."""
    return _step(reference, _minutes)


def _step(reference: str, act: Callable[[Registration], Response]) -> Response:
    found = look_up(reference)
    if isinstance(found, Response):
        return found
    if not form_is_ours():
        return show_registration(400, found, problem=stale_form_text())
    return act(found)


def _enter_code(found: Registration) -> Response:
    office, typed = portal().office, request.form.get("code", "")[:40]
    if not typed.strip():
        return show_registration(422, found, errors={"code": gettext("Enter the code.")})
    try:
        with office.database.write() as session:
            row = registrations.locked(session, found.reference)
            answer = registering.enter_code(session, office, row, typed)
            is_open = row.state == RegistrationState.DRAFT
    except Refused:
        problem = gettext("This user name was taken meanwhile. Please register again.")
        return show_registration(409, found, problem=problem)
    if answer is Answer.RIGHT or not is_open:
        return _back(found)
    words = {
        Answer.WRONG: gettext("This is not the code that was sent last. Please check it."),
        Answer.WORN: gettext("This code was tried too often. Have a new one sent."),
        Answer.OLD: gettext("This code is too old. Have a new one sent."),
    }
    return show_registration(422, found, errors={"code": words[answer]})


def _send_again(found: Registration) -> Response:
    try:
        with portal().office.database.write() as session:
            row = registrations.locked(session, found.reference)
            if row.state == RegistrationState.DRAFT and Way(row.way).has_code:
                letters.send_code(session, row)
    except TooManyMessages as error:
        return show_registration(429, found, problem=letters.wait_text(error))
    except letters.CannotSend as error:
        return show_registration(503, found, problem=letters.cannot_send_text(error))
    return _back(found, sent="1")


def _name_host(found: Registration) -> Response:
    text = " ".join(request.form.get("sponsor_name", "").split())[:200]
    if not text or not text.isprintable():
        wrong = gettext("Enter the user name or e-mail of your host.")
        return show_registration(422, found, errors={"sponsor_name": wrong})
    checks = throttle.registration_checks()
    wait = throttle.wait_text(checks)
    if wait:
        return show_registration(429, found, problem=wait)
    portal().limits.count(*checks)
    office = portal().office
    try:
        with office.database.write() as session:
            row = hosting.name_host(session, office, found.reference, text)
            letters.tell_host(session, row)
    except (NotFound, Refused):
        return _back(found)  # somebody has decided: the page tells
    return _back(found, sent="1")


def _minutes(found: Registration) -> Response:
    """Sign the visitor in as a guest of some minutes, and hand them to the gateway."""
    office, nas = portal().office, nas_of_visit()
    if nas is None or not can_hand_over(nas) or not visit().mac:
        problem = gettext("Open this page through the Wi-Fi, with its sign-in page.")
        return show_registration(409, found, problem=problem)
    if portal().gate.is_closed():
        refusal = refusal_text(Denied(Reason.DISK_FULL, Method.PORTAL))
        return show_registration(503, found, problem=refusal)
    try:
        with office.database.write() as session:
            row = registrations.locked(session, found.reference)
            account = provisional.grant(session, office, row, visit().mac)
            session.refresh(account)
            facts = snapshot(session, account)
    except Refused:
        problem = gettext("This device or this contact has had its minutes today.")
        return show_registration(409, found, problem=problem)
    granted = Granted(
        account=facts,
        method=Method.PORTAL,
        expires_at=facts.expires_at,
        step=f"provisional:{found.reference}",
    )
    record_decision(office, granted, facts.username, visit().mac, nas.id)
    back = public_root() + page("registration.show", reference=format_code(found.reference))
    if len(back) < 1500:
        # The link of the status page leads back here, not to what the phone looked for.
        set_visit(replace(visit(), url=back))
    return sign_ins.begin(granted)


def _back(found: Registration, **values: str) -> Response:
    """To the page of the registration, which shows where it is now."""
    reference = format_code(found.reference)
    return redirect(page("registration.show", reference=reference, **values), 303)
