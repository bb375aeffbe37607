"""The admin portal as one Flask application: wiring only, no business work.

Keys come from the data directory; without them it does not start. It listens where the
configuration says, apart from the public portal.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Flask, abort, current_app, flash, g, redirect, request, session, url_for
from flask_babel import gettext
from flask_login import LoginManager
from werkzeug.wrappers import Response

from captive_portal.admin import (
    account_choices,
    api,
    audit_trail,
    class_slips,
    consents,
    custody,
    dashboard,
    disconnects,
    hold_orders,
    logins,
    lookup_api,
    lookups,
    messages,
    nas_clients,
    nas_gateways,
    nas_settings,
    people,
    registers,
    registration_ways,
    registrations,
    roles,
    sessions,
    sign_in,
    texts,
    tokens,
    unlocks,
    vouchers,
)
from captive_portal.admin.attempts import SignInAttempts
from captive_portal.admin.away_words import page_words
from captive_portal.admin.bearer import FormTokens, init_bearer, is_program, is_used, unauthorized
from captive_portal.admin.desk import Desk, desk
from captive_portal.admin.language import init_language
from captive_portal.admin.officers import Nobody, Officer, load_officer
from captive_portal.admin.presentation import init_presentation
from captive_portal.admin.stale_forms import typed_in
from captive_portal.web.client_address import TrustedProxies
from captive_portal.web.errors import init_error_pages
from captive_portal.web.input_checks import init_input_checks
from captive_portal.web.security_headers import init_security_headers
from common.errors import BackendUnavailable
from common.secret import read_secret_file
from identity.office import Office

SESSION_KEY_FILE = "admin-session.key"
COOKIE = "yuenyan_admin"
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=12)
"""One working day; after it even a busy officer proves the password again."""
_FORM_OCTETS = 1 << 20
_STATIC_SECONDS = 3600


def create_app(office: Office) -> Flask:
    """The application of `office`.

    Raises:
        ConfigError: `yuenyan init` has not made the session key.
    """
    config = office.config
    app = Flask("captive_portal.admin", static_url_path="/static")
    secure = config.admin.public_url.startswith("https://")
    app.config.update(
        SECRET_KEY=read_secret_file(config.keys_dir / SESSION_KEY_FILE).reveal().strip(),
        # Its own prefix, so that a page of the public portal cannot set or read it by name.
        SESSION_COOKIE_NAME=f"__Host-{COOKIE}" if secure else COOKIE,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        SESSION_REFRESH_EACH_REQUEST=True,
        MAX_CONTENT_LENGTH=_FORM_OCTETS,
        SEND_FILE_MAX_AGE_DEFAULT=_STATIC_SECONDS,
        WTF_CSRF_TIME_LIMIT=None,
        # The token is bound to the session; the Referer it would also ask for is not sent.
        WTF_CSRF_SSL_STRICT=False,
    )
    app.extensions["desk"] = Desk(
        office=office,
        proxies=TrustedProxies.of(config.admin.trusted_proxies),
        attempts=SignInAttempts(),
    )
    manager = LoginManager()
    init_input_checks(app)
    init_bearer(app, manager)
    init_security_headers(app, {"style-src": "'self'", "script-src": "'self'"})
    init_language(app, config.site.languages, config.site.timezone)
    init_presentation(app, office)
    init_error_pages(app, "error.html", typed_in, page_words)
    FormTokens(app)
    _init_login(app, manager, office)
    for module in (
        sign_in,
        dashboard,
        registrations,
        people,
        class_slips,
        account_choices,
        roles,
        registration_ways,
        messages,
        vouchers,
        sessions,
        disconnects,
        logins,
        nas_clients,
        nas_gateways,
        nas_settings,
        lookups,
        custody,
        registers,
        unlocks,
        lookup_api,
        audit_trail,
        hold_orders,
        texts,
        consents,
        tokens,
        api,
    ):
        app.register_blueprint(module.blueprint)
    app.before_request(_refuse_unmarked_views)
    return app


def _init_login(app: Flask, manager: LoginManager, office: Office) -> None:
    manager.anonymous_user = Nobody
    # A cookie that is lost with a new address would throw out officers on phones.
    manager.session_protection = None

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(cookie_id: str) -> Officer | None:
        if is_used() or g.get("database_is_down") or not _is_fresh(office):
            return None
        try:
            return load_officer(office, cookie_id)
        except BackendUnavailable:
            # The error page asks again who is there; it must not fail over the same thing.
            g.database_is_down = True
            raise

    @manager.unauthorized_handler  # type: ignore[untyped-decorator]
    def ask_to_sign_in() -> Response:
        if is_program():
            return unauthorized()
        wanted = request.full_path.rstrip("?") if request.method == "GET" else None
        if wanted == "/":
            wanted = None
        return redirect(url_for("sign_in.form", next=wanted))

    manager.init_app(app)


def _is_fresh(office: Office) -> bool:
    """Whether this sign-in is in use, not ended and not too old; notes the present use."""
    now = office.clock().timestamp()
    seen_at, since = session.get("seen_at"), session.get("since")
    if not isinstance(seen_at, float) or not isinstance(since, float):
        return False
    if desk().has_ended(str(session.get("sign_in"))):
        return False
    if now - seen_at > IDLE.total_seconds() or now - since > LONGEST.total_seconds():
        session.clear()
        flash(gettext("You were signed out because nothing happened for a while."), "notice")
        return False
    session["seen_at"] = now
    return True


def _refuse_unmarked_views() -> None:
    """Close every page whose view says neither who may see it nor that all may."""
    if request.endpoint in (None, "static"):
        return
    view = current_app.view_functions[str(request.endpoint)]
    if not hasattr(view, "required_permission") and not hasattr(view, "is_public"):
        abort(403)
