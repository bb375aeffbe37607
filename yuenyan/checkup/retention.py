"""Holds that end soon, rows that do not move, and a clock that stops the purge."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from common.clock import utc_now
from common.config import Config
from common.errors import NetAccessError
from db.engine import Database
from db.models import ArchiveMove, AuthEvent
from identity.services import holds
from traffic.keeping.moving import KEPT_IN_DATABASE, archive_id
from traffic.keeping.purge import Purger, check_clock
from traffic.moments import to_milliseconds
from yuenyan.checkup.finding import Finding, ok, warn
from yuenyan.checkup.machine import is_clock_kept
from yuenyan.lost import has_database

LATE = timedelta(days=2)
"""The housekeeper moves rows every hour."""


def check_retention(config: Config) -> Iterator[Finding]:
    """Records are let go when they should be, and kept when somebody ordered it."""
    if not has_database(config):
        return
    database = Database(config.database_url)
    try:
        yield from _check_holds(database)
        yield from _check_moves(config, database)
    except (NetAccessError, SQLAlchemyError):
        return  # the check of the database says why
    finally:
        database.dispose()
    yield from _check_clock(config)


def _check_holds(database: Database) -> Iterator[Finding]:
    now = utc_now()
    with database.read() as session:
        rows = holds.not_ended(session)
    in_force = [hold for hold in rows if hold.until_at > now]
    for hold in in_force:
        if hold.until_at - now <= holds.REMIND:
            yield warn(
                "hold",
                f"hold {hold.id} ({hold.document} of {hold.authority}) is over on"
                f" {hold.until_at:%Y-%m-%d}",
                "ask the authority whether it needs the records longer; a new hold needs a new"
                " document: yuenyan hold add",
            )
    if in_force:
        yield ok("holds", f"{len(in_force)} in force")


def _check_moves(config: Config, database: Database) -> Iterator[Finding]:
    now = utc_now()
    with database.read() as session:
        claims = session.scalars(select(ArchiveMove)).all()
        oldest = session.scalars(select(AuthEvent.at).order_by(AuthEvent.id).limit(2)).all()
    mine = archive_id(config.data_dir / "archive") if claims else ""
    for claim in claims:
        if claim.archive != mine:
            yield warn(
                "archive",
                f"rows of {claim.source} wait for the archive {claim.archive}, which began to move"
                f" them on {claim.begun_at:%Y-%m-%d %H:%M}",
                "start the housekeeper of the node that has it; if that node is lost for good,"
                f" delete the row of archive_move (source = '{claim.source}')",
            )
    if len(oldest) == 2 and now - oldest[0] > KEPT_IN_DATABASE + LATE:
        yield warn(
            "archive",
            f"rows from {oldest[0]:%Y-%m-%d} are still in the database",
            "start the housekeeper, or run: yuenyan archive move",
        )


def _check_clock(config: Config) -> Iterator[Finding]:
    try:
        _entries, timeline = Purger(config.data_dir / "archive", "").timeline(
            to_milliseconds(utc_now())
        )
        check_clock(timeline, synchronised=is_clock_kept())
    except NetAccessError as problem:
        yield warn("retention", f"nothing is purged: {problem}", "see docs/retention.md")
