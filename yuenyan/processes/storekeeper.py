"""The housekeeper's storekeeper: keeps the object store's copy of the archive complete.

A thread of its own, because a store may be slow for hours and accounts must expire meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from common.clock import unix_milliseconds
from common.config import Config
from common.errors import NetAccessError
from common.logging import get_logger
from traffic.keeping.storing import Storer

EVERY_SECONDS = 60.0
"""A segment is made each minute."""

DAY_MS = 86_400_000

_LATER = (1, 2, 4, 8, 16, 32, 60)
"""Minutes until a store that was away is asked again, the last for ever."""

_PATIENCE_SECONDS = 10.0
"""For the request that is under way at the end; a copy that is cut off is made again."""

_Step = Callable[[Storer, int], None]

log = get_logger(__name__)


class Storekeeper:
    """Runs `turn` every minute from `start` to `stop`; nothing without an object store."""

    def __init__(self, config: Config) -> None:
        self._storer = Storer(config) if config.store.url else None
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._loop, name="storekeeper", daemon=True)

    def start(self) -> None:
        """Begin with the first turn."""
        if self._storer is not None:
            self._thread.start()

    def stop(self) -> None:
        """Wait for what is under way, but not for a store that hangs."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=_PATIENCE_SECONDS)

    def turn(self, now_ms: int) -> bool:
        """Copy what is new, and once a day take away what is over; False when it was cut off."""
        storer = self._storer
        if storer is None:
            return True
        steps: list[_Step] = [self._push]
        if not 0 <= now_ms - storer.state().freed_ms < DAY_MS:
            # Each by itself: a store that is too full to be written to must be swept.
            steps += [self._sweep, self._free]
        errors = [self._tried(step, storer, now_ms) for step in steps]
        if any(errors):
            return self._failed(storer, next(filter(None, errors)))
        if self._failures:
            log.info("store_back", failures=self._failures)
        self._failures = 0
        return True

    def _push(self, storer: Storer, now_ms: int) -> None:
        pushed = storer.push(now_ms, self._stopping.is_set)
        if pushed:
            log.info("segments_stored", segments=pushed)

    def _sweep(self, storer: Storer, now_ms: int) -> None:
        log.info("store_swept", objects=storer.sweep(), at_ms=now_ms)

    def _free(self, storer: Storer, now_ms: int) -> None:
        log.info("store_kept", freed=storer.free(now_ms, self._stopping.is_set))

    def _tried(self, step: _Step, storer: Storer, now_ms: int) -> str:
        """Why a step was cut off; empty when it was not."""
        if self._stopping.is_set():
            return ""
        try:
            step(storer, now_ms)
        except (NetAccessError, OSError) as error:
            return str(error) or type(error).__name__
        except Exception as error:
            # As in the housekeeper: one strange answer must not end the keeping.
            log.exception("store_failed")
            return type(error).__name__
        return ""

    def _failed(self, storer: Storer, error: str) -> bool:
        if not self._failures:
            log.warning("store_away", error=error)
        self._failures += 1
        try:
            storer.note_error(error)
        except OSError as problem:
            log.error("store_state_not_written", error=str(problem))
        return False

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self.turn(unix_milliseconds())
            later = _LATER[min(self._failures, len(_LATER)) - 1] if self._failures else 1
            self._stopping.wait(later * EVERY_SECONDS)
