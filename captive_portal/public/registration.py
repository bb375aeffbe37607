"""`/register`: a visitor applies. `/registration/<reference>`: where they are on the way.

What is asked depends on how the role is registered for; what follows is in registration_steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import letters, notice, throttle
from captive_portal.public.login import stale_form_text
from captive_portal.public.passwords import new_password_problems
from captive_portal.public.site import (
    client_address,
    form_is_ours,
    page,
    portal,
    public_root,
    visit,
)
from captive_portal.public.visits import can_hand_over, nas_of_visit
from captive_portal.web import qr
from captive_portal.web.i18n import current_language, gettext
from common.errors import Refused, UsageError
from db.models import Registration
from identity.domain.admission import format_code
from identity.domain.contacts import find_mailbox, hidden, local_form, mobile_number
from identity.domain.registering import Way
from identity.services import people, provisional, registration_ways, registrations
from identity.services.messages import TooManyMessages
from identity.services.registration_ways import Choice

pages = Blueprint("registration", __name__)

ROLE = "as"
"""Which role somebody registers for, in the address."""

_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{2,31}")
_OURS = re.compile(r"voucher-.*|provisional-.*|housekeeper|anonymous|command-line")
"""Names that the system gives to guests with a voucher, or to itself in the audit trail."""
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]{2,}")
_PHONE_DIGITS = range(9, 16)
_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What was typed, kept to fill the form again; the passwords are not."""

    full_name: str = ""
    contact: str = ""
    username: str = ""
    purpose: str = ""
    sponsor_name: str = ""

    @classmethod
    def read(cls) -> Form:
        """From the request, trimmed."""
        return cls(
            **{field.name: _clean(request.form.get(field.name, ""))[:600] for field in fields(cls)}
        )


def _organisation_here() -> int | None:
    """Whose network device sent this visitor: its approvers decide."""
    nas = nas_of_visit()
    return nas.organisation_id if nas is not None else None


def _clean(text: str) -> str:
    """`text` on one line, without what would turn or hide it in the officer's list."""
    spaced = "".join(" " if symbol.isspace() else symbol for symbol in text)
    return "".join(symbol for symbol in spaced if symbol.isprintable()).strip()


@pages.get("/register")
def form() -> Response:
    """The empty form; before it who somebody is, where more than one role may register."""
    chosen = _chosen()
    if chosen is None:
        return _choose(200)
    if chosen.way is Way.ROSTER:
        return redirect(page("roster.form", **{ROLE: chosen.role}), 302)
    return _page(200, chosen, Form())


@pages.post("/register")
def submit() -> Response:
    """Store the application and go to its reference page, or show the form with what is wrong."""
    typed, chosen = Form.read(), _chosen()
    if chosen is None or chosen.way is Way.ROSTER:
        return _choose(422)
    if not form_is_ours():
        return _page(400, chosen, typed, problem=stale_form_text())
    errors = _problems(chosen, typed)
    if errors:
        return _page(422, chosen, typed, errors)
    checks = throttle.registration_checks()
    wait = throttle.wait_text(checks)
    if wait:
        return _page(429, chosen, typed, problem=wait)
    portal().limits.count(*checks)
    accepted = notice.current()
    application = registrations.Application(
        username=typed.username,
        full_name=typed.full_name,
        contact=typed.contact,
        password=request.form.get("password", ""),
        purpose=typed.purpose,
        sponsor_name=typed.sponsor_name,
        client_address=client_address() or None,
        client_mac=visit().mac or None,
        language=current_language(),
        notice_hash=accepted.sha256,
        organisation_id=_organisation_here(),
        role=chosen.role,
    )
    office = portal().office
    hashed = registrations.hash_password(office, application)
    try:
        with office.database.write() as session:
            stored = registrations.submit(session, office, application, hashed)
            letters.send_first(session, stored)
    except TooManyMessages as error:
        return _page(429, chosen, typed, problem=letters.wait_text(error))
    except letters.CannotSend as error:
        return _page(503, chosen, typed, problem=letters.cannot_send_text(error))
    except Refused:
        taken = gettext("This user name is taken. Please choose another.")
        return _page(422, chosen, typed, {"username": taken})
    notice.keep(accepted)
    return redirect(page("registration.show", reference=format_code(stored.reference)), 303)


@pages.get("/registration/")
def find() -> Response:
    """Ask for a reference number, for whoever comes back later."""
    reference = request.args.get("reference", "").strip()[:40]
    if not reference:
        return make_response(render_template("find_registration.html", errors={}))
    return redirect(page("registration.show", reference=reference), 302)


@pages.get("/registration/<reference>")
def show(reference: str) -> Response:
    """State of one application. The reference number is what proves it is one's own."""
    found = look_up(reference)
    return found if isinstance(found, Response) else show_registration(200, found)


def look_up(reference: str) -> Registration | Response:
    """The application with this number, or the page that says why there is none to see.

    Misses are counted: a number is all that proves whose it is.
    """
    checks = throttle.reference_checks()
    wait = throttle.flood_text(checks)
    if wait:
        return not_found(429, reference, wait)
    with portal().office.database.read() as session:
        found = registrations.find(session, reference)
    if found is None:
        wait = throttle.miss_text(checks)
        return not_found(429 if wait else 404, reference, wait)
    return found


def show_registration(status: int, found: Registration, **values: object) -> Response:
    """The page of one application; `values` say what was wrong with what was sent from it."""
    printed = format_code(found.reference)
    address = public_root() + page("registration.show", reference=printed, visit="")
    is_open = found.state in ("draft", "pending")
    waits_for_code = found.state == "draft" and Way(found.way).has_code
    minutes = 0
    if is_open and can_hand_over(nas_of_visit()):
        with portal().office.database.read() as session:
            minutes = provisional.minutes_for(session, portal().office, found, visit().mac)
    text = render_template(
        "registration.html",
        **{
            "registration": found,
            "reference": printed,
            "address": address,
            "code": qr.svg(address, gettext("QR code of this page")),
            "waits_for_code": waits_for_code,
            "waits_for_host": is_open and found.way == Way.SPONSOR and not found.host_decided_at,
            "contact": hidden(local_form(found.contact)),
            "minutes": minutes,
            "errors": {},
            **values,
        },
    )
    return make_response(text, status)


def not_found(status: int, reference: str, problem: str = "") -> Response:
    """The form for a reference number, with what is wrong with this one."""
    problem = problem or gettext("There is no registration with this number. Please check it.")
    text = render_template(
        "find_registration.html", reference=reference[:40], errors={"reference": problem}
    )
    return make_response(text, status)


def _problems(chosen: Choice, typed: Form) -> dict[str, str]:
    """What is wrong, by field, in the order of the form."""
    problems: dict[str, str] = {}
    limit_text = gettext("Please shorten this.")
    if not typed.full_name:
        problems["full_name"] = gettext("Enter your first and last name.")
    elif len(typed.full_name) > 200:
        problems["full_name"] = limit_text
    problems |= _contact_problem(chosen.way, typed.contact)
    if len(typed.sponsor_name) > 200:
        problems["sponsor_name"] = limit_text
    elif chosen.way is Way.SPONSOR and not typed.sponsor_name:
        problems["sponsor_name"] = gettext("Enter the user name or e-mail of your host.")
    if len(typed.purpose) > 500:
        problems["purpose"] = limit_text
    elif chosen.for_guests and not typed.purpose:
        problems["purpose"] = gettext("Say in a few words what you need the Internet for.")
    return problems | _username_problem(typed.username) | first_password_problems()


def first_password_problems() -> dict[str, str]:
    """What is wrong with the password somebody chose, and with their consent to the notice."""
    problems = new_password_problems(
        request.form.get("password", ""), request.form.get("password_again", "")
    )
    if request.form.get("accept") != "yes":
        problems["accept"] = gettext("Please read the notice and tick the box.")
    return problems


def _contact_problem(way: Way, text: str) -> dict[str, str]:
    if way is Way.MAIL_CODE:
        if find_mailbox(text) is None:
            return {"contact": gettext("Enter an e-mail address like name@example.com.")}
    elif way is Way.SMS_CODE:
        try:
            mobile_number(text, portal().office.config.sms.prefixes)
        except UsageError:
            return {"contact": gettext("Enter a mobile number like 081 234 5678.")}
    elif not text:
        return {"contact": gettext("Enter a telephone number or an e-mail address.")}
    elif not _is_contact(text):
        return {
            "contact": gettext(
                "This is neither a telephone number nor an e-mail address. "
                "Write it like 081 234 5678 or name@example.com."
            )
        }
    return {}


def _is_contact(text: str) -> bool:
    if len(text) > 200:
        return False
    if _MAIL.fullmatch(text):
        return True
    plain = re.sub(r"[\s().-]", "", text.translate(_THAI_DIGITS)).removeprefix("+")
    return plain.isdecimal() and len(plain) in _PHONE_DIGITS


def _username_problem(username: str) -> dict[str, str]:
    if not username:
        return {"username": gettext("Choose a user name.")}
    if not _USERNAME.fullmatch(username.casefold()):
        return {
            "username": gettext(
                "A user name has 3 to 32 characters: a-z, 0-9, dot, hyphen or underscore. "
                "It begins with a letter or digit."
            )
        }
    try:
        if _OURS.fullmatch(username.casefold()):
            raise UsageError("a name of the system")
        people.free_username(username)
    except UsageError:
        return {"username": gettext("This user name cannot be used. Please choose another.")}
    return {}


def _chosen() -> Choice | None:
    """The role asked for, or the only one there is; None: somebody has to choose."""
    office = portal().office
    with office.database.read() as session:
        choices = registration_ways.open_choices(session, office)
    wanted = request.args.get(ROLE, "")
    if not wanted:
        return choices[0] if len(choices) == 1 else None
    return next((choice for choice in choices if choice.role == wanted), None)


def _choose(status: int) -> Response:
    office = portal().office
    with office.database.read() as session:
        choices = registration_ways.open_choices(session, office)
    return make_response(render_template("register_choose.html", choices=choices), status)


def _page(
    status: int,
    chosen: Choice,
    typed: Form,
    errors: dict[str, str] | None = None,
    problem: str = "",
) -> Response:
    text = first_password_form(
        "register.html", form=typed, choice=chosen, errors=errors or {}, problem=problem
    )
    return make_response(text, status)


def first_password_form(template: str, **shown: object) -> str:
    """A form whose sender chooses a password and reads the notice first."""
    return render_template(
        template,
        notice=notice.current(),
        minimum_length=portal().office.config.passwords.minimum_length,
        **shown,
    )
