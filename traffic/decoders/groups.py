"""Collects records by the plan that reads them, over all datagrams and exporters.

All records of one plan are read by NumPy together: that is what makes it fast.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from traffic.decoders.batch import FlowBatch, join
from traffic.decoders.blocks import PortBlock, take_blocks
from traffic.decoders.plan import Plan, read_columns
from traffic.decoders.sessions import exporter_of
from traffic.decoders.times import Moments


@dataclass(slots=True)
class _Group:
    """Record octets of one plan, and the moments and origin of each piece."""

    bodies: list[memoryview | bytes] = field(default_factory=list)
    rows: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    """Records, received_ms, exported_ms, uptime_ms, sender index, domain."""


class RecordGroups:
    """The records of one call of the decoder."""

    def __init__(self) -> None:
        self._groups: dict[Plan, _Group] = {}
        self._senders: dict[str, int] = {}
        self._parts: list[FlowBatch] = []
        self._blocks: list[PortBlock] = []

    def add(
        self,
        plan: Plan,
        sender: str,
        domain: int,
        moments: tuple[int, int, int],
        records: int,
        octets: memoryview | bytes,
    ) -> None:
        """Note whole records of one data set; `moments` received, exported, uptime."""
        group = self._groups.get(plan)
        if group is None:
            group = self._groups[plan] = _Group()
        index = self._senders.setdefault(sender, len(self._senders))
        group.bodies.append(octets)
        group.rows.append((records, *moments, index, domain))

    def pack(self) -> int:
        """Read what was added since the last call, and let go of its octets.

        Returns:
            Blocks of ports so far: each is an object, where a flow is a row of columns.
        """
        exporters = self._exporters()
        for plan, group in self._groups.items():
            part, found = _read(plan, group, exporters)
            self._parts.append(part)
            self._blocks += found
        self._groups = {}
        return len(self._blocks)

    def read(self) -> tuple[FlowBatch, list[PortBlock]]:
        """Every flow that was added, and every block of ports; once."""
        self.pack()
        parts, self._parts = self._parts, []
        return join(parts, self._exporters()), self._blocks

    def _exporters(self) -> tuple[str, ...]:
        return tuple(map(exporter_of, self._senders))


def _read(
    plan: Plan, group: _Group, exporters: tuple[str, ...]
) -> tuple[FlowBatch, list[PortBlock]]:
    rows = np.array(group.rows, np.int64)
    repeats = rows[:, 0]
    records = np.frombuffer(b"".join(group.bodies), plan.dtype)
    received, exported, uptime, exporter, domain = (
        np.repeat(rows[:, column], repeats) for column in range(1, 6)
    )
    columns = read_columns(plan, records, Moments(received, exported, uptime))
    columns["exporter"] = exporter.astype(np.uint32)
    columns["domain"] = domain.astype(np.uint32)
    batch = FlowBatch(len(records), columns)
    if plan.may_tell_blocks:
        return take_blocks(plan, records, batch, exporters)
    return batch, []
