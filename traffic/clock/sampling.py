"""One sample of every clock that matters, into the archive: the hourly work of the housekeeper.

The first row of a sample is the verdict on this machine (`source` is `this-machine`); the rows
behind it say what it rests on, and how the clocks of the equipment look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from common.config import Config
from common.config_office import Clock
from db.engine import Database
from traffic.archive.kinds import CLOCK
from traffic.archive.kinds import THIS_MACHINE as THIS_MACHINE
from traffic.archive.tables import Row, TableArchive
from traffic.clock.chrony import ask_chrony
from traffic.clock.equipment import EquipmentClock, EquipmentState, find_equipment_clocks
from traffic.clock.judgement import State, Verdict, agree
from traffic.clock.ntp import Measurement
from traffic.clock.sntp import ask_servers
from traffic.moments import to_milliseconds

EQUIPMENT = "equipment:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was found at one moment."""

    at: datetime
    own: Verdict
    servers: Mapping[str, Measurement]
    equipment: tuple[EquipmentClock, ...] = ()
    asked_equipment: Mapping[str, Measurement | str] | None = None
    """Equipment that was asked by NTP: its measurement, or why there is none."""


def take_sample(config: Clock, database: Database | None, now: datetime) -> Sample:
    """Ask chrony, else the servers; look at the equipment as far as the database answers.

    Raises:
        BackendUnavailable: the database does not answer.
    """
    own = ask_chrony(config.chronyc)
    servers: Mapping[str, Measurement] = {}
    if own is None:
        servers, others = ask_servers(config.servers, config.answer_seconds)
        own = (
            agree(servers, others)
            if config.servers
            else Verdict(state=State.UNREACHABLE, method="none", reason="nobody_to_ask")
        )
    told: dict[str, Measurement | str] = {}
    if config.equipment:
        measured, silent = ask_servers(config.equipment, config.answer_seconds)
        told = {**measured, **silent}
    seen: list[EquipmentClock] = []
    if database is not None:
        with database.read() as session:
            seen = find_equipment_clocks(session, now)
    return Sample(at=now, own=own, servers=servers, equipment=tuple(seen), asked_equipment=told)


def store_sample(config: Config, node: str, sample: Sample) -> None:
    """Write the rows of a sample.

    Raises:
        ArchiveError: the archive cannot be written.
        BackendUnavailable: its directory cannot be locked.
    """
    TableArchive(config.data_dir / "archive", node).append(CLOCK, rows_of(sample))


def store_step(config: Config, node: str, at: datetime, step_us: int) -> None:
    """Write that the clock of this machine was set by `step_us`."""
    row: Row = {
        "received_at": to_milliseconds(at),
        "source": THIS_MACHINE,
        "offset_us": step_us,
        "state": State.STEP,
        "data": _json({"node": node}),
    }
    TableArchive(config.data_dir / "archive", node).append(CLOCK, [row])


def rows_of(sample: Sample) -> list[Row]:
    """The rows of one sample, the verdict first."""
    at = to_milliseconds(sample.at)
    own = sample.own
    verdict = {
        name: value
        for name, value in asdict(own).items()
        if name in ("method", "source", "root_distance_us", "reason", "believed", "wrong", "others")
    }
    rows: list[Row] = [
        _row(at, THIS_MACHINE, own.state, own.offset_us, own.error_us, own.stratum, verdict)
    ]
    for server, found in sorted(sample.servers.items()):
        rows.append(_measured(at, server, found))
    for server, why in sorted(own.others.items()):
        rows.append(_row(at, server, State.UNREACHABLE, None, None, None, {"reason": why}))
    for device, told in sorted((sample.asked_equipment or {}).items()):
        name = EQUIPMENT + device
        if isinstance(told, Measurement):
            rows.append(_measured(at, name, told))
        else:
            rows.append(_row(at, name, State.UNREACHABLE, None, None, None, {"reason": told}))
    for one in sample.equipment:
        silent = one.state is EquipmentState.SILENT
        rows.append(
            _row(
                at,
                f"{EQUIPMENT}{one.name}",
                State.UNREACHABLE if silent else State.UNSYNCHRONISED,
                one.offset_us,
                one.error_us,
                None,
                {
                    "judged": one.state,
                    "address": one.source,
                    "packets": one.packets,
                    "by": "event-timestamp",
                },
            )
        )
    return rows


def _measured(at: int, source: str, found: Measurement) -> Row:
    return _row(
        at,
        source,
        State.SYNCHRONISED,
        found.offset_us,
        found.error_us,
        found.stratum,
        {
            "by": "ntp",
            "delay_us": found.delay_us,
            "root_distance_us": found.root_distance_us,
            "reference": found.reference,
        },
    )


def _row(
    at: int,
    source: str,
    state: State,
    offset_us: int | None,
    error_us: int | None,
    stratum: int | None,
    data: Mapping[str, Any],
) -> Row:
    return {
        "received_at": at,
        "source": source,
        "offset_us": offset_us,
        "error_us": error_us,
        "stratum": stratum,
        "state": str(state),
        "data": _json(data),
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
