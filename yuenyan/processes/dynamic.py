"""The thread beside the RADIUS workers that tells equipment what to do with live sessions.

What they are held to is identity.services.enforcement's; here it is put together.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from common.config import Config
from common.metrics import Counters
from common.net import parse_listen
from db.engine import Database
from identity.office import Office
from identity.services.enforcement import Enforcement
from radius_server.coa_sender import DRAIN_SECONDS, REVERSE_PACE, CoaSender
from radius_server.radsec.reverse import ReverseChannel

METRICS_SECONDS = 5.0
_JOIN_SECONDS = DRAIN_SECONDS + 6.0
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - the route chooses


@contextmanager
def sending(config: Config) -> Iterator[None]:
    """Serve the outbox in a thread of its own while the block runs."""
    office = Office.open(config, Database(config.database_url))
    counters = Counters()
    sockets = _bound(config)
    enforcement = Enforcement(office)
    next_write = 0.0

    def every_poll() -> None:
        nonlocal next_write
        for name, amount in enforcement.turn().items():
            counters.add(name, amount)
        if time.monotonic() >= next_write:
            next_write = time.monotonic() + METRICS_SECONDS
            with contextlib.suppress(OSError):
                counters.write(config.data_dir / "metrics" / "radius-dynamic.prom")

    sender = CoaSender(office, counters, sockets, every_poll)
    thread = threading.Thread(target=sender.run, name="coa-sender", daemon=True)
    thread.start()
    try:
        yield
    finally:
        sender.stop()
        thread.join(_JOIN_SECONDS)
        for item in sockets:
            item.close()
        office.database.dispose()


@contextmanager
def sending_back(
    office: Office, counters: Counters, reverse: ReverseChannel | None
) -> Iterator[None]:
    """Ask the NAS that are connected to this worker over RadSec, while the block runs.

    The connections are the worker's, and so is this thread: whichever worker of whichever node
    has a NAS's connection takes up what is for it.
    """
    if reverse is None:
        yield
        return
    sender = CoaSender(office, counters, [reverse], pace=REVERSE_PACE, present=reverse.present)
    thread = threading.Thread(target=sender.run, name="coa-reverse", daemon=True)
    thread.start()
    try:
        yield
    finally:
        sender.stop()
        thread.join(_JOIN_SECONDS)
        reverse.close()


def _bound(config: Config) -> list[socket.socket]:
    """A socket of each family, on the address the NAS know this server by.

    Some take requests only from the RADIUS server they are configured with.
    """
    hosts = [parse_listen(listen)[0] for listen in config.radius.auth]
    sockets = []
    for family, everywhere in _ANY.items():
        is_v6 = family == socket.AF_INET6
        ours = {host for host in hosts if (":" in host) == is_v6}
        host = ours.pop() if len(ours) == 1 else everywhere
        item = socket.socket(family, socket.SOCK_DGRAM)
        try:
            address: Any = (host, 0)
            item.bind(address)
        except OSError:  # a machine without IPv6
            item.close()
            continue
        sockets.append(item)
    return sockets
