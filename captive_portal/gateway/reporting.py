"""Brings the records of the state file to an accounting server, the oldest first.

A record leaves the file when a server has answered for it: neither an outage nor a restart of
this gateway loses one. How long it has waited goes along as Acct-Delay-Time.
"""

from __future__ import annotations

import threading
from typing import Protocol

from captive_portal.gateway.store import Record, Store
from captive_portal.gateway.times import Times
from common.errors import BackendUnavailable, MalformedPacket
from common.logging import get_logger
from radius_server.packet.codes import Attribute
from radius_server.packet.hiding import Pair

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0


class Accounting(Protocol):
    """Whoever takes accounting."""

    def account(self, pairs: list[Pair]) -> None:
        """BackendUnavailable when nobody has taken it."""
        ...


class Reporter:
    """One thread, begun by `start` and ended by `stop`."""

    def __init__(self, store: Store, radius: Accounting, times: Times) -> None:
        self._store = store
        self._radius = radius
        self._times = times
        self._changed = threading.Condition()
        self._stopping = False
        self._has_news = False
        self._thread = threading.Thread(target=self._run, name="gateway-accounting", daemon=True)
        self._log = get_logger(__name__)

    def start(self) -> None:
        """Begin with what an earlier run has left."""
        self._thread.start()

    def stop(self) -> None:
        """End, at the latest when the server that is being asked has had its time."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(15)

    def wake(self) -> None:
        """There is something new to send."""
        with self._changed:
            self._has_news = True
            self._changed.notify_all()

    def wait_for(self, number: int, seconds: float) -> bool:
        """Whether the record of this number has been taken, waiting for it a little."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._stopping or not self._store.is_waiting(number), seconds
            )

    def _run(self) -> None:
        pause = 0.0
        while self._pause(pause):
            try:
                record = self._store.oldest()
                if record is None:
                    pause = LONGEST_WAIT_SECONDS
                    continue
                try:
                    self._radius.account(self._with_delay(record))
                except MalformedPacket as error:
                    # It will never fit into a packet, and the others are behind it.
                    self._log.error("record_given_up", session=record.session_id, why=str(error))
                self._store.sent(record.id)
            except BackendUnavailable as error:
                waited = pause if 0 < pause < LONGEST_WAIT_SECONDS else 0.0
                pause = min(max(FIRST_WAIT_SECONDS, 2 * waited), LONGEST_WAIT_SECONDS)
                self._log.warning("accounting_waits", reason=str(error), seconds=pause)
                continue
            except Exception:
                self._log.exception("accounting_not_sent")
                pause = LONGEST_WAIT_SECONDS
                continue
            pause = 0.0
            with self._changed:
                self._changed.notify_all()

    def _pause(self, seconds: float) -> bool:
        """Wait, but no longer than until there is something new; False at the end."""
        with self._changed:
            if seconds:
                self._changed.wait_for(lambda: self._stopping or self._has_news, seconds)
            self._has_news = False
            return not self._stopping

    def _with_delay(self, record: Record) -> list[Pair]:
        delay = self._times.since(record.boot, record.up_seconds, record.at_seconds)
        value = min(max(0, int(delay)), 2**32 - 1)
        return [*record.pairs, (Attribute.ACCT_DELAY_TIME, value.to_bytes(4, "big"))]
