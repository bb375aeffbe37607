"""What the first page says of the office's duties: what is due, who is not named, the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from flask_babel import gettext
from sqlalchemy.orm import Session

from captive_portal.admin import register_words
from captive_portal.admin.desk import office, officer
from captive_portal.admin.permissions import Permission
from captive_portal.web.dates import format_moment
from captive_portal.web.i18n import current_language
from common.config import Config
from common.errors import ArchiveError
from identity.services import registers
from traffic.clock.history import ClockStatus, read_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One thing to do."""

    text: str
    url: str | None = None
    grave: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLine:
    """How the clock stands, in words."""

    text: str
    at: datetime | None = None
    alarm: str | None = None


def duty_warnings(session: Session, now: datetime) -> list[Due]:
    """What is due in the registers, and whether officials would find somebody.

    Nothing for whoever does not see the registers: what was asked for, and when, is in them.
    """
    config = office().config
    found: list[Due] = []
    if not officer().may(Permission.VIEW_REGISTERS):
        return found
    for alarm in registers.find_alarms(session, now, config.office.warn_days):
        when = format_moment(alarm.due_at, current_language(), config.site.timezone)
        text = (
            gettext("%(number)s was due: %(when)s.", number=alarm.number, when=when)
            if alarm.overdue
            else gettext("%(number)s is due: %(when)s.", number=alarm.number, when=when)
        )
        url = url_for("registers.show", name=alarm.register, number=alarm.number)
        found.append(Due(text=text, url=url, grave=alarm.overdue))
    if not (config.office.coordinator and config.office.deputy):
        found.append(
            Due(
                text=gettext(
                    "Nobody is named who gives information to officials, or no deputy: [office] in"
                    " the configuration."
                )
            )
        )
    return found


def clock_line(config: Config, now: datetime) -> ClockLine:
    """The newest clock sample in words; never that it is right without one."""
    try:
        status = read_status(config, now)
    except (ArchiveError, OSError):
        return ClockLine(text=gettext("not known: the archive cannot be read"), alarm="unreadable")
    return _say(status)


def clock_due(line: ClockLine) -> Due:
    """The warning that the clock is not shown to be right."""
    return Due(text=gettext("The clock of this machine: %(state)s.", state=line.text))


def _say(status: ClockStatus) -> ClockLine:
    bound = None if status.own is None else status.own.bound_us
    if status.alarm is None and bound is not None:
        text = gettext("at most %(ms)s ms wrong", ms=f"{bound / 1000:.1f}")
        return ClockLine(text=text, at=status.at)
    why = register_words.word("CLOCK", status.alarm or "")
    return ClockLine(
        text=gettext("not shown to be right: %(why)s", why=why), at=status.at, alarm=status.alarm
    )
