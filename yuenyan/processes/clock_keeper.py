"""The housekeeper's part that watches the clocks: a look every few seconds, a sample each hour."""

from __future__ import annotations

import platform
from collections.abc import Callable
from datetime import datetime, timedelta

from common.errors import NetAccessError
from common.logging import get_logger
from identity.office import Office
from traffic.clock.sampling import Sample, store_sample, store_step, take_sample
from traffic.clock.steps import StepWatch


class ClockKeeper:
    """Call `look` often; a sample that cannot be taken or stored is tried again in a minute."""

    RETRY = timedelta(minutes=1)

    def __init__(self, office: Office, watch: StepWatch | None = None) -> None:
        self._office = office
        self._watch = watch or StepWatch()
        self._node = platform.node()
        self._due: datetime | None = None
        self._log = get_logger(__name__)

    def look(self) -> int:
        """How many samples and steps were stored now; never raises."""
        done = 0
        stepped_us = self._watch.look()
        now = self._office.clock()
        if stepped_us is not None:
            self._log.warning("clock_stepped", microseconds=stepped_us)
            done += self._store(
                lambda: store_step(self._office.config, self._node, now, stepped_us)
            )
            # What was measured before the step says nothing about the time after it.
            self._due = now
        every = timedelta(minutes=self._office.config.clock.sample_minutes)
        if self._due is None or now >= self._due or self._due - now > every:
            stored = self._store(self._sample)
            done += stored
            self._due = self._office.clock() + (every if stored else self.RETRY)
        return done

    def _sample(self) -> None:
        sample = self._take()
        store_sample(self._office.config, self._node, sample)
        own = sample.own
        limit_us = self._office.config.clock.limit_ms * 1000
        told = {
            "state": str(own.state),
            "method": own.method,
            "offset_us": own.offset_us,
            "error_us": own.error_us,
            "reason": own.reason,
        }
        if own.is_within(limit_us):
            self._log.info("clock_sampled", **told)
        else:
            self._log.warning("clock_not_within_limit", limit_us=limit_us, **told)

    def _take(self) -> Sample:
        """A sample; without a database one of this machine alone."""
        config, now = self._office.config.clock, self._office.clock()
        try:
            return take_sample(config, self._office.database, now)
        except NetAccessError:
            return take_sample(config, None, now)

    def _store(self, step: Callable[[], None]) -> int:
        try:
            step()
        except (NetAccessError, OSError) as error:
            self._log.error("clock_sample_not_stored", error=str(error))
            return 0
        except Exception:
            # As in the housekeeper: what else it keeps must go on.
            self._log.exception("clock_sample_failed")
            return 0
        return 1
