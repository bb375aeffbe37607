"""The headers every answer carries: a closed content policy, no referrer, no store.

The policy starts at nothing; each portal names what it adds. One nonce a response serves
the inline style sheet and the hand-off script.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from flask import Flask, Response, g

_CLOSED: Mapping[str, str] = {
    "default-src": "'none'",
    "img-src": "'self' data:",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


def csp_nonce() -> str:
    """The nonce of this response, made when it is first asked for."""
    nonce: str | None = g.get("csp_nonce")
    if nonce is None:
        nonce = secrets.token_urlsafe(16)
        g.csp_nonce = nonce
    return nonce


def allow_form_target(origin: str) -> None:
    """Let this page post a form to `origin`, which comes from a registered NAS."""
    g.form_target = origin


def init_security_headers(app: Flask, additions: Mapping[str, str] | None = None) -> None:
    """Put the headers on every answer of `app`; `additions` widen the content policy."""
    policy = {**_CLOSED, **(additions or {})}

    def finish(response: Response) -> Response:
        directives = dict(policy)
        nonce: str | None = g.get("csp_nonce")
        if nonce is not None:
            for name in ("style-src", "script-src"):
                directives[name] = f"{directives.get(name, '')} 'nonce-{nonce}'".strip()
        target: str | None = g.get("form_target")
        if target is not None:
            directives["form-action"] += f" {target}"
        headers = response.headers
        headers["Content-Security-Policy"] = "; ".join(
            f"{name} {value}" for name, value in directives.items()
        )
        headers["Referrer-Policy"] = "no-referrer"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers.setdefault("Cache-Control", "no-store")
        return response

    app.after_request(finish)
    app.jinja_env.globals["csp_nonce"] = csp_nonce
