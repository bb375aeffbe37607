"""Whether duties that should be different people's are (R46, R48)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy.orm import Session

from common.config import Config
from db.models import Account, OfficerLevel
from identity.domain.levels import SEPARATE, Level
from identity.services import officers
from identity.services.reach import reach_of
from yuenyan.checkup.finding import Finding, error, ok, warn

_READERS = {Level.COORDINATOR, Level.CUSTODIAN}
_OF_ALL = (Level.ADMIN, Level.CUSTODIAN, Level.COORDINATOR)
"""Levels whose duties touch every organisation."""

_Held = Sequence[tuple[Account, tuple[OfficerLevel, ...]]]


def check_duties(config: Config, session: Session) -> Iterator[Finding]:
    """Name who administers the system and reads its logs as well, and who can unlock names."""
    active = [
        (account, rows)
        for account, rows in officers.list_officers(session)
        if account.state == "active"
    ]
    held = {account.username: {Level(row.level) for row in rows} for account, rows in active}
    both = sorted(name for name, levels in held.items() if any(set(p) <= levels for p in SEPARATE))
    if both:
        yield warn(
            "duties",
            f"{', '.join(both)}: administrator, and reads identified logs too",
            "let the traffic data be another person's: yuenyan officer grant NAME custodian (and"
            " coordinator), then: yuenyan officer revoke NAME LEVEL",
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
    elif config.lookup.second_person:
        yield from _check_second_person(active)
    yield from _check_reach(session, active)


def _check_second_person(active: _Held) -> Iterator[Finding]:
    """Name the readers whose wishes only officers of their own making could agree to."""
    readers = {
        account.username: {row.granted_by for row in rows}
        for account, rows in active
        if _READERS & {Level(row.level) for row in rows}
    }
    alone = [
        name
        for name in sorted(readers)
        if all(name in givers for other, givers in readers.items() if other != name)
    ]
    if alone:
        yield warn(
            "unlocking",
            f"nobody can agree to what {', '.join(alone)} asks to unlock: the others who may agree"
            " are officers because of the asker",
            "let whoever has the server give it anew: yuenyan officer revoke NAME LEVEL, then:"
            " yuenyan officer grant NAME LEVEL",
        )


def _check_reach(session: Session, active: _Held) -> Iterator[Finding]:
    """Whether somebody of each level sees the whole site, and not one organisation of it."""
    missing = []
    for level in _OF_ALL:
        those = [account for account, rows in active if level in {row.level for row in rows}]
        if those and not any(reach_of(session, account).is_whole for account in those):
            missing.append(level.value)
    if missing:
        yield error(
            "reach",
            f"no active {' or '.join(missing)} sees every organisation: each belongs to one under"
            " which not all others lie",
            "put every organisation under the area office (yuenyan org list): yuenyan org add CODE"
            " NAME --parent AREA",
        )
