"""The words of guardians' consent."""

from __future__ import annotations

import re

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

RELATIONS: dict[str, LazyString] = {
    "father": _("father"),
    "mother": _("mother"),
    "guardian": _("guardian"),
    "self": _("the pupil, of full age"),
}

HOWS: dict[str, LazyString] = {
    "paper": _("a signed form"),
    "in-person": _("before an officer"),
    "electronic": _("by a system that proves who signs"),
}

CONSENT_REFUSALS: tuple[tuple[re.Pattern[str], LazyString], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (
            r"nobody, or more than one, has the number",
            _("No pupil within your reach has this number at this school."),
        ),
        (
            r"no person within reach has this user name",
            _("Nobody within your reach has this user name."),
        ),
        (
            r"give the pupil's number, or the user name",
            _("Enter the pupil's number, or the user name."),
        ),
        (r"this consent is recorded already", _("This consent is recorded already.")),
        (r"consent \d+ was withdrawn before", _("This consent was withdrawn before.")),
        (r"say on what it is withdrawn", _("Say on what it is withdrawn.")),
        (
            r"the day on which consent was given lies ahead",
            _("The day of the signature lies ahead."),
        ),
        (r"the file is UTF-16", _("The file is UTF-16; save it as CSV UTF-8.")),
        (r"the file is empty", _("The file is empty.")),
        (r"columns are missing: (?P<names>.+)", _("Columns are missing: %(names)s.")),
    )
)
