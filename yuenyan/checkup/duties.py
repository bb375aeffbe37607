"""Whether duties that should be different people's are (R46, R48)."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from common.config import Config
from identity.domain.levels import SEPARATE, Level
from identity.services import officers
from yuenyan.checkup.finding import Finding, error, ok, warn

_READERS = {Level.COORDINATOR, Level.CUSTODIAN}


def check_duties(config: Config, session: Session) -> Iterator[Finding]:
    """Name who administers the system and reads its logs as well, and who can unlock names."""
    held = {
        account.username: {Level(row.level) for row in rows}
        for account, rows in officers.list_officers(session)
        if account.state == "active"
    }
    both = sorted(name for name, levels in held.items() if any(set(p) <= levels for p in SEPARATE))
    if both:
        yield warn(
            "duties",
            f"{', '.join(both)}: administrator, and reads identified logs too",
            "let the traffic data be another person's: yuenyan officer grant NAME custodian (and"
            " coordinator), then: yuenyan officer revoke",
        )
    elif held:
        yield ok("duties", "no administrator reads identified logs")
    readers = [name for name, levels in held.items() if levels & _READERS]
    if not readers:
        yield warn(
            "unlocking",
            "nobody in the admin portal can see the names behind a look-up",
            "run: yuenyan officer grant NAME coordinator",
        )
    if config.lookup.second_person and len(readers) < 2:
        yield error(
            "unlocking",
            "[lookup] second_person is on and fewer than two officers can approve",
            "run: yuenyan officer grant NAME custodian",
        )
