"""`yuenyan radius`: one worker in this process, or several under it on PostgreSQL."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import secrets
import signal
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType

from common import hugepages
from common.config import Config
from common.config_access import Proxy
from common.logging import configure, get_logger
from common.metrics import Counters
from common.scratch import hold, scratch_folder
from db.engine import Database
from db.ledger import open_ledger
from db.service_run import OUTAGE_SECONDS, Pulse, heartbeat
from identity.domain.throttle import PENALTY_OCTETS, Penalties
from identity.office import Office
from identity.verified import TABLE_OCTETS, VerifiedPasswords
from radius_server.eap.server import EapServer
from radius_server.proxy import homes
from radius_server.proxy.relay import Relay
from radius_server.radsec import contexts, listening
from radius_server.radsec.reverse import ReverseChannel
from radius_server.radsec.server import LAST_SECONDS, RadSecServer
from radius_server.udp import bind, claim
from radius_server.worker.holders import HOLDERS_OCTETS, Holders
from radius_server.worker.siblings import Siblings
from radius_server.worker.throttle import throttle_limits
from radius_server.worker.worker import DRAIN_SECONDS, Worker
from yuenyan.processes.courier import delivering
from yuenyan.processes.dynamic import sending, sending_back

METRICS_SECONDS = 5.0
_RESTART_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1
_CLAIM_SECONDS = LAST_SECONDS + DRAIN_SECONDS + 5.0
"""The workers of a killed server drain before they leave its ports."""


def run(config: Config) -> int:
    """Serve until SIGTERM; returns after everything received is stored and answered."""
    configure("radius")
    log = get_logger("radius")
    Database(config.database_url).require_schema()
    check = Office.open(config)
    check.directories.check()
    check.database.dispose()
    for listen in (*config.radius.auth, *config.radius.acct):
        claim(listen, _CLAIM_SECONDS)
    for listen in config.radius.radsec:
        contexts.check(config)
        listening.claim(listen, _CLAIM_SECONDS)
    homes.check(config)
    count = worker_count(config)
    log.info("radius_started", workers=count, auth=config.radius.auth, acct=config.radius.acct)
    with sending(config), delivering(config):
        if count == 1:
            verified = VerifiedPasswords(secrets.token_bytes(32), bytearray(TABLE_OCTETS))
            _serve(config, 0, count, verified)
        else:
            with scratch_folder("radius") as folder:
                _Family(config, count, folder).run()
    log.info("radius_stopped")
    return 0


def worker_count(config: Config) -> int:
    """How many workers this configuration runs; SQLite has one writer, so one."""
    if config.is_sqlite:
        return 1
    return config.radius.workers or os.cpu_count() or 1


def _serve(
    config: Config,
    number: int,
    count: int,
    verified: VerifiedPasswords,
    folder: Path | None = None,
    penalties: Penalties | None = None,
    holders: Holders | None = None,
) -> None:
    office = Office.open(config)
    counters = Counters()
    node = f"{os.uname().nodename}/{number}"
    pulse = Pulse(heartbeat(office.database, "radius", node, OUTAGE_SECONDS))
    metrics = config.data_dir / "metrics" / f"radius-{number}.prom"
    log = get_logger("radius")
    next_write, written = 0.0, -1

    def every_second(revision: int) -> None:
        """Called when a change is taken up, too: which ones count here is told at once."""
        nonlocal next_write, written
        pulse.feel()
        counters.put("radius_revision", revision, worker=str(number))
        if revision != written or time.monotonic() >= next_write:
            next_write, written = time.monotonic() + METRICS_SECONDS, revision
            try:
                counters.write(metrics)
            except OSError as error:
                log.warning("metrics_not_written", error=str(error))

    relay = Relay(config, office, counters) if config.proxy != Proxy() else None
    threads = config.radius.slow_threads or max(1, (os.cpu_count() or 1) // count)
    worker = Worker(
        config,
        office,
        open_ledger(config.database_url),
        [bind(listen) for listen in config.radius.auth],
        [bind(listen) for listen in config.radius.acct],
        counters,
        verified,
        threads,
        every_second,
        Siblings(folder, number, holders),
        EapServer.open(config),
        penalties,
        relay,
    )

    listeners = [listening.bind(listen) for listen in config.radius.radsec]
    reverse = ReverseChannel() if listeners else None
    radsec = RadSecServer(config, listeners, worker, counters, reverse) if listeners else None

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if radsec is not None:
            radsec.pause(worker.stop)
        else:
            worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # What start-up made stays; the worker collects the rest when nobody waits for it.
    gc.freeze()
    gc.disable()
    hugepages.gather()
    if radsec is not None:
        radsec.start()
    log.info("radius_listening", worker=number)
    with sending_back(office, counters, reverse):
        worker.run()
    if radsec is not None:
        radsec.stop()
    pulse.stop()
    with contextlib.suppress(OSError):
        counters.write(metrics)
    office.database.dispose()


def _child(
    config: Config,
    number: int,
    count: int,
    key: bytes,
    table: ctypes.Array[ctypes.c_ubyte],
    waits: ctypes.Array[ctypes.c_ubyte],
    held: ctypes.Array[ctypes.c_ubyte],
    parent: int,
    folder: Path,
) -> None:
    # A worker must not outlive a killed parent: it would keep the ports.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # killed before the line above
        return
    configure("radius")
    hold(folder)
    penalties = Penalties(key, waits, throttle_limits(config))
    verified, holders = VerifiedPasswords(key, table), Holders(key, held)
    _serve(config, number, count, verified, folder, penalties, holders)
    if os.getppid() != parent:
        with contextlib.suppress(OSError):
            folder.rmdir()  # the last of those that drained without it


class _Family:
    """Workers as child processes; one that dies is started again."""

    def __init__(self, config: Config, count: int, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._count = count
        self._context = multiprocessing.get_context("spawn")
        self._key = secrets.token_bytes(32)
        self._table = self._context.RawArray(ctypes.c_ubyte, TABLE_OCTETS)
        self._waits = self._context.RawArray(ctypes.c_ubyte, PENALTY_OCTETS)
        self._held = self._context.RawArray(ctypes.c_ubyte, HOLDERS_OCTETS)
        self._children: dict[int, SpawnProcess] = {}
        self._stopping = False
        self._log = get_logger("radius")

    def run(self) -> None:
        """Keep the workers alive until SIGTERM, then let them drain."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        started: dict[int, float] = {}
        while not self._stopping:
            for number in range(self._count):
                child = self._children.get(number)
                if child is not None and child.is_alive():
                    continue
                if child is not None:
                    self._log.error("worker_died", worker=number, exit_code=child.exitcode)
                    if time.monotonic() - started[number] < _RESTART_SECONDS:
                        time.sleep(_RESTART_SECONDS)
                started[number] = time.monotonic()
                self._children[number] = self._start(number)
            time.sleep(0.1)
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            child.join(timeout=30)
            if child.is_alive():
                child.kill()

    def _start(self, number: int) -> SpawnProcess:
        child = self._context.Process(
            target=_child,
            args=(
                self._config,
                number,
                self._count,
                self._key,
                self._table,
                self._waits,
                self._held,
                os.getpid(),
                self._folder,
            ),
        )
        child.start()
        return child

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
