"""By how much a look-up's time is widened: what is assumed of devices, and what was measured."""

from __future__ import annotations

from datetime import timedelta

from common.config import Config
from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import CLOCK
from traffic.lookup.attribution import Window
from traffic.lookup.question import CLOCK_ERROR

_MILLISECOND = timedelta(milliseconds=1)


def find_clock_error(config: Config, index: ManifestIndex, window: Window) -> timedelta:
    """The assumed second, and on top of it how wrong this machine's clock may have been then.

    Raises:
        ArchiveError: a segment with clock samples cannot be read.
    """
    if not index.holds(CLOCK.name):
        return CLOCK_ERROR  # without loading what reads segments
    from traffic.clock.history import measured_error

    return CLOCK_ERROR + measured_error(config, index, window.from_at, window.to_at)


def in_milliseconds(span: timedelta) -> int:
    """Whole milliseconds, rounded up: an error is never told smaller than it is."""
    return -(-span // _MILLISECOND)
