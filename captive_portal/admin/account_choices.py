"""Choices about one account: what is kept of its password, and what an approver may grant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from captive_portal.admin.desk import office, officer
from captive_portal.admin.permissions import Permission, outranks, requires
from captive_portal.admin.words import explain
from common.errors import BackendUnavailable, NetAccessError, Refused
from db.models import Account
from identity.domain.levels import Level
from identity.domain.recoverable import Recoverable
from identity.services import approval, officers, recoverable

blueprint = Blueprint("account_choices", __name__, url_prefix="/people")

_LOCAL = frozenset({Level.SCHOOL, Level.APPROVER, Level.VOUCHER_DESK, Level.HELP_DESK})
"""What the administrator of one school may make its own people."""

AS_ROLE = "role"
"""The account makes no choice of its own."""


@blueprint.post("/<int:account_id>/recoverable")
@requires(Permission.CHANGE_PEOPLE)
def set_recoverable(account_id: int) -> ResponseReturnValue:
    """Choose what is kept of this account's password; less is removed at once."""
    wanted = request.form.get("recoverable", "")
    if wanted != AS_ROLE and wanted not in set(Recoverable):
        abort(400)
    kind = None if wanted == AS_ROLE else Recoverable(wanted)
    with _choosing(account_id) as (session, account):
        recoverable.choose(session, office(), account, kind, officer().username)
    return redirect(url_for("people.show", account_id=account_id))


@blueprint.post("/<int:account_id>/scope")
@requires(Permission.CHANGE_PEOPLE)
def set_scope(account_id: int) -> ResponseReturnValue:
    """Choose which roles an approver may grant, and to whom: not beyond the own reach."""
    everywhere = request.form.get("where") == "everywhere"
    with _choosing(account_id) as (session, account):
        if everywhere and not officer().reach.is_whole:
            raise Refused("only who sees every organisation lets somebody approve everywhere")
        approval.set_scope(
            session,
            office(),
            account.username,
            request.form.getlist("role"),
            everywhere,
            officer().username,
        )
    return redirect(url_for("people.show", account_id=account_id))


@blueprint.post("/<int:account_id>/levels")
@requires(Permission.CHANGE_OFFICERS)
def set_levels(account_id: int) -> ResponseReturnValue:
    """Choose what an account is among the staff; never more than the officer is."""
    chosen = {level for level in Level if level in request.form.getlist("level")}
    with _choosing(account_id) as (session, account):
        before = set(officers.levels_of(session, account_id))
        for level in before ^ chosen:
            if not may_give(level):
                raise Refused(f"the level {level.value!r} sees more than you do")
        officers.set_levels(session, office(), account.username, chosen, officer().username)
    return redirect(url_for("people.show", account_id=account_id))


def may_give(level: Level) -> bool:
    """Whether the officer may make somebody this: not more than they are themselves."""
    own = officer().reach.is_whole or level in _LOCAL
    return own and outranks(officer().levels, [level])


@contextmanager
def _choosing(account_id: int) -> Iterator[tuple[Session, Account]]:
    """A transaction on an account of the officer's; what came of it is said on the next page."""
    try:
        with office().database.write() as session:
            account = _account(session, account_id)
            name = account.username
            yield session, account
    except BackendUnavailable:
        raise
    except NetAccessError as error:
        flash(explain(error), "error")
    else:
        flash(gettext("Chosen for %(name)s.", name=name), "done")


def _account(session: Session, account_id: int) -> Account:
    account = session.get(Account, account_id)
    if account is None or not officer().reach.covers(account.organisation_id):
        abort(404)
    return account
