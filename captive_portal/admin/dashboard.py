"""The first page: what waits, what runs, and what is wrong and should be done first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Blueprint, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from captive_portal.admin.desk import office, officer
from captive_portal.admin.duties import clock_due, clock_line, duty_warnings
from captive_portal.admin.endings import ending_warnings
from captive_portal.admin.integrity import integrity_warnings
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.presentation import since
from captive_portal.admin.roster_alarms import roster_warnings
from captive_portal.admin.voucher_alarms import guess_warnings
from common.disk import Level as DiskLevel
from common.disk import Room, room_of
from common.errors import ArchiveError
from common.logging import get_logger
from db.models import (
    Account,
    AuthEvent,
    Gap,
    NasClient,
    NetworkSession,
    Registration,
    ServiceRun,
    UnknownNas,
)
from identity.domain.access import Reason
from identity.domain.levels import Level
from identity.services.officers import has_level
from identity.services.reach import Reach
from traffic.archive.manifest import NAME as MANIFEST
from traffic.archive.seals import NAME as SEALS
from traffic.archive.status import archive_status
from traffic.archive.verification import MARK

blueprint = Blueprint("dashboard", __name__)

_LATE_DECISION = timedelta(hours=24)
_LATE_SEGMENT = timedelta(hours=2)
_SILENT_PROCESS = timedelta(minutes=5)
_RECENT = timedelta(days=7)
_TOP_REASONS = 5
_log = get_logger("captive_portal.admin.dashboard")
_counted: dict[Path, tuple[tuple[object, ...], ArchiveState]] = {}
"""Archive -> (what its files looked like, what was counted then); one process has one archive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The numbers of the first page."""

    pending: int
    oldest_pending: datetime | None
    open_sessions: int
    accepted: int
    refused: int
    refusals: list[tuple[str, int]]
    """The commonest reasons of the last day."""
    accounts: int
    admins: int
    nas: int
    nas_silent: int
    nas_without: int
    unknown_nas: int
    gaps: list[Gap]
    processes: list[ServiceRun]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveState:
    """The traffic archive in a few words."""

    readable: bool
    records: int = 0
    octets: int = 0
    segments: int = 0
    newest: datetime | None = None
    sealed_to: datetime | None = None
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Warning:
    """One thing to do, and where."""

    text: str
    url: str | None = None
    grave: bool = False


@blueprint.get("/")
@requires(Permission.OVERVIEW)
def show() -> ResponseReturnValue:
    """The first page."""
    with office().database.read() as session:
        overview = read_overview(session, office().clock(), officer().reach)
        due = duty_warnings(session, office().clock())
        due += guess_warnings(session, office().clock())
        due += roster_warnings(session, office().clock())
    archive = read_archive()
    clock = clock_line(office().config, office().clock())
    if clock.alarm is not None:
        due.append(clock_due(clock))
    return render_template(
        "dashboard.html",
        overview=overview,
        archive=archive,
        clock=clock,
        warnings=[
            *(Warning(text=one.text, url=one.url, grave=True) for one in due if one.grave),
            *warnings_of(overview, archive, office().clock()),
            *(Warning(text=one.text, url=one.url) for one in due if not one.grave),
        ],
        now=office().clock(),
    )


def _is_login() -> ColumnElement[bool]:
    """Leaves out devices that were only sent on: each that passes by would count as refused."""
    return AuthEvent.reason != Reason.SENT_TO_PORTAL


def read_overview(session: Session, now: datetime, reach: Reach) -> Overview:
    """Count everything in reach once; what belongs to the whole site only who sees all of it."""
    day = now - timedelta(days=1)

    def count(*conditions: object) -> int:
        return session.scalar(select(func.count()).where(*conditions)) or 0  # type: ignore[arg-type]

    outcomes: dict[str, int] = {
        outcome: number
        for outcome, number in session.execute(
            select(AuthEvent.outcome, func.count())
            .where(AuthEvent.at >= day, reach.logins(), _is_login())
            .group_by(AuthEvent.outcome)
        )
    }
    refusals = session.execute(
        select(AuthEvent.reason, func.count())
        .where(AuthEvent.at >= day, AuthEvent.outcome == "reject", reach.logins(), _is_login())
        .group_by(AuthEvent.reason)
        .order_by(func.count().desc())
        .limit(_TOP_REASONS)
    )
    latest = select(func.max(ServiceRun.id)).group_by(ServiceRun.process, ServiceRun.node)
    pending, oldest = session.execute(
        select(func.count(), func.min(Registration.created_at)).where(
            Registration.state == "pending", reach.within(Registration.organisation_id)
        )
    ).one()
    return Overview(
        pending=pending,
        oldest_pending=oldest,
        open_sessions=count(
            NetworkSession.stop_seen == 0, NetworkSession.closed_at.is_(None), reach.sessions()
        ),
        accepted=outcomes.get("accept", 0),
        refused=outcomes.get("reject", 0),
        refusals=[(reason, number) for reason, number in refusals],
        accounts=count(Account.state == "active", reach.accounts()),
        admins=count(Account.state == "active", has_level(Level.ADMIN)),
        nas=count(NasClient.enabled.is_(True), reach.nas()),
        # One that was never heard of is silent since it was registered.
        nas_silent=count(
            NasClient.enabled.is_(True),
            reach.nas(),
            func.coalesce(NasClient.last_seen_at, NasClient.created_at) < day,
        ),
        nas_without=count(
            NasClient.enabled.is_(True),
            reach.nas(),
            NasClient.require_message_authenticator.is_(False),
        ),
        unknown_nas=count(UnknownNas.last_seen_at >= now - _RECENT) if reach.is_whole else 0,
        gaps=list(
            session.scalars(
                select(Gap).where(Gap.to_at >= now - _RECENT).order_by(Gap.to_at.desc()).limit(5)
            )
        )
        if reach.is_whole
        else [],
        processes=list(
            session.scalars(
                select(ServiceRun).where(ServiceRun.id.in_(latest)).order_by(ServiceRun.process)
            )
        ),
    )


def read_archive() -> ArchiveState:
    """The archive's manifest in short; unreadable when it is damaged, which is a warning.

    Counted anew when a file of it has changed: after a year it has hundreds of thousands of lines.
    """
    config = office().config
    archive = config.data_dir / "archive"
    marks = tuple(_mark(archive / name) for name in (MANIFEST, SEALS, MARK))
    known = _counted.get(archive)
    if known is not None and known[0] == marks:
        return known[1]
    try:
        status = archive_status(archive, config.site.timezone, config.keys_dir)
    except (ArchiveError, OSError) as error:
        _log.error("archive_unreadable", error=str(error))
        return ArchiveState(readable=False)
    state = _state_of(status)
    _counted[archive] = (marks, state)
    return state


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _state_of(status: Mapping[str, Any]) -> ArchiveState:
    kinds = status["kinds"].values()
    # Rows of the database come a week late: flows alone tell whether something still arrives.
    newest = [kind["newest"] for name, kind in status["kinds"].items() if name == "flow"]
    return ArchiveState(
        readable=True,
        records=sum(kind["records"] for kind in kinds),
        octets=sum(kind["octets"] for kind in kinds),
        segments=sum(kind["segments"] for kind in kinds),
        newest=max(datetime.fromisoformat(text) for text in newest) if newest else None,
        sealed_to=_moment(status["sealed_to"]),
        verified_at=_moment(status["verified_at"]),
    )


def disk_warnings(room: Room | None) -> list[Warning]:
    """How full the disk is, from the level on at which somebody must know."""
    if room is None or room.level is DiskLevel.ROOMY:
        return []
    words = gettext(
        "%(used)s %% used, %(free)s GiB free",
        used=room.used_percent,
        free=f"{room.free_octets / 2**30:.1f}",
    )
    if room.level is DiskLevel.FULL:
        text = gettext(
            "The disk is full (%(room)s): records are about to be lost. Make room now; nothing kept"
            " by law is deleted for it.",
            room=words,
        )
    elif room.level is DiskLevel.NEARLY:
        text = gettext("The disk is nearly full (%(room)s): make room this week.", room=words)
    else:
        text = gettext("The disk is filling (%(room)s): plan for more room.", room=words)
    return [Warning(grave=room.level is not DiskLevel.FILLING, text=text)]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def warnings_of(overview: Overview, archive: ArchiveState, now: datetime) -> list[Warning]:
    """What to do first; the grave ones come first."""
    found: list[Warning] = []
    nas_url = url_for("nas_clients.listing") if officer().may(Permission.VIEW_NAS) else None
    for process in overview.processes:
        if process.stopped_at is None and now - process.alive_at > _SILENT_PROCESS:
            found.append(
                Warning(
                    grave=True,
                    text=gettext(
                        "%(process)s has not been heard of since %(ago)s; look whether it runs.",
                        process=process.process,
                        ago=since(now - process.alive_at),
                    ),
                )
            )
    found += disk_warnings(room_of(office().config.data_dir))
    if not archive.readable:
        found.append(
            Warning(grave=True, text=gettext("The archive cannot be read: yuenyan archive verify."))
        )
    elif archive.newest is not None and now - archive.newest > _LATE_SEGMENT:
        found.append(
            Warning(
                grave=True,
                text=gettext(
                    "The newest traffic record is from %(ago)s; look whether flows still arrive.",
                    ago=since(now - archive.newest),
                ),
            )
        )
    found += [
        Warning(grave=grave, text=text)
        for words in (integrity_warnings, ending_warnings)
        for grave, text in words(office().config, now)
    ]
    if overview.oldest_pending is not None and now - overview.oldest_pending > _LATE_DECISION:
        found.append(
            Warning(
                text=gettext(
                    "A registration has been waiting since %(ago)s.",
                    ago=since(now - overview.oldest_pending),
                ),
                url=(
                    url_for("registrations.queue")
                    if officer().may(Permission.DECIDE_REGISTRATIONS)
                    else None
                ),
            )
        )
    for number, text in (
        (
            overview.unknown_nas,
            ngettext(
                "%(num)d unknown address tried to speak RADIUS this week.",
                "%(num)d unknown addresses tried to speak RADIUS this week.",
                overview.unknown_nas,
            ),
        ),
        (
            overview.nas_silent,
            ngettext(
                "%(num)d network device has not been seen for a day.",
                "%(num)d network devices have not been seen for a day.",
                overview.nas_silent,
            ),
        ),
        (
            overview.nas_without,
            ngettext(
                "%(num)d network device may send requests without Message-Authenticator.",
                "%(num)d network devices may send requests without Message-Authenticator.",
                overview.nas_without,
            ),
        ),
    ):
        if number:
            found.append(Warning(text=text, url=nas_url))
    if not office().config.portal.public_url:
        found.append(
            Warning(
                text=gettext(
                    "portal.public_url is not set: QR codes and captive pages can only guess the "
                    "address."
                )
            )
        )
    if overview.admins < 2 and officer().reach.is_whole:
        found.append(
            Warning(
                text=gettext("Only one administrator: if that password is lost, nobody can help.")
            )
        )
    return found
