"""The notice on personal data, and the hash that says which text somebody accepted (R12).

The hash covers the text as it was shown, with the site's name and retention in it. The
text itself is kept in `<data_dir>/notices/`, so the hash can be explained years later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from flask import Blueprint, make_response, render_template
from markupsafe import Markup
from werkzeug.wrappers import Response

from captive_portal.public.site import portal
from captive_portal.web.i18n import current_language
from common.logging import get_logger

pages = Blueprint("notice", __name__)

VERSION = "2026-11"


@dataclass(frozen=True, slots=True)
class Notice:
    """The notice in one language."""

    text: Markup
    sha256: str


def current() -> Notice:
    """The notice in the language of this request."""
    text = render_template(
        f"notice.{current_language()}.html",
        version=VERSION,
        retention_days=portal().office.config.archive.retention_days,
    )
    return Notice(Markup(text), hashlib.sha256(text.encode()).hexdigest())  # noqa: S704 - our own


def keep(notice: Notice) -> None:
    """Store the text beside its hash; a disk that refuses does not stop an application."""
    folder = portal().office.config.data_dir / "notices"
    path = folder / f"{notice.sha256}.html"
    try:
        if not path.exists():
            folder.mkdir(exist_ok=True)
            path.write_text(notice.text, encoding="utf-8", newline="")
    except OSError as error:
        get_logger(__name__).warning("notice_not_kept", path=str(path), reason=error.strerror)


@pages.get("/notice")
def show() -> Response:
    """The notice with its version and hash."""
    return make_response(render_template("notice.html", notice=current(), version=VERSION))
