"""The thread beside the RADIUS workers that brings accounting to home servers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

from common.config import Config
from common.metrics import Counters
from db.engine import Database
from identity.office import Office
from radius_server.proxy.courier import Courier

METRICS_SECONDS = 5.0


@contextmanager
def delivering(config: Config) -> Iterator[None]:
    """Deliver while the block runs; nothing at all where no realm is foreign."""
    if not any(realm.accounting for realm in config.proxy.realm):
        yield
        return
    office = Office.open(config, Database(config.database_url))
    counters = Counters()
    metrics = config.data_dir / "metrics" / "radius-courier.prom"
    next_write = 0.0

    def every_poll() -> None:
        nonlocal next_write
        if time.monotonic() >= next_write:
            next_write = time.monotonic() + METRICS_SECONDS
            with contextlib.suppress(OSError):
                counters.write(metrics)

    courier = Courier(config, office, counters, every_poll)
    courier.start()
    try:
        yield
    finally:
        courier.stop()
        office.database.dispose()
