"""Accounts: search them, see one with everything about it, add one, suspend and enable."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session
from wtforms import SelectField, StringField
from wtforms.validators import Optional

from captive_portal.admin.account_choices import AS_ROLE, may_give
from captive_portal.admin.connections import describe_sessions
from captive_portal.admin.desk import note_reading, office, officer, past_logins_locked
from captive_portal.admin.forms import (
    Form,
    at_most,
    needed,
    offer,
    organisation_choices,
    read_last_day,
    role_choices,
)
from captive_portal.admin.paging import contains, fetch_page
from captive_portal.admin.permissions import Permission, outranks, requires
from captive_portal.admin.words import LEVELS, RECOVERABLE, explain, word
from common.errors import BackendUnavailable, NetAccessError, Refused, UsageError
from common.net import find_mac
from db.models import (
    Account,
    AuthEvent,
    Credential,
    NasClient,
    NetworkSession,
    Organisation,
    Person,
    Role,
)
from identity.domain.levels import Level
from identity.services import approval, officers, people, registrations

blueprint = Blueprint("people", __name__, url_prefix="/people")

_RECENT = 20
_ = lazy_gettext


class NewPerson(Form):
    """What an admin fills in for a new account."""

    username = StringField(_("User name"), [needed(), at_most(253)])
    full_name = StringField(_("Full name"), [needed(), at_most(200)])
    role = SelectField(_("Role"))
    organisation = SelectField(_("Organisation"))
    person_code = StringField(_("Pupil or staff number"), [Optional(), at_most(60)])
    class_name = StringField(_("Class"), [Optional(), at_most(60)])
    expires = StringField(_("Last day (empty: no end)"), [Optional()])
    password = StringField(_("First password"), [needed()])
    level = SelectField(_("In this admin portal"))


@blueprint.get("/")
@requires(Permission.VIEW_PEOPLE)
def listing() -> ResponseReturnValue:
    """Accounts, searchable by name, number and MAC address."""
    filters = {key: request.args.get(key, "").strip() for key in ("q", "role", "state", "org")}
    last_login = (
        select(func.max(AuthEvent.at))
        .where(AuthEvent.account_id == Account.id, AuthEvent.outcome == "accept")
        .correlate(Account)
        .scalar_subquery()
    )
    # A login older than a week is in the archive; its session stays.
    last_session = (
        select(func.max(NetworkSession.started_at))
        .where(NetworkSession.account_id == Account.id)
        .correlate(Account)
        .scalar_subquery()
    )
    statement = (
        select(Account, func.coalesce(last_login, last_session).label("last_login"))
        .outerjoin(Person, Account.person_id == Person.id)
        .where(officer().reach.accounts())
        .order_by(Account.username)
    )
    if filters["q"]:
        text = find_mac(filters["q"]) or filters["q"]
        statement = statement.where(
            contains(
                text,
                Account.username,
                Account.guest_name,
                Person.full_name,
                Person.person_code,
                Person.class_name,
            )
        )
    if filters["role"]:
        role = select(Role.id).where(Role.name == filters["role"]).scalar_subquery()
        statement = statement.where(Account.role_id == role)
    if filters["state"]:
        statement = statement.where(Account.state == filters["state"])
    if filters["org"]:
        organisation = (
            select(Organisation.id).where(Organisation.code == filters["org"]).scalar_subquery()
        )
        statement = statement.where(Account.organisation_id == organisation)
    with office().database.read() as session:
        page = fetch_page(session, statement, count=True)
        held = {account.id: officers.levels_of(session, account.id) for account, _at in page.rows}
        roles = role_choices(session, devices=True)
        organisations = organisation_choices(session, officer().reach)[1:]
    note_reading("people:searched", filters["q"] or "*", **filters, results=page.total)
    return render_template(
        "people.html",
        page=page,
        held=held,
        filters=filters,
        roles=roles,
        organisations=organisations,
    )


@blueprint.get("/<int:account_id>")
@requires(Permission.VIEW_PEOPLE)
def show(account_id: int) -> ResponseReturnValue:
    """One account: who it belongs to, its last logins in words, its sessions."""
    with office().database.read() as session:
        account = find_account(session, account_id)
        may_see_logins = officer().may(Permission.VIEW_LOGINS)
        connections = []
        if officer().may(Permission.VIEW_SESSIONS):
            mine = select(NetworkSession).where(
                NetworkSession.account_id == account.id, officer().reach.sessions()
            )
            if office().config.lookup.second_person:
                # Where somebody was before is unlocked by a second officer, like every name.
                mine = mine.where(NetworkSession.stop_seen == 0, NetworkSession.closed_at.is_(None))
            rows = session.scalars(
                mine.order_by(NetworkSession.first_heard_at.desc()).limit(_RECENT)
            ).all()
            connections = describe_sessions(session, rows)
        locked = past_logins_locked()
        logins = _last_logins(session, account) if may_see_logins and not locked else []
        page = render_template(
            "person.html",
            account=account,
            facts=people.describe(session, account),
            answerable=_answerable(session, account),
            logins=logins,
            logins_locked=locked,
            connections=connections,
            is_self=account.id == officer().account_id,
            suggestion=office().passwords.suggest(),
            **_choices(session, account),
        )
    note_reading("person:read", account.username, logins=len(logins), sessions=len(connections))
    return page


def find_account(session: Session, account_id: int) -> Account:
    """The account with this number; 404 when there is none that the officer may see."""
    account = session.get(Account, account_id)
    if account is None or not officer().reach.covers(account.organisation_id):
        abort(404)
    return account


def _choices(session: Session, account: Account) -> dict[str, object]:
    """What may be chosen about this account, and how it is now."""
    credential = session.get(Credential, account.id)
    own = credential.recoverable_choice if credential is not None else None
    by_role = gettext(
        "as its role says: %(kind)s", kind=word(RECOVERABLE, account.role.recoverable)
    )
    kinds = [(AS_ROLE, by_role), *((kind, str(text)) for kind, text in RECOVERABLE.items())]
    scope = approval.scope_of(session, account)
    levels = officers.levels_of(session, account.id)
    return {
        "kinds": kinds,
        "chosen_kind": own or AS_ROLE,
        "scope": scope if scope.roles is not None else None,
        "grantable": role_choices(session),
        "levels": levels,
        "level_choices": _level_choices(levels),
        "is_above": not outranks(officer().levels, levels),
    }


def _level_choices(held: Sequence[Level]) -> list[tuple[Level, bool, bool]]:
    """(level, whether the account has it, whether the officer may give or take it)."""
    if not officer().may(Permission.CHANGE_OFFICERS):
        return []
    return [(level, level in held, may_give(level)) for level in Level]


def _last_logins(session: Session, account: Account) -> Sequence[Row[AuthEvent, str]]:
    """The newest decisions on an account, each with the network device that asked."""
    return session.execute(
        select(AuthEvent, NasClient.name)
        .outerjoin(NasClient, NasClient.id == AuthEvent.nas_client_id)
        .where(AuthEvent.account_id == account.id, officer().reach.logins())
        .order_by(AuthEvent.at.desc())
        .limit(_RECENT)
    ).all()


def _answerable(session: Session, account: Account) -> Account | None:
    """Who answers for a guest or a device."""
    number = account.sponsor_id or account.owner_id
    found = session.get(Account, number) if number else None
    if found is not None and not officer().reach.covers(found.organisation_id):
        return None
    return found


@blueprint.post("/<int:account_id>/state")
@requires(Permission.CHANGE_PEOPLE)
def set_state(account_id: int) -> ResponseReturnValue:
    """Suspend or enable an account; its registration follows."""
    wanted = request.form.get("state", "")
    if wanted not in ("active", "suspended"):
        abort(400)
    username = _username(account_id)
    here = redirect(url_for("people.show", account_id=account_id))
    if username == officer().username:
        flash(gettext("You cannot suspend your own account."), "error")
        return here
    try:
        with office().database.write() as session:
            _refuse_above(session, people.get(session, username))
            account = people.set_state(session, office(), username, wanted, officer().username)
            registrations.follow_account(session, account)
    except BackendUnavailable:
        raise
    except NetAccessError as error:
        flash(explain(error), "error")
        return here
    if wanted == "active":
        flash(gettext("%(name)s is enabled.", name=username), "done")
    else:
        flash(gettext("%(name)s is suspended.", name=username), "done")
    return here


@blueprint.post("/<int:account_id>/password")
@requires(Permission.CHANGE_PEOPLE)
def set_password(account_id: int) -> ResponseReturnValue:
    """Set a new password, for somebody who lost theirs."""
    password = request.form.get("password", "")
    username = _username(account_id)
    here = redirect(url_for("people.show", account_id=account_id))
    try:
        office().passwords.check_strength(password)
        hashed = office().passwords.hash(password)
        with office().database.write() as session:
            account = people.get(session, username)
            if account.kind == "device":
                abort(400)
            _refuse_above(session, account)
            people.set_password(
                session,
                office(),
                username,
                hashed,
                officer().username,
                password=password,
                must_change=username != officer().username,
            )
    except BackendUnavailable:
        raise
    except NetAccessError as error:
        flash(explain(error), "error")
        return here
    flash(gettext("%(name)s has the new password.", name=username), "done")
    return here


@blueprint.route("/new", methods=["GET", "POST"])
@requires(Permission.CHANGE_PEOPLE)
def add() -> ResponseReturnValue:
    """Add a person and their account."""
    form = NewPerson(request.form)
    with office().database.read() as session:
        form.role.choices = offer(role_choices(session))
        form.organisation.choices = offer(organisation_choices(session, officer().reach))
    form.level.choices = offer(
        [
            ("", gettext("nothing (ordinary user)")),
            *((level, str(LEVELS[level])) for level in Level if may_give(level)),
        ]
    )
    if request.method == "GET":
        form.role.data = "student"
        form.password.data = office().passwords.suggest()
    error: str | None = None
    status = 200
    if request.method == "POST":
        outcome = _add(form) if form.validate() else gettext("Please correct the marked fields.")
        if isinstance(outcome, int):
            flash(gettext("%(name)s is added.", name=form.full_name.data), "done")
            return redirect(url_for("people.show", account_id=outcome))
        error, status = outcome, 422
    return render_template("person_new.html", form=form, error=error), status


def _add(form: NewPerson) -> int | str:
    """Add the person of a valid form: the account's number, or why it could not be done."""
    password = form.password.data or ""
    try:
        expires_at = read_last_day(office(), form.expires.data) if form.expires.data else None
    except UsageError as error:
        return str(error)
    try:
        office().passwords.check_strength(password)
        new = people.NewUser(
            username=form.username.data or "",
            password_hash=office().passwords.hash(password),
            password=password,
            full_name=form.full_name.data or "",
            role=form.role.data,
            organisation=form.organisation.data or None,
            person_code=form.person_code.data or None,
            class_name=form.class_name.data or None,
            expires_at=expires_at,
            levels=(Level(form.level.data),) if form.level.data else (),
            must_change=True,
        )
        with office().database.write() as session:
            return people.add_user(session, office(), new, officer().username).id
    except BackendUnavailable:
        raise
    except NetAccessError as error:
        return explain(error)


def _username(account_id: int) -> str:
    """The name of an account; 404 when there is none."""
    with office().database.read() as session:
        return find_account(session, account_id).username


def _refuse_above(session: Session, account: Account) -> None:
    """Raise Refused when the account may see what the officer may not.

    Whoever could set that password could sign in with it, and whoever could suspend the
    auditor would be watched by nobody.
    """
    if not outranks(officer().levels, officers.levels_of(session, account.id)):
        raise Refused(
            f"{account.username} may see what you may not; change the account at the console"
        )
