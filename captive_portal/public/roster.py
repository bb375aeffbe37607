"""`/register/roster`: somebody on the school's roster chooses their first password."""

from __future__ import annotations

from dataclasses import dataclass, fields

from flask import Blueprint, make_response, redirect, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from captive_portal.public import notice, throttle
from captive_portal.public.login import stale_form_text
from captive_portal.public.messages import no_consent_text
from captive_portal.public.registration import (
    ROLE,
    first_password_form,
    first_password_problems,
)
from captive_portal.public.site import client_address, form_is_ours, page, portal, visit
from captive_portal.public.visits import nas_of_visit
from captive_portal.web.i18n import current_language, gettext
from common.errors import Refused, UsageError
from db.models import Organisation
from identity.domain.admission import format_code
from identity.domain.birth_dates import read_birth_date
from identity.domain.registering import Way
from identity.services import registration_ways, roster
from identity.services.registration_ways import Choice

pages = Blueprint("roster", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What was typed, kept to fill the form again; birth date and passwords are not."""

    organisation: str = ""
    person_code: str = ""
    class_name: str = ""

    @classmethod
    def read(cls) -> Form:
        return cls(**{one.name: request.form.get(one.name, "").strip()[:60] for one in fields(cls)})


@pages.get("/register/roster")
def form() -> Response:
    """The empty form; the school is known when its gateway sent the visitor."""
    chosen = _chosen()
    if chosen is None:
        return redirect(page("registration.form"), 302)
    nas = nas_of_visit()
    here = nas.organisation_id if nas is not None else None
    code = next((code for number, code, _name in _schools() if number == here), "")
    return _page(200, chosen, Form(organisation=code))


@pages.post("/register/roster")
def submit() -> Response:
    """Look on the roster; whoever is found goes on to the page of their registration."""
    chosen, typed = _chosen(), Form.read()
    if chosen is None:
        return redirect(page("registration.form"), 303)
    if not form_is_ours():
        return _page(400, chosen, typed, problem=stale_form_text())
    born = request.form.get("birth_date", "").strip()[:40]
    errors = _problems(typed, born)
    if errors:
        return _page(422, chosen, typed, errors)
    checks = throttle.registration_checks()
    wait = throttle.wait_text(checks)
    if wait:
        return _page(429, chosen, typed, problem=wait)
    portal().limits.count(*checks)
    accepted, office = notice.current(), portal().office
    hashed = office.passwords.hash(request.form.get("password", ""))
    claim = roster.Claim(
        organisation=typed.organisation,
        person_code=typed.person_code,
        birth_date=born,
        class_name=typed.class_name,
        role=chosen.role,
        client_address=client_address() or None,
        client_mac=visit().mac or None,
        language=current_language(),
        notice_hash=accepted.sha256,
    )
    try:
        with office.database.write() as session:
            found = roster.apply(session, office, claim, hashed)
    except Refused:  # two at once; the other was first
        found = roster.NotOnRoster()
    if isinstance(found, roster.TooManyTries):
        text = gettext("This number was tried too often today. Please ask your teacher.")
        return _page(429, chosen, typed, problem=text)
    if isinstance(found, roster.NoConsent):
        return _page(422, chosen, typed, problem=no_consent_text())
    if isinstance(found, roster.NotOnRoster):
        text = gettext(
            "This does not fit the roster, or a password was chosen before. "
            "Please check what you typed, or ask your teacher."
        )
        return _page(422, chosen, typed, problem=text)
    notice.keep(accepted)
    return redirect(page("registration.show", reference=format_code(found.reference)), 303)


def _chosen() -> Choice | None:
    """The role asked for, when one registers for it from the roster."""
    office, wanted = portal().office, request.args.get(ROLE, "")
    with office.database.read() as session:
        choices = registration_ways.open_choices(session, office)
    ways = [choice for choice in choices if choice.way is Way.ROSTER]
    return next((choice for choice in ways if wanted in ("", choice.role)), None)


def _problems(typed: Form, born: str) -> dict[str, str]:
    problems: dict[str, str] = {}
    if not typed.person_code:
        problems["person_code"] = gettext("Enter your number.")
    if not born and not typed.class_name:
        problems["birth_date"] = gettext("Enter your date of birth, or your class.")
    elif born:
        try:
            read_birth_date(born)
        except UsageError:
            problems["birth_date"] = gettext("Write the date like 31/12/2552.")
    return problems | first_password_problems()


def _schools() -> list[tuple[int, str, str]]:
    """(number, code, name) of every organisation."""
    with portal().office.database.read() as session:
        rows = session.execute(
            select(Organisation.id, Organisation.code, Organisation.name).order_by(
                Organisation.name
            )
        )
        return [(number, code, name) for number, code, name in rows]


def _page(
    status: int,
    chosen: Choice,
    typed: Form,
    errors: dict[str, str] | None = None,
    problem: str = "",
) -> Response:
    text = first_password_form(
        "roster.html",
        form=typed,
        choice=chosen,
        schools=_schools(),
        errors=errors or {},
        problem=problem,
    )
    return make_response(text, status)
