"""Signing in and out. One sentence answers every failure, whatever its cause."""

from __future__ import annotations

import secrets

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from flask_login import current_user, login_user, logout_user

from captive_portal.admin.desk import client_address, desk, office
from captive_portal.admin.officers import Officer, officer_of
from captive_portal.admin.permissions import public
from common.errors import BackendUnavailable
from common.printable import printable
from identity.domain.access import Granted, Unavailable
from identity.services import audit
from identity.services.login import check_password

blueprint = Blueprint("sign_in", __name__)


@blueprint.get("/sign-in")
@public
def form() -> ResponseReturnValue:
    """The sign-in page."""
    if current_user.is_authenticated:
        return redirect(_wanted_page())
    return render_template("sign_in.html", next=request.args.get("next", ""), username="")


@blueprint.post("/sign-in")
@public
def submit() -> ResponseReturnValue:
    """Prove a password; the attempt is counted before the password is hashed."""
    username = request.form.get("username", "")[:253]
    if not desk().attempts.admit(username, client_address()):
        if desk().attempts.is_news(username, client_address()):
            _record("admin:sign_in_throttled", username)
        return _refused(username, 429)
    # Not by a directory: a password changed there could not end a sign-in here.
    password = request.form.get("password", "")[:1024]
    decision = check_password(office(), username, password, local_only=True)
    if isinstance(decision, Unavailable):
        raise BackendUnavailable(decision.backend)
    found = _officer(decision.account.account_id) if isinstance(decision, Granted) else None
    if found is None:
        reason = "no_admin_level" if isinstance(decision, Granted) else decision.reason
        _record("admin:sign_in_failed", username, reason=reason)
        return _refused(username, 401)
    # A session that existed before the password was proven must not become the officer's.
    session.clear()
    login_user(found)
    now = office().clock().timestamp()
    session.update(sign_in=secrets.token_hex(16), since=now, seen_at=now)
    _record("admin:signed_in", found.username)
    return redirect(_wanted_page())


@blueprint.post("/sign-out")
@public
def sign_out() -> ResponseReturnValue:
    """End this sign-in, also for a copy of its cookie."""
    if current_user.is_authenticated:
        desk().end_sign_in(str(session.get("sign_in")))
        _record("admin:signed_out", current_user.username)
    logout_user()
    session.clear()
    flash(gettext("You are signed out."), "notice")
    return redirect(url_for("sign_in.form"))


def _officer(account_id: int) -> Officer | None:
    with office().database.read() as reading:
        return officer_of(reading, office(), account_id)


def _record(action: str, username: str, **detail: str) -> None:
    with office().database.write() as writing:
        name = printable(username.strip().casefold())
        actor = name if action in ("admin:signed_in", "admin:signed_out") else "anonymous"
        audit.record(
            writing, office().clock(), actor, action, name, address=client_address(), **detail
        )


def _refused(username: str, status: int) -> ResponseReturnValue:
    error = gettext(
        "That did not work. Check the user name and password; after several tries wait a quarter "
        "of an hour."
    )
    page = render_template(
        "sign_in.html", next=request.form.get("next", ""), username=username, error=error
    )
    return page, status


def _wanted_page() -> str:
    """The page the officer was going to, when it is one of ours."""
    wanted = request.values.get("next", "")
    if wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable():
        return wanted
    return url_for("dashboard.show")
