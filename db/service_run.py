"""One row a run of a process, kept alive: what lets an answer say "nobody was listening then".

A heartbeat that cannot be written is logged and forgotten; receiving is more important.
"""

from __future__ import annotations

import math
import threading
import time
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, update
from sqlalchemy.exc import SQLAlchemyError

from common.clock import Clock, utc_now
from common.errors import BackendUnavailable
from common.logging import get_logger
from db.engine import Database
from db.models import ServiceRun

EVERY_SECONDS = 5.0
"""How exactly the end of a run that was killed is known; one small commit each time."""

OUTAGE_SECONDS = 30.0
"""A NAS goes on repeating a packet about this long; after it, packets were lost."""

FRESH_SECONDS = 10.0
"""A loop that has not come round for so long is not receiving."""

_LOOK_SECONDS = 1.0
_JOIN_SECONDS = 5.0


class Heartbeat:
    """Says that this process is receiving. Call `beat` as often as you like.

    Args:
        outage_seconds: after so long without a beat a new run begins. For a process that
            loses what it receives while the database is away: such a time must not look
            like one in which it was receiving.
    """

    def __init__(
        self,
        database: Database,
        process: str,
        node: str,
        clock: Clock = utc_now,
        every_seconds: float = EVERY_SECONDS,
        outage_seconds: float = math.inf,
    ) -> None:
        self._database = database
        self._process = process
        self._node = node
        self._clock = clock
        self._every_seconds = every_seconds
        self._started_at = clock()
        self._next = time.monotonic()
        self._outage_seconds = outage_seconds
        self._written = time.monotonic()
        self._run_id: int | None = None
        self._log = get_logger(__name__)

    def beat(self) -> None:
        """Write "alive now" when the last time is `every_seconds` ago; never raises."""
        if time.monotonic() < self._next:
            return
        self._write(stopped_at=None)
        self._next = time.monotonic() + self._every_seconds

    def stop(self) -> None:
        """Write the orderly end of the run; never raises."""
        self._write(stopped_at=self._clock())

    def _write(self, stopped_at: datetime | None) -> None:
        now = self._clock()
        if time.monotonic() - self._written >= self._outage_seconds:
            self._run_id, self._started_at = None, now
        values = {"alive_at": now, "stopped_at": stopped_at}
        try:
            with self._database.write() as session:
                if self._run_id is not None:
                    result = cast(
                        "CursorResult[Any]",
                        session.execute(
                            update(ServiceRun).where(ServiceRun.id == self._run_id).values(values)
                        ),
                    )
                    if result.rowcount:
                        self._written = time.monotonic()
                        return
                run = ServiceRun(
                    process=self._process,
                    node=self._node,
                    started_at=self._started_at,
                    **values,
                )
                session.add(run)
                session.flush()
                run_id = run.id
            self._run_id, self._written = run_id, time.monotonic()
        except (BackendUnavailable, SQLAlchemyError) as error:
            self._log.warning("heartbeat_not_written", of=self._process, error=str(error))


class Pulse:
    """Beats for a loop that must not wait for the database, in a thread of its own.

    A database that hangs holds whoever writes to it, without any limit. The loop says that it
    comes round (`feel`); while it does, the thread writes it down.
    """

    def __init__(self, beating: Heartbeat, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._beating = beating
        self._fresh_seconds = fresh_seconds
        self._felt = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def feel(self) -> None:
        """The loop has come round. Never waits."""
        self._felt = time.monotonic()

    def stop(self) -> None:
        """Write the orderly end of the run, unless a write hangs in the database."""
        self._stopping.set()
        self._thread.join(_JOIN_SECONDS)
        if not self._thread.is_alive():
            self._beating.stop()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            if time.monotonic() - self._felt < self._fresh_seconds:
                self._beating.beat()


def heartbeat(
    database: Database, process: str, node: str, outage_seconds: float = math.inf
) -> Heartbeat:
    """The heartbeat of a run of `process` on `node` that begins now."""
    beating = Heartbeat(database, process, node, outage_seconds=outage_seconds)
    beating.beat()
    return beating
