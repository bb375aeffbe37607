"""What officers read where records that have left for the object store cannot be had now.

Else they would read that the system is not ready, and ask again each minute.
"""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_babel.speaklater import LazyString

from common.errors import BackendUnavailable

TITLE = _("These records cannot be had now")
SILENT = _(
    "The records of that time are in the object store, which does not answer. That does not mean"
    " nobody: ask again later."
)
NO_ROOM = _(
    "The records of that time are in the object store, and this server's disk has no room for them."
    " Ask about a shorter time, or tell the person in charge."
)


def records_away(error: BackendUnavailable) -> LazyString | None:
    """What to say; None: it is something else that does not answer."""
    if error.backend == "object store":
        return SILENT
    if error.backend == "archive" and "too full to bring" in str(error):
        return NO_ROOM
    return None


def for_programs(error: BackendUnavailable) -> str:
    """The same in English, whatever the language; of everything else that it is the database."""
    told = records_away(error)
    if told is SILENT:
        return "the object store that has the records of that time does not answer; ask later"
    if told is NO_ROOM:
        return "the disk has no room for the records of that time; ask about a shorter time"
    return "the database does not answer"


def page_words(error: BackendUnavailable) -> tuple[str, str] | None:
    """Title and advice of the page; None as above."""
    told = records_away(error)
    return None if told is None else (str(TITLE), str(told))
