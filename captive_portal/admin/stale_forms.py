"""A form that comes back with a token of an earlier sign-in: what was typed is not lost.

Nothing of it is carried out. The page shows the texts, so that they can be copied; it has no button
that would send them, or a page elsewhere could have an officer press it.
"""

from __future__ import annotations

import re

from flask import current_app, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from captive_portal.web.origin import is_from_elsewhere

_NEVER_SHOWN = re.compile(r"pass|secret|token|key|otp|^pin|^code", re.IGNORECASE)
"""Names of fields whose value belongs on no screen."""
_SHOWN = 40


def typed_in(error: HTTPException) -> list[str]:
    """The texts of the form that `error` refused, if it is a stale form of this very portal.

    The session's cookie is SameSite=Lax: a browser sends it along with no form of another site.
    Another name or port of the school's is no other site to it, but the browser says where from.
    """
    if not isinstance(error, CSRFError):
        return []
    if is_from_elsewhere():
        return []
    if current_app.config["SESSION_COOKIE_NAME"] not in request.cookies:
        return []
    texts = (
        text
        for name, values in request.form.lists()
        if not _NEVER_SHOWN.search(name)
        for text in values
    )
    return list(dict.fromkeys(text for text in texts if text.strip()))[:_SHOWN]
