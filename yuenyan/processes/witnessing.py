"""The housekeeper's watch over the archive: shows seals to witnesses, tests verification daily.

A thread of its own, because a witness may take its time and accounts must expire meanwhile.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from common.clock import unix_nanoseconds, utc_now
from common.config import Config
from common.errors import ArchiveError, NetAccessError
from common.logging import get_logger
from db.engine import Database
from identity.services import audit
from traffic.archive.rows import check_rows
from traffic.archive.seals import NAME as SEALS
from traffic.archive.selftest import SelfTest, last_result, run_self_test, save_result
from traffic.archive.verification import verify_archive
from traffic.witnesses.copies import reachable_copies
from traffic.witnesses.delivery import deliver
from traffic.witnesses.state import load_state, witness_folder

EVERY_SECONDS = 60.0
SELF_TEST_MS = 86_400_000
_RETRY_MS = 3_600_000
"""A test that could not be made is not tried every minute."""

_ACTOR = "housekeeper"
_PATIENCE_SECONDS = 2.0
"""For what is under way at the end; a test or a delivery that is cut off is made again."""

_SETTLE_SECONDS = 5.0
"""A process that is stopped as soon as it runs has begun nothing."""

log = get_logger(__name__)


class Watch:
    """Runs `turn` every minute from `start` to `stop`."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._database = database
        self._stopping = threading.Event()
        self._retry_ms = 0
        self._settled: tuple[int, int] | None = None
        """Size and time of the seals when every witness had been shown all of them."""
        self._thread = threading.Thread(target=self._loop, name="watch", daemon=True)

    @property
    def started(self) -> bool:
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin with the first round."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for what is under way, but not for a witness that hangs."""
        self._stopping.set()
        if self.started:
            self._thread.join(timeout=_PATIENCE_SECONDS)

    def turn(self, now_ms: int) -> None:
        """One round; a failure is logged and tried again the next time."""
        for task in (self._show, self._test):
            try:
                task(now_ms)
            except (NetAccessError, OSError) as error:
                log.warning("archive_watch_postponed", task=task.__name__, error=str(error))
            except Exception:
                # As in the housekeeper: one strange archive must not end the watch.
                log.exception("archive_watch_failed")

    def _loop(self) -> None:
        self._stopping.wait(_SETTLE_SECONDS)
        while not self._stopping.is_set():
            began = time.monotonic()
            self.turn(unix_nanoseconds() // 1_000_000)
            self._stopping.wait(max(1.0, EVERY_SECONDS - (time.monotonic() - began)))

    def _show(self, now_ms: int) -> None:
        if not self._config.archive.witnesses or self._unchanged():
            return
        before = {
            address: load_state(witness_folder(self._config, address))
            for address in self._config.archive.witness_addresses
        }
        seen = self._seals()
        found = deliver(self._config, now_ms)
        self._settled = None if any(one.owed or one.state.error for one in found) else seen
        for one in found:
            name, error = one.address.shown, one.state.error
            if one.state.conflict and not before[one.address].conflict:
                log.error("witness_disagrees", witness=name, error=error)
                self._record("archive:witness_disagreed", name, detail=error)
            elif error and one.state.attempts != before[one.address].attempts:
                log.warning("witness_away", witness=name, error=error)
            elif before[one.address].error and not error:
                log.info("witness_back", witness=name, seals=one.state.delivered)

    def _unchanged(self) -> bool:
        """True when there is nothing new to show; reading a year of seals each minute is waste."""
        return self._settled is not None and self._settled == self._seals()

    def _seals(self) -> tuple[int, int] | None:
        try:
            stat = (self._config.data_dir / "archive" / SEALS).stat()
        except FileNotFoundError:
            return None
        return stat.st_size, stat.st_mtime_ns

    def _test(self, now_ms: int) -> None:
        archive = self._config.data_dir / "archive"
        last = last_result(archive)
        if now_ms < self._retry_ms or not is_due(last, now_ms):
            return
        self._retry_ms = now_ms + _RETRY_MS
        result = examine(self._config, self._database, now_ms, self._stopping.is_set)
        if result is None:
            return
        save_result(archive, result)
        self._record(
            "archive:self_tested",
            "archive",
            good=result.good,
            ways=result.ways,
            missed=", ".join(result.missed),
            error=result.error,
        )
        if result.good:
            log.info("archive_self_tested", ways=result.ways)
        else:
            log.error("archive_self_test_failed", missed=result.missed, error=result.error)

    def _record(self, action: str, target: str, **detail: str | int | bool) -> None:
        with self._database.write() as session:
            audit.record(session, utc_now(), _ACTOR, action, target, **detail)


def is_due(last: SelfTest | None, now_ms: int) -> bool:
    """Once a day, and again when the clock was set back behind the last one."""
    return last is None or not 0 <= now_ms - last.at_ms < SELF_TEST_MS


def examine(
    config: Config,
    database: Database,
    now_ms: int,
    stopping: Callable[[], bool] = lambda: False,
) -> SelfTest | None:
    """The self-test, and whether the real lists, two days' rows and every witness agree.

    None when it was told to stop.

    All contents are left to `archive verify`, which reads every segment and row.
    """
    archive = config.data_dir / "archive"
    scratch = config.data_dir / "self-test"
    # What one that was cut off has left: copies of records must not lie about.
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    result = run_self_test(archive, now_ms, scratch, stopping)
    if stopping():
        return None
    if result.error:
        return result
    try:
        copies, _ = reachable_copies(config)
        verify_archive(archive, config.keys_dir, witnesses=copies, contents=False)
        check_rows(database, archive, since_ms=now_ms - 2 * SELF_TEST_MS)
    except ArchiveError as error:
        return replace(result, error=str(error))
    return result
