"""What the first page says when somebody guesses at the roster."""

from __future__ import annotations

from datetime import datetime

from flask import url_for
from flask_babel import gettext
from sqlalchemy.orm import Session

from captive_portal.admin.desk import officer
from captive_portal.admin.duties import Due
from captive_portal.admin.permissions import Permission
from identity.services import roster_guard


def roster_warnings(session: Session, now: datetime) -> list[Due]:
    """The schools in reach at whose roster too much did not fit today, and the site."""
    if not officer().may(Permission.DECIDE_REGISTRATIONS):
        return []
    url = url_for("registrations.queue")
    found = [
        Due(
            text=gettext(
                "Somebody tries numbers and birth dates of the roster of %(school)s: until "
                "tomorrow every pupil's wish waits for an officer. Ask the pupil in person.",
                school=school.name,
            ),
            url=url,
            grave=True,
        )
        for school in roster_guard.guessed_schools(session, now)
        if officer().reach.covers(school.id)
    ]
    if officer().reach.is_whole and roster_guard.is_site_guessed(session, now):
        text = gettext(
            "Somebody tries numbers and birth dates of the roster: until tomorrow every pupil's "
            "wish waits for an officer. Ask the pupil in person."
        )
        found.append(Due(text=text, url=url, grave=True))
    return found
