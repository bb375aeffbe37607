"""What the archive has on clocks: the last sample, and how wrong the clock may have been then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common.config import Config
from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import CLOCK
from traffic.archive.tables import Found, TableArchive
from traffic.clock.bound import Reading, error_us
from traffic.clock.judgement import State, Verdict
from traffic.clock.sampling import EQUIPMENT, THIS_MACHINE
from traffic.moments import from_milliseconds, to_milliseconds

FRESH = timedelta(hours=2)
"""A sample is taken each hour; an older one says nothing about now."""

ROWS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStatus:
    """The newest sample of this site's archive."""

    at: datetime | None
    own: Verdict | None
    limit_us: int
    fresh: bool
    steps: tuple[tuple[datetime, int], ...] = ()
    """Of the last day: when, and by how many microseconds."""
    servers: tuple[dict[str, Any], ...] = ()
    equipment: tuple[dict[str, Any], ...] = ()

    @property
    def proven(self) -> bool:
        """Whether the clock is shown to be right within the limit, by a sample that is fresh."""
        return self.fresh and self.own is not None and self.own.is_within(self.limit_us)

    @property
    def alarm(self) -> str | None:
        """Why somebody should look, as a short code; None: nobody need."""
        if self.own is None:
            return "never_measured"
        if not self.fresh:
            return "not_measured_lately"
        if self.own.state is not State.SYNCHRONISED:
            return self.own.reason or "not_synchronised"
        return None if self.proven else "beyond_limit"


def read_status(config: Config, now: datetime) -> ClockStatus:
    """How the clocks stand by the newest sample.

    Raises:
        ArchiveError: the archive cannot be read.
    """
    archive = TableArchive(config.data_dir / "archive", "reader")
    limit_us = round(config.clock.limit_ms * 1000)
    since = to_milliseconds(now - timedelta(days=1))
    index = ManifestIndex(config.data_dir / "archive")
    own = archive.read(CLOCK, "source = ?", [THIS_MACHINE], from_ms=since, limit=ROWS, among=index)
    steps = tuple(
        (from_milliseconds(one.values["received_at"]), int(one.values["offset_us"]))
        for one in own
        if one.values["state"] == State.STEP
    )
    verdicts = [one for one in own if one.values["state"] != State.STEP]
    if not verdicts:
        return ClockStatus(at=None, own=None, limit_us=limit_us, fresh=False, steps=steps)
    at_ms = int(verdicts[-1].values["received_at"])
    rows = archive.read(
        CLOCK,
        "source <> ?",
        [THIS_MACHINE],
        from_ms=at_ms,
        to_ms=at_ms,
        limit=ROWS,
        among=index,
    )
    at = from_milliseconds(at_ms)
    return ClockStatus(
        at=at,
        own=_verdict(verdicts[-1]),
        limit_us=limit_us,
        fresh=now - at <= FRESH,
        steps=steps,
        servers=tuple(_tree(one) for one in rows if not one.values["source"].startswith(EQUIPMENT)),
        equipment=tuple(_tree(one) for one in rows if one.values["source"].startswith(EQUIPMENT)),
    )


def measured_error(
    config: Config, index: ManifestIndex, from_at: datetime, to_at: datetime
) -> timedelta:
    """How wrong this machine's clock may have been between two moments, as far as it was measured.

    Zero where nothing was measured.

    Args:
        index: of the manifest, which whoever asks has read already.

    Raises:
        ArchiveError: a segment cannot be read.
    """
    if not index.holds(CLOCK.name):
        return timedelta(0)
    archive = TableArchive(config.data_dir / "archive", "reader")

    def read(begin: int, end: int) -> list[Reading]:
        own = [THIS_MACHINE]
        found = archive.read(
            CLOCK, "source = ?", own, from_ms=begin, to_ms=end, limit=ROWS, among=index
        )
        return [_reading(one) for one in found]

    low, high = to_milliseconds(from_at), to_milliseconds(to_at)
    return timedelta(microseconds=error_us(read, low, high))


def _reading(found: Found) -> Reading:
    values = found.values
    offset, error = (
        None if one is None else int(one) for one in (values["offset_us"], values["error_us"])
    )
    return Reading(values["received_at"], values["state"], offset, error)


def _verdict(found: Found) -> Verdict:
    values, data = found.values, _data(found)
    return Verdict(
        state=State(values["state"]),
        method=str(data.get("method", "none")),
        source=str(data.get("source", "")),
        offset_us=values["offset_us"],
        error_us=values["error_us"],
        stratum=values["stratum"],
        root_distance_us=data.get("root_distance_us"),
        reason=str(data.get("reason", "")),
        believed=tuple(data.get("believed", ())),
        wrong=tuple(data.get("wrong", ())),
        others=data.get("others", {}),
    )


def _tree(found: Found) -> dict[str, Any]:
    values = found.values
    return {
        "source": values["source"].removeprefix(EQUIPMENT),
        "state": values["state"],
        "offset_us": values["offset_us"],
        "error_us": values["error_us"],
        "stratum": values["stratum"],
        **_data(found),
    }


def _data(found: Found) -> dict[str, Any]:
    value = json.loads(found.values["data"] or "{}")
    return value if isinstance(value, dict) else {}
