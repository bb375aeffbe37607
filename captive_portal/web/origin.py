"""Whether a form was sent by a page of another origin, as far as the browser says so."""

from __future__ import annotations

from flask import request


def is_from_elsewhere() -> bool:
    """Whether a page of another origin sent this: nothing of it is shown.

    Also one under another name or port of the school's, which SameSite takes for our own site.
    """
    return request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
