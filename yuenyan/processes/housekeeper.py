"""The housekeeper: every half minute what is due, every hour moves and a seal, daily a purge.

A task that fails is logged and tried again the next time; it never ends the process.
"""

from __future__ import annotations

import platform
import signal
import threading
from collections.abc import Mapping
from dataclasses import asdict
from types import FrameType

from common.clock import unix_milliseconds, utc_now
from common.config import Config
from common.disk import Level, room_of
from common.errors import NetAccessError, Refused
from common.logging import configure, get_logger
from common.metrics import Counters
from db.engine import Database
from db.service_run import EVERY_SECONDS as HEARTBEAT_SECONDS
from db.service_run import heartbeat
from identity.office import Office
from identity.services import housekeeping
from identity.services.directory_refresh import refresh
from identity.services.revocation_lists import refresh_crl_if_due
from traffic.archive.rows import AlteredRowsError, note_rows
from traffic.archive.seals import make_seal
from traffic.collectors.paths import node_name
from traffic.keeping.keeper import Keeper, detail_of
from yuenyan.checkup.machine import is_clock_kept
from yuenyan.processes.clock_keeper import ClockKeeper
from yuenyan.processes.grant_keeper import GrantKeeping
from yuenyan.processes.postman import Postman
from yuenyan.processes.storekeeper import Storekeeper
from yuenyan.processes.witnessing import Watch

EVERY_SECONDS = 30.0
"""Between an account's expiry and its word in the tables; logins look at the time anyway."""

SEAL_EVERY_SECONDS = 3600.0
"""Whoever changes a record must do it within the hour, before its hash is signed."""

PURGE_EVERY_SECONDS = 86_400.0
FIRST_PURGE_SECONDS = 900.0
"""After the start: a clock that is wrong at boot has been set by then."""


def run(config: Config) -> int:
    """Keep house until SIGTERM or SIGINT; a pass that has begun is finished."""
    configure("housekeeper")
    log = get_logger(__name__)
    database = Database(config.database_url)
    database.require_schema()
    office = Office.open(config, database)
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    counters = Counters()
    alive = heartbeat(database, "housekeeper", platform.node())
    watch = Watch(config, database)
    postman = Postman(office, counters)
    postman.start()
    grants = GrantKeeping(office, counters)
    grants.start()
    storekeeper = Storekeeper(config)
    storekeeper.start()
    log.info("housekeeper_started", every_seconds=EVERY_SECONDS)
    clocks = ClockKeeper(office)
    until_pass = until_seal = 0.0
    until_purge = FIRST_PURGE_SECONDS
    while not stopping.is_set():
        counters.add("housekeeper_clock_samples_total", look_at_clocks(clocks))
        if until_pass <= 0:
            for name, number in keep_house(office).items():
                counters.add(f"housekeeper_{name}_total", number)
            refresh_crl(office)
            counters.add("housekeeper_directory_entries_total", refresh_directories(office))
            write_counters(counters, config)
            until_pass = EVERY_SECONDS
        if until_purge <= 0:
            counters.add("housekeeper_purged_segments_total", purge(office))
            until_purge = PURGE_EVERY_SECONDS
        if until_seal <= 0:
            note_evidence(config, database)
            counters.add("housekeeper_moved_rows_total", move(office))
            seal_archive(config)
            tell_disk(config)
            until_seal = SEAL_EVERY_SECONDS
        if not watch.started:
            watch.start()  # behind the first seal, so that witnesses are shown it at once
        alive.beat()
        stopping.wait(HEARTBEAT_SECONDS)
        until_pass -= HEARTBEAT_SECONDS
        until_seal -= HEARTBEAT_SECONDS
        until_purge -= HEARTBEAT_SECONDS
    storekeeper.stop()
    watch.stop()
    postman.stop()
    grants.stop()
    alive.stop()
    database.dispose()
    log.info("housekeeper_stopped")
    return 0


def look_at_clocks(clocks: ClockKeeper) -> int:
    """How many samples and steps were stored; 0 when the clocks cannot be looked at."""
    try:
        return clocks.look()
    except Exception:
        # As in `keep_house`.
        get_logger(__name__).exception("clock_look_failed")
        return 0


def write_counters(counters: Counters, config: Config) -> bool:
    """Write the numbers; False when the disk refuses, which must not stop what makes room."""
    try:
        counters.write(config.data_dir / "metrics" / "housekeeper.prom")
    except OSError as error:
        get_logger(__name__).warning("counters_not_written", error=str(error))
        return False
    return True


def keep_house(office: Office) -> Mapping[str, int]:
    """One pass; how many of each were done, empty when it failed."""
    log = get_logger(__name__)
    try:
        done = asdict(housekeeping.run_once(office))
    except NetAccessError as error:
        log.warning("housekeeping_postponed", error=str(error))
        return {}
    except Exception:
        # The one catch-all of this process: tomorrow's accounts must expire too.
        log.exception("housekeeping_failed")
        return {}
    if any(done.values()):
        log.info("house_kept", **done)
    return done


def refresh_directories(office: Office) -> int:
    """Look whether people of directories are still there; how many were looked at."""
    log = get_logger(__name__)
    try:
        return refresh(office)
    except NetAccessError as error:
        log.warning("directories_postponed", error=str(error))
    except Exception:
        # As in `keep_house`: the others must go on.
        log.exception("directories_failed")
    return 0


def refresh_crl(office: Office) -> bool:
    """Write the revocation lists anew when they are due; False when not, or it failed."""
    log = get_logger(__name__)
    try:
        written = refresh_crl_if_due(office)
    except (NetAccessError, OSError) as error:
        log.warning("crl_not_written", error=str(error))
        return False
    except Exception:
        # As in `keep_house`.
        log.exception("crl_not_written")
        return False
    if written:
        log.info("crl_written")
    return written


def note_evidence(config: Config, database: Database) -> int:
    """Put the digests of new rows into the manifest, for the seal that follows; how many rows."""
    log = get_logger(__name__)
    try:
        return note_rows(database, config.data_dir / "archive", node_name(), utc_now())
    except (NetAccessError, OSError) as error:
        log.error("rows_not_noted", error=str(error))
    except Exception:
        # As in `keep_house`: what came from the collectors must be sealed all the same.
        log.exception("rows_not_noted")
    return 0


def move(office: Office) -> int:
    """Move old rows into the archive; how many, 0 when it could not be done."""
    log = get_logger(__name__)
    try:
        moved = Keeper(office, synchronised=is_clock_kept()).move()
    except AlteredRowsError as error:
        # Kept where they are, as evidence; somebody must look.
        log.error("move_refused", error=str(error))
        return 0
    except NetAccessError as error:
        log.warning("move_postponed", error=str(error))
        return 0
    except Exception:
        # As in `keep_house`: the seal must be made all the same.
        log.exception("move_failed")
        return 0
    if moved.rows:
        log.info("rows_moved", rows=moved.rows, stored=moved.stored)
    if moved.waiting:
        log.warning("move_waits_for_another_archive", tables=moved.waiting)
    if moved.orphans:
        log.warning("segments_without_line_set_aside", segments=moved.orphans)
    return moved.rows


def purge(office: Office) -> int:
    """Let go of what is over; how many segments, 0 when nothing may go."""
    log = get_logger(__name__)
    try:
        purged = Keeper(office, synchronised=is_clock_kept()).purge()
    except NetAccessError as error:
        # A clock that cannot be believed is something that somebody must look at.
        log.error("purge_refused", error=str(error))
        return 0
    except Exception:
        log.exception("purge_failed")
        return 0
    for line in purged.told:
        log.info("archive_purged", entry=line.seq, **detail_of(line))
    log.info(
        "retention_kept",
        segments=purged.segments,
        held=purged.held_segments,
        sessions=purged.rows.sessions,
        accounts=purged.accounts,
        unlock_requests=purged.unlock_requests,
    )
    return purged.segments


def tell_disk(config: Config) -> None:
    """Log, every hour, that the disk is filling; nothing is deleted to make room."""
    try:
        room = room_of(config.data_dir)
    except Exception:
        # As in `keep_house`.
        get_logger(__name__).exception("disk_not_measured")
        return
    if room is not None and room.level is not Level.ROOMY:
        log = get_logger(__name__)
        tell = log.error if room.level is Level.FULL else log.warning
        tell("disk_filling", level=int(room.level), room=room.text)


def seal_archive(config: Config) -> bool:
    """Sign the end of the archive; False when it is empty or it could not be done."""
    log = get_logger(__name__)
    try:
        seal = make_seal(config.data_dir / "archive", config.keys_dir, unix_milliseconds)
    except Refused:
        return False
    except (NetAccessError, OSError) as error:
        log.error("archive_not_sealed", error=str(error))
        return False
    except Exception:
        # As in `keep_house`.
        log.exception("archive_not_sealed")
        return False
    log.info("archive_sealed", entries=seal.seq)
    return True
