"""Wires the collector: receive loop here, decoding in a child, heartbeat in a thread."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from types import FrameType

from common import clock, logging
from common.config import Config
from common.errors import Refused
from common.metrics import Counters
from db.engine import Database
from traffic.archive.manifest import Manifest
from traffic.collectors.decoding import Sealer, start_decoder, stop_decoder
from traffic.collectors.paths import CollectorPaths, collector_paths
from traffic.collectors.receiver import Receiver
from traffic.collectors.runs import Chronicler, GapCopier
from traffic.collectors.senders import REFUSED_STREAMS, EquipmentNote, Senders
from traffic.collectors.spool import SpoolWriter, close_leftovers
from traffic.collectors.tail import last_own
from traffic.moments import from_micros

_LOCK_SECONDS = 90
"""A decoder left over from a killed collector finishes its batch before it lets go."""

_WATCH_SECONDS = 2.0
_METRICS_SECONDS = 15.0
_FAILED_SECONDS = 0.2

log = logging.get_logger(__name__)


def run_collector(config: Config) -> int:
    """Collect until SIGTERM or SIGINT; everything received is archived when this returns."""
    stop = _StopFlag()
    paths = collector_paths(config)
    paths.make()
    lock = _lock(paths, stop)
    writer = SpoolWriter(paths.spool, _next_number(paths))
    counters = Counters()
    senders = Senders(config, paths.state, REFUSED_STREAMS)
    receiver = Receiver(config, writer, counters, senders)
    receiver.start()
    started_at = clock.utc_now()
    decoder = start_decoder(config, lock)
    database = Database(config.database_url)
    copier = GapCopier(paths.archive, paths.state)
    chronicler = Chronicler(
        database,
        paths.node,
        _alive_at(receiver, started_at),
        copier,
        EquipmentNote(paths.state),
    )
    chronicler.start()
    log.info("collector_started", node=paths.node, spool=str(paths.spool))
    metrics = config.data_dir / "metrics" / "collector.prom"
    watched = written = time.monotonic()
    while not stop.asked:
        try:
            receiver.step()
            now = time.monotonic()
            if now - watched >= _WATCH_SECONDS:
                watched = now
                decoder = _watch(decoder, config, lock)
            if now - written >= _METRICS_SECONDS:
                written = now
                counters.write(metrics)
                senders.note_refused()
        except Exception:
            # Nothing may end the receiving but a signal.
            log.exception("collector_step_failed")
            counters.add("collector_step_failures")
            time.sleep(_FAILED_SECONDS)
    receiver.stop()
    log.info("collector_draining")
    failed = stop_decoder(decoder)
    if failed:
        failed = stop_decoder(start_decoder(config, lock))
    if failed:
        log.error("decoder_failed", exit_code=failed, detail="the spool waits for the next start")
    # What was archived last is sealed too, whenever the hour is.
    Sealer(config, paths).turn(clock.unix_nanoseconds() / 1e9)
    chronicler.stop()
    with contextlib.suppress(OSError):
        counters.write(metrics)
    database.dispose()
    os.close(lock)
    log.info("collector_stopped")
    return 1 if failed else 0


class _StopFlag:
    """Set by SIGTERM and SIGINT."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def _lock(paths: CollectorPaths, stop: _StopFlag) -> int:
    """The descriptor that holds the collector's lock.

    Raises:
        Refused: another collector uses this data directory.
    """
    handle = os.open(paths.state / "lock", os.O_RDWR | os.O_CREAT, 0o640)
    deadline = time.monotonic() + _LOCK_SECONDS
    told = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError as error:
            if stop.asked or time.monotonic() > deadline:
                raise Refused(f"another collector uses {paths.state}; stop it first") from error
            if not told:
                told = True
                log.warning("waiting_for_another_collector", state=str(paths.state))
            time.sleep(0.2)


def _next_number(paths: CollectorPaths) -> int:
    """The number of the next spool file: above every one ever used on this node."""
    used = close_leftovers(paths.spool)
    last = last_own(Manifest(paths.archive).committed(), paths.node)
    return max((used, *(last.spools if last else ()))) + 1


def _alive_at(receiver: Receiver, started_at: datetime) -> Callable[[], datetime]:
    def alive_at() -> datetime:
        return max(started_at, from_micros(receiver.alive_ns // 1000))

    return alive_at


def _watch(decoder: subprocess.Popen[bytes], config: Config, lock: int) -> subprocess.Popen[bytes]:
    """The decoder, started again if it has died; receiving goes on meanwhile."""
    if decoder.poll() is None:
        return decoder
    log.error("decoder_died", exit_code=decoder.returncode)
    return start_decoder(config, lock)
