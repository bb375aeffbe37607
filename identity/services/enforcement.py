"""What live sessions are held to: the account is good. Looked at every second, acted on at once.

Cheap while nothing changes: one read of the revision. A session that is no longer entitled
gets a request in the outbox (identity.services.dynamic); nothing is sent here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from db.models import Revision
from identity.office import Office
from identity.services import dynamic

LOOK_EVERY = timedelta(seconds=3)
"""How late the end of an account's time may be noticed: five seconds from it to the NAS."""


class Enforcement:
    """Remembers what was looked at last; belongs to one thread."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._revision: int | None = None
        self._look_at: datetime | None = None

    def turn(self) -> dict[str, int]:
        """Look at what may have changed; how many sessions are to end, by counter name.

        Raises:
            BackendUnavailable: the database does not answer; nothing is forgotten.
        """
        now = self._office.clock()
        with self._office.database.read() as session:
            revision = session.scalar(select(Revision.number))
        if revision == self._revision and self._look_at is not None and now < self._look_at:
            return {}
        with self._office.database.read() as session:
            found = dynamic.any_unentitled(session, now)
        asked = 0
        if found:
            with self._office.database.write() as session:
                asked = dynamic.end_unentitled(session, now)
        self._revision, self._look_at = revision, now + LOOK_EVERY
        return {"sessions_to_end": asked} if asked else {}
