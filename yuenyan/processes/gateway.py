"""`yuenyan gateway`: our own gateway's unprivileged half, until SIGTERM.

Needs no database and no site: its configuration, two key files and the helper beside it.
Devices stay admitted when it stops; the next start goes on with their sessions.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

from captive_portal.gateway.authorization import Authorization, open_sockets
from captive_portal.gateway.capture import Capture
from captive_portal.gateway.crowd import CrowdWorker
from captive_portal.gateway.doorkeeper import Doorkeeper
from captive_portal.gateway.helper import HelperSocket
from captive_portal.gateway.portal_watch import PortalWatch
from captive_portal.gateway.radius import RadiusClient
from captive_portal.gateway.redirects import SHORTEST_KEY
from captive_portal.gateway.reporting import Reporter
from captive_portal.gateway.store import Store
from captive_portal.gateway.times import Times
from captive_portal.web.server import serve
from common.config import Config
from common.errors import BackendUnavailable, ConfigError
from common.logging import get_logger
from common.metrics import Counters
from common.secret import read_secret_file

_METRICS_SECONDS = 5.0
_SETUP = "see docs/gateway-setup.md"


def run(config: Config) -> int:
    """Serve caught browsers and RADIUS requests; the exit code of the process.

    Raises:
        ConfigError: [gateway] does not make this machine a gateway, or a key file is missing.
        BackendUnavailable: the state file cannot be written.
    """
    settings = config.gateway
    if not settings.is_configured:
        raise ConfigError(
            f"name the RADIUS servers that decide on logins; {_SETUP}", "gateway.radius_servers"
        )
    secret = _key(settings.secret_file, "gateway.secret_file", 1)
    key = _key(settings.key_file, "gateway.key_file", SHORTEST_KEY)
    store = Store(config.gateway_state)
    store.open()
    store.close()
    # Here, so that a port that is taken is told before anything else runs.
    sockets = open_sockets(settings.coa)
    log = get_logger(__name__)
    parts = contextlib.ExitStack()

    def application() -> Capture:
        counters, times = Counters(), Times()
        store.open()
        parts.callback(store.close)
        radius = RadiusClient(settings, secret, counters)
        kernel = HelperSocket(settings.kernel.socket)
        reporter = Reporter(store, radius, times)
        keeper = Doorkeeper(settings, kernel, radius, store, times, counters, reporter.wake)
        authorization = Authorization(settings, secret, keeper, times, counters, sockets)
        metrics = config.data_dir / "metrics" / "gateway.prom"
        watch = _Watch(keeper, settings.tick_seconds, counters, metrics)
        portal = PortalWatch(settings.portal_url)
        for part in (reporter, authorization, watch, portal):
            part.start()
            parts.callback(part.stop)
        return Capture(settings, keeper, reporter, key, portal.is_away)

    log.info("gateway_started", listen=settings.listen, coa=settings.coa)
    # A connection that was caught stays caught, whatever its next request is meant for and
    # whoever has been admitted meanwhile: none is kept for a second one.
    code = serve(
        application, settings.listen, 1, settings.threads, "gateway", parts.close,
        keepalive=0, worker_class=CrowdWorker,
    )  # fmt: skip
    for channel in sockets:
        channel.close()
    log.info("gateway_stopped")
    return code


def _key(path: Path | None, name: str, shortest: int) -> bytes:
    assert path is not None, "the configuration demands it"
    value = read_secret_file(path, f"{_SETUP} ({name})").reveal().strip()
    if len(value) < shortest:
        raise ConfigError(f"{path} holds fewer than {shortest} characters; {_SETUP}", name)
    return value


class _Watch:
    """Calls the doorkeeper's tick until `stop`, and writes the counters."""

    def __init__(
        self,
        keeper: Doorkeeper,
        seconds: float,
        counters: Counters,
        metrics: Path,
    ) -> None:
        self._keeper = keeper
        self._seconds = seconds
        self._counters = counters
        self._metrics = metrics
        self._next_write = 0.0
        self._problem = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-watch", daemon=True)
        self._log = get_logger(__name__)

    def start(self) -> None:
        """Begin; the first look takes up what an earlier run has left."""
        self._thread.start()

    def stop(self) -> None:
        """End, with everything on the disk."""
        self._stopping.set()
        self._thread.join(15)
        try:
            self._keeper.save()
        except BackendUnavailable as error:
            self._log.error("gateway_state_not_saved", reason=str(error))

    def _run(self) -> None:
        while True:
            self._look()
            if self._stopping.wait(self._seconds):
                return

    def _look(self) -> None:
        problem = ""
        try:
            self._keeper.tick()
        except BackendUnavailable as error:
            problem = str(error)
            self._counters.add("gateway_looks_failed")
        except Exception:
            self._counters.add("gateway_looks_failed")
            self._log.exception("gateway_look_failed")
        if problem != self._problem:
            # Once, and once more when it is over: an outage is no reason to fill a log.
            self._problem = problem
            if problem:
                self._log.error("gateway_cannot_look", reason=problem)
            else:
                self._log.info("gateway_looks_again")
        if time.monotonic() >= self._next_write:
            self._next_write = time.monotonic() + _METRICS_SECONDS
            with contextlib.suppress(OSError):
                self._counters.write(self._metrics)
