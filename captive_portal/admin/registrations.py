"""Applications of visitors: the queue, one application, the decision."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import expiry_choices, granted_choices, read_expiry
from captive_portal.admin.paging import contains, fetch_page
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import REGISTRATION_STATES, explain, word
from captive_portal.web.dates import format_moment
from captive_portal.web.i18n import current_language
from common.errors import BackendUnavailable, NetAccessError, NotFound, UsageError
from db.models import Account, Person, Registration
from identity.domain.admission import format_code
from identity.services import approval, registrations

blueprint = Blueprint("registrations", __name__, url_prefix="/registrations")

_MOST_AT_ONCE = 200


@blueprint.get("/")
@requires(Permission.DECIDE_REGISTRATIONS)
def queue() -> ResponseReturnValue:
    """Applications of one state; those that wait come oldest first."""
    state = request.args.get("state", "pending")
    wanted = request.args.get("q", "").strip()
    if state not in ("pending", "draft", "active", "rejected", "expired"):
        state = "pending"
    is_open = state in ("pending", "draft")
    order = Registration.created_at if is_open else Registration.decided_at.desc()
    statement = select(Registration).where(Registration.state == state).order_by(order)
    if wanted:
        matches = contains(
            wanted,
            Registration.full_name,
            Registration.username,
            Registration.contact,
            Registration.sponsor_name,
        )
        if number := registrations.clean_reference(wanted):
            matches |= contains(number, Registration.reference)
        statement = statement.where(matches)
    with office().database.read() as session:
        statement = statement.where(_scope(session).registrations())
        page = fetch_page(session, statement, count=True)
        return render_template(
            "registrations.html",
            page=page,
            state=state,
            q=wanted,
            roles=granted_choices(session, officer()),
            expiries=expiry_choices(),
            default_role=office().config.portal.registration_role,
        )


@blueprint.get("/<reference>")
@requires(Permission.DECIDE_REGISTRATIONS)
def show(reference: str) -> ResponseReturnValue:
    """One application, and accounts it may be a double of."""
    with office().database.read() as session:
        found = registrations.find(session, reference)
        if found is None or not _scope(session).covers(found.organisation_id):
            abort(404)
        return render_template(
            "registration.html",
            registration=found,
            doubles=_doubles(session, found),
            roles=granted_choices(session, officer()),
            expiries=expiry_choices(),
        )


@blueprint.post("/<reference>/approve")
@requires(Permission.DECIDE_REGISTRATIONS)
def approve(reference: str) -> ResponseReturnValue:
    """Approve one application."""
    error = _approve(reference)
    if error is not None:
        flash(error, "error")
        return redirect(url_for("registrations.show", reference=reference))
    flash(gettext("Approved: %(reference)s.", reference=_shown(reference)), "done")
    return redirect(url_for("registrations.queue"))


@blueprint.post("/<reference>/reject")
@requires(Permission.DECIDE_REGISTRATIONS)
def reject(reference: str) -> ResponseReturnValue:
    """Reject one application; the visitor reads the reason."""
    reason = request.form.get("reason", "").strip()
    if not reason:
        flash(gettext("Give a reason; the visitor reads it."), "error")
        return redirect(url_for("registrations.show", reference=reference))
    try:
        with office().database.write() as session:
            registrations.reject(session, office(), reference, officer().username, reason)
    except BackendUnavailable:
        raise
    except NetAccessError as error:
        flash(_why_not(reference, error), "error")
        return redirect(url_for("registrations.show", reference=reference))
    flash(gettext("Rejected: %(reference)s.", reference=_shown(reference)), "done")
    return redirect(url_for("registrations.queue"))


@blueprint.post("/approve")
@requires(Permission.DECIDE_REGISTRATIONS)
def approve_many() -> ResponseReturnValue:
    """Approve every application that is ticked, each on its own."""
    references = request.form.getlist("reference")[:_MOST_AT_ONCE]
    if not references:
        flash(gettext("Tick the registrations to approve first."), "error")
        return redirect(url_for("registrations.queue"))
    done = 0
    for reference in references:
        error = _approve(reference)
        if error is None:
            done += 1
        else:
            flash(f"{_shown(reference)}: {error}", "error")
    if done:
        flash(
            ngettext("%(num)d registration approved.", "%(num)d registrations approved.", done),
            "done",
        )
    return redirect(url_for("registrations.queue"))


def _scope(session: Session) -> approval.Scope:
    """What the officer may grant, and to whom."""
    return approval.scope_of(session, session.get_one(Account, officer().account_id))


def _approve(reference: str) -> str | None:
    """Approve one application as the posted form says; else why it could not be done."""
    try:
        expires_at = read_expiry(
            office(), request.form.get("expiry", "7"), request.form.get("date", "")
        )
    except UsageError as error:
        return str(error)
    role = request.form.get("role") or None
    try:
        with office().database.write() as session:
            if role is not None and role not in dict(granted_choices(session, officer())):
                raise NotFound(f"there is no role {role!r}")
            registrations.approve(
                session,
                office(),
                reference,
                officer().username,
                role=role,
                expires_at=expires_at,
            )
    except BackendUnavailable:
        raise
    except NetAccessError as error:
        return _why_not(reference, error)
    return None


def _shown(reference: str) -> str:
    return format_code(registrations.clean_reference(reference))


def _why_not(reference: str, error: NetAccessError) -> str:
    """Who decided before, when somebody did; else the rule that said no."""
    with office().database.read() as session:
        found = registrations.find(session, reference)
        if found is not None and not _scope(session).covers(found.organisation_id):
            found = None
    if found is None:
        return str(gettext("There is no such registration."))
    if found.decided_at is None or found.decided_by is None:
        return explain(error)
    words = gettext(
        "%(who)s has decided this already: %(state)s, %(when)s.",
        who=found.decided_by,
        state=word(REGISTRATION_STATES, found.state),
        when=format_moment(found.decided_at, current_language(), office().config.site.timezone),
    )
    return str(words)


def _doubles(session: Session, found: Registration) -> Sequence[Account]:
    """Other accounts of the same name or contact.

    What the roster holds of the applicant is no double: it is what they ask for.
    """
    name = func.lower(found.full_name)
    is_like = [func.lower(Person.full_name) == name, func.lower(Account.guest_name) == name]
    if found.contact:
        is_like.append(Account.contact == found.contact)
    is_another = or_(Account.person_id.is_(None), Account.person_id != (found.person_id or 0))
    return session.scalars(
        select(Account)
        .outerjoin(Person, Account.person_id == Person.id)
        .where(
            Account.id != (found.account_id or 0),
            is_another,
            or_(*is_like),
            officer().reach.accounts(),
        )
        .limit(5)
    ).all()
