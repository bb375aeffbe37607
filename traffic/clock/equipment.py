"""The clocks of equipment, by the Event-Timestamp of its accounting (RFC 2869 section 5.3).

It tells whole seconds, and a packet may have been on its way: so it can show that a clock is
wrong by more than a second, and never that it is right to ten milliseconds. Who is judged so is
listed as "not proven", whatever the numbers look like.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import AccountingEvent, NasClient

WITHIN = timedelta(hours=1)
_ROWS = 20_000
"""The newest accounting packets that are looked at; the primary key finds them."""

RESOLUTION_US = 1_000_000
SLACK_US = 1_000_000
"""A packet that was repeated, or waited for its batch, comes late without a clock being wrong."""

SENTENCE = (
    "Event-Timestamp tells whole seconds: it can show that a clock is wrong by more than a second,"
    " and cannot prove that it is right to 10 ms."
)


class EquipmentState(StrEnum):
    AHEAD = "ahead"
    BEHIND = "behind_or_late"
    """A clock that is behind and packets that are always late look the same."""
    NOT_PROVEN = "not_proven"
    """Right to the second, as far as can be seen."""
    SILENT = "tells_no_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class EquipmentClock:
    """One device's clock; `offset_us` is ours minus theirs, `error_us` its bound."""

    name: str
    source: str
    """The address its packets come from: several devices may be one NAS client."""
    state: EquipmentState
    packets: int
    offset_us: int | None = None
    error_us: int | None = None


def find_equipment_clocks(session: Session, now: datetime) -> list[EquipmentClock]:
    """Every device that sent accounting in the last hour, as far as its clock can be judged."""
    rows = session.execute(
        select(
            AccountingEvent.nas_client_id,
            AccountingEvent.source,
            AccountingEvent.event_timestamp,
            AccountingEvent.received_at,
        )
        .order_by(AccountingEvent.id.desc())
        .limit(_ROWS)
    )
    told: dict[tuple[int, str], list[timedelta]] = defaultdict(list)
    packets: dict[tuple[int, str], int] = defaultdict(int)
    for nas, source, event_timestamp, received_at in rows:
        if received_at < now - WITHIN:
            continue
        device = nas, host_of(source)
        packets[device] += 1
        if event_timestamp is not None:
            told[device].append(event_timestamp - received_at)
    names = {number: name for number, name in session.execute(select(NasClient.id, NasClient.name))}
    return [
        judge(names.get(nas, f"nas-{nas}"), source, told[nas, source], count)
        for (nas, source), count in sorted(packets.items())
    ]


def judge(name: str, source: str, ahead: Iterable[timedelta], packets: int) -> EquipmentClock:
    """What `ahead` (each Event-Timestamp minus our time of receipt) says of a clock.

    The packet that was under way the shortest has the greatest value; the clock is then ahead
    of ours by at least that, and by at most that, a second (the fraction that was cut off) and
    the time on the way.
    """
    values = [span // timedelta(microseconds=1) for span in ahead]
    if not values:
        return EquipmentClock(
            name=name, source=source, state=EquipmentState.SILENT, packets=packets
        )
    least = max(values)
    most = least + RESOLUTION_US + SLACK_US
    if least > 0:
        state = EquipmentState.AHEAD
    elif most < 0:
        state = EquipmentState.BEHIND
    else:
        state = EquipmentState.NOT_PROVEN
    middle = (least + most) // 2
    return EquipmentClock(
        name=name,
        source=source,
        state=state,
        packets=packets,
        offset_us=-middle,
        error_us=(most - least + 1) // 2,
    )


def host_of(source: str) -> str:
    """The address of `address:port` or `[v6]:port`; anything else as it is."""
    host, colon, port = source.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.startswith("[")):
        return host.strip("[]")
    return source
