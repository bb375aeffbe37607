"""The notice on personal data, and the hash that says which text somebody accepted (R12, R69).

The hash covers the text as it was shown, with the office's name and retention in it. The
text itself is kept in the database and in `<data_dir>/notices/`, so that the hash can be
explained years later. Three versions: for everybody, short for pupils, for guardians. A text
that the office has published (identity.services.published) goes before the one built in.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from flask import Blueprint, make_response, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from captive_portal.public.sign_ins import holder, sign_in_text
from captive_portal.public.site import page, portal
from captive_portal.web import plain_text
from captive_portal.web.i18n import current_language, gettext
from common.errors import BackendUnavailable
from common.logging import get_logger
from identity.services import notices, published
from identity.services.notices import Audience

pages = Blueprint("notice", __name__)

VERSION = "2026-11.2"


@dataclass(frozen=True, slots=True)
class Notice:
    """The notice in one language, for one kind of reader."""

    audience: Audience
    language: str
    text: Markup
    sha256: str
    version: str
    kept: str
    """What the hash is of, as it is stored."""


def current(audience: Audience = Audience.EVERYBODY) -> Notice:
    """The notice for `audience` in the language of this request."""
    language, config = current_language(), portal().office.config
    with portal().office.database.read() as session:
        own = published.in_force(session, published.Kind.PRIVACY, language, audience)
    if own is not None:
        shown = plain_text.render(own.text)
        return Notice(audience, own.language, shown, own.sha256, own.version, own.text)
    part = "" if audience is Audience.EVERYBODY else f"{audience}."
    text = render_template(
        f"notice.{part}{language}.html",
        version=VERSION,
        retention_days=config.archive.retention_days,
        controller=config.office.name or config.site.name,
        contact=config.office.data_contact or config.portal.help_line,
    )
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Notice(audience, language, Markup(text), digest, VERSION, text)  # noqa: S704 - our own


def keep(notice: Notice) -> None:
    """Store the text beside its hash; what refuses it does not stop an application."""
    folder = portal().office.config.data_dir / "notices"
    path = folder / f"{notice.sha256}.html"
    try:
        if not path.exists():
            folder.mkdir(exist_ok=True)
            path.write_text(notice.kept, encoding="utf-8", newline="")
    except OSError as error:
        get_logger(__name__).warning("notice_not_kept", path=str(path), reason=error.strerror)
    try:
        notices.store(portal().office, stored_form(notice))
    except BackendUnavailable as error:
        get_logger(__name__).warning("notice_not_kept", path="database", reason=str(error))


def stored_form(notice: Notice) -> notices.Text:
    """The notice as the database keeps it."""
    return notices.Text(
        sha256=notice.sha256,
        version=notice.version,
        audience=notice.audience,
        language=notice.language,
        text=notice.kept,
    )


@pages.get("/notice")
def show() -> Response:
    """The notice with its version and hash."""
    asked = request.args.get("for", "")
    audience = Audience(asked) if asked in set(Audience) else Audience.EVERYBODY
    names = {
        Audience.EVERYBODY: gettext("For everybody"),
        Audience.PUPIL: gettext("In short, for pupils"),
        Audience.GUARDIAN: gettext("For parents and guardians"),
    }
    shown = current(audience)
    return make_response(
        render_template(
            "notice.html",
            notice=shown,
            version=shown.version,
            audiences=tuple(Audience),
            names=names,
            back=page("status.show", s=sign_in_text()) if holder() else page("login.form"),
        )
    )
