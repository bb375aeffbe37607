"""Programs at the API: a token in `Authorization: Bearer`, instead of a browser's session.

A token opens /api/ and nothing else, and is never mixed with a cookie: a request that carries both
is refused, so no page elsewhere can borrow either. Without the cookie there is nothing that a
forged form could use, so no form token is asked for.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, g, jsonify, make_response, request
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect

from captive_portal.admin.desk import client_address, office
from captive_portal.admin.officers import Officer, officer_by_token
from captive_portal.web.limits import FailureLimits, Limit, site_of
from common.errors import BackendUnavailable
from identity.domain.api_tokens import is_well_formed
from identity.services import api_tokens, audit
from identity.services.api_tokens import Bearer, Refusal, TokenDenied

USES = Limit.of("token-uses", "120 per minute")
"""Of one token at one worker: more than two requests a second is a loop gone wild."""
UNKNOWN = Limit.of("token-unknown", "30 per 10 minutes")
"""Of one address: tokens cannot be guessed, so it stops noise alone, and after the one look-up."""
_TOLD = Limit.of("token-told", "1 per 15 minutes")
"""A program that goes on with a dead token fills no audit trail."""
REFUSED = (
    "this token opens nothing: it is mistyped, over, revoked, or its owner may not do this any"
    " more; see: yuenyan token list"
)

NONE_SENT = "send a token: Authorization: Bearer yuenyan_…; see: yuenyan token create"
_API = "/api/"


class FormTokens(CSRFProtect):  # type: ignore[misc]  # the library has no types
    """Asks for form tokens where there is a session that a forged form could use."""

    def protect(self, **options: bool) -> None:
        if is_used() or (request.path.startswith(_API) and not _has_cookie()):
            return  # without a session the view itself says that a token is missing
        super().protect(**options)


def is_used() -> bool:
    """Whether this request came with a token; its session is not looked at then."""
    return bool(g.get("by_token", False))


def init_bearer(app: Flask, manager: LoginManager) -> None:
    """Look at each request of `app` for a token, before anything else does."""
    limits = FailureLimits()

    def look() -> Response | None:
        g.answers_in_json = request.path.startswith(_API)
        scheme, _, text = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None  # also what a proxy in front has asked the browser for
        g.by_token = g.answers_in_json = True
        if _has_cookie():
            return _no(400, "send a token or a cookie, not both")
        if not request.path.startswith(_API):
            return _no(403, "a token opens /api/ alone; pages are for people")
        return _enter(limits, text.strip())

    app.before_request(look)

    @manager.request_loader  # type: ignore[untyped-decorator]
    def load(_request: object) -> Officer | None:
        found: Officer | None = g.get("officer_by_token")
        return found


def _enter(limits: FailureLimits, text: str) -> Response | None:
    address = client_address()
    try:
        if not is_well_formed(text):  # nothing is looked up for it
            return _refuse(limits, TokenDenied(refusal=Refusal.MALFORMED), address)
        with office().database.read() as session:
            found = api_tokens.prove(session, office(), text)
            who = None
            if isinstance(found, Bearer):
                who = officer_by_token(session, office(), found)
                is_news = api_tokens.is_to_note(session, office(), found.token_id, address)
        if isinstance(found, TokenDenied) or who is None:
            denied = found if isinstance(found, TokenDenied) else TokenDenied(refusal=Refusal.OWNER)
            return _refuse(limits, denied, address)
        use = (USES, str(found.token_id))
        if seconds := limits.wait_seconds(use):
            return _wait(seconds)
        limits.count(use)
        if is_news:
            with office().database.write() as session:
                api_tokens.note_use(session, office(), found.token_id, who.username, address)
    except BackendUnavailable:
        return _no(503, "the database does not answer")
    g.officer_by_token = who
    return None


def _refuse(limits: FailureLimits, denied: TokenDenied, address: str) -> Response:
    """Only what is not proven waits: a neighbour's bad tokens shut out nobody's good one."""
    if seconds := limits.wait_seconds((UNKNOWN, site_of(address))):
        return _wait(seconds)
    if denied.refusal in (Refusal.MALFORMED, Refusal.UNKNOWN):
        limits.count((UNKNOWN, site_of(address)))
    told = (_TOLD, f"{denied.token_id or site_of(address)} {denied.refusal}")
    if not limits.wait_seconds(told):
        limits.count(told)
        with office().database.write() as session:
            audit.record(
                session,
                office().clock(),
                "anonymous",
                "token:refused",
                f"token {denied.token_id}" if denied.token_id else "-",
                refusal=denied.refusal.value,
                address=address,
            )
    return _no(401, REFUSED)


def is_program() -> bool:
    """Whether a program asks: it gets an answer, never the way to the sign-in page."""
    return is_used() or request.path.startswith(_API)


def unauthorized() -> Response:
    """For a program without a token that opens this."""
    return _no(401, REFUSED if is_used() else NONE_SENT)


def _has_cookie() -> bool:
    return current_app.config["SESSION_COOKIE_NAME"] in request.cookies


def _wait(seconds: int) -> Response:
    response = _no(429, f"too many requests; wait {seconds} seconds")
    response.headers["Retry-After"] = str(seconds)
    return response


def _no(status: int, text: str) -> Response:
    response = make_response(jsonify(error=text), status)
    if status == 401:
        # Not the site's name: a header holds no Thai letters.
        response.headers["WWW-Authenticate"] = 'Bearer realm="yuenyan"'
    return response
