"""Decodes a whole spool of flow datagrams at once into columns.

Only the structure of each datagram is walked in Python; all records of one template, over
all datagrams and exporters, are read by NumPy together. Keeps templates, sequence numbers
and waiting data between calls. Does no I/O and reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from common.errors import MalformedPacket
from traffic.decoders import netflow5, netflow9
from traffic.decoders.batch import FlowBatch, join
from traffic.decoders.plan import Moments, Plan, read_columns
from traffic.decoders.sequences import FlowGap, GapList, GapReason, SequenceWatch, condense
from traffic.decoders.templates import (
    PendingSet,
    Template,
    TemplateStore,
    decode_options_templates,
    decode_templates,
    make_template,
)


class Datagram(NamedTuple):
    """One datagram as received."""

    received_ns: int
    exporter: str
    payload: memoryview


@dataclass(slots=True)
class Counts:
    """What one call met. Malformed datagrams may still have given their good sets."""

    datagrams: int = 0
    malformed: int = 0
    unknown_version: int = 0
    refused_templates: int = 0
    options_records: int = 0
    pending_sets: int = 0
    dropped_sets: int = 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """All flows of one call, the gaps it noticed and what it counted."""

    batch: FlowBatch
    gaps: list[FlowGap]
    counts: Counts


@dataclass(slots=True)
class _Group:
    """Record octets of one plan, and the moments and origin of each piece."""

    bodies: list[memoryview | bytes] = field(default_factory=list)
    rows: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    """Records, received_ms, exported_ms, uptime_ms, exporter index, domain."""


class FlowDecoder:
    """NetFlow 5 and 9 of any number of exporters; see `decode`."""

    def __init__(self) -> None:
        self.store = TemplateStore()
        self.watch = SequenceWatch()
        self._groups: dict[Plan, _Group] = {}
        self._exporters: dict[str, int] = {}
        self._counts = Counts()
        self._gaps = GapList()

    def decode(self, datagrams: Iterable[Datagram]) -> Decoded:
        """Every flow in `datagrams`, in no particular order, and what is known to be missing."""
        self._groups, self._exporters = {}, {}
        self._counts, self._gaps = Counts(), GapList()
        counts = self._counts
        latest_ms = 0
        for datagram in datagrams:
            counts.datagrams += 1
            payload = datagram.payload
            received_ms = datagram.received_ns // 1_000_000
            latest_ms = max(latest_ms, received_ms)
            version = payload[0] << 8 | payload[1] if len(payload) >= 2 else 0
            try:
                if version == 9:
                    self._version_9(datagram.exporter, received_ms, payload)
                elif version == 5:
                    self._version_5(datagram.exporter, received_ms, payload)
                else:
                    counts.unknown_version += 1
            except MalformedPacket:
                counts.malformed += 1
        for (exporter, domain, number), late in self.store.expire(latest_ms):
            self._give_up(exporter, domain, number, late, latest_ms)
        parts = [self._read(plan, group) for plan, group in self._groups.items()]
        exporters = tuple(self._exporters)
        batch = join(parts, exporters) if parts else FlowBatch(0, {}, exporters)
        self._groups = {}
        gaps = condense([*self._gaps.take(), *self.watch.take_gaps()])
        return Decoded(batch, gaps, counts)

    def _version_5(self, exporter: str, received_ms: int, payload: memoryview) -> None:
        head = netflow5.decode_datagram(payload)
        key = (exporter, 5, head.engine)
        self.watch.observe(key, head.flow_sequence, head.count, received_ms, head.uptime_ms)
        moments = (received_ms, head.exported_ms, head.uptime_ms)
        self._add(netflow5.record_plan(), exporter, head.engine, moments, head.count, head.body)

    def _version_9(self, exporter: str, received_ms: int, payload: memoryview) -> None:
        head = netflow9.decode_header(payload)
        domain = head.source_id
        self.watch.observe((exporter, 9, domain), head.sequence, 1, received_ms, head.uptime_ms)
        moments = (received_ms, head.exported_ms, head.uptime_ms)
        for number, body in netflow9.split_sets(payload):
            if number >= netflow9.FIRST_DATA_SET:
                template = self.store.find((exporter, domain, number))
                if template is None and body:
                    self._wait(exporter, domain, number, PendingSet(*moments, bytes(body)))
                elif template is not None:
                    self._data(template, exporter, domain, moments, body)
            elif number == netflow9.TEMPLATE_SET:
                self._define(exporter, domain, body, options=False)
            elif number == netflow9.OPTIONS_TEMPLATE_SET:
                self._define(exporter, domain, body, options=True)

    def _define(self, exporter: str, domain: int, body: memoryview, *, options: bool) -> None:
        found = decode_options_templates(body) if options else decode_templates(body)
        for number, fields in found:
            key = (exporter, domain, number)
            known = self.store.find(key)
            if known is not None and known.fields == fields and (known.plan is None) == options:
                continue
            try:
                template = make_template(fields, options=options)
                waiting = self.store.define(key, template)
            except MalformedPacket:
                self._counts.refused_templates += 1
                continue
            for late in waiting:
                moments = (late.received_ms, late.exported_ms, late.uptime_ms)
                self._data(template, exporter, domain, moments, memoryview(late.body))

    def _data(
        self,
        template: Template,
        exporter: str,
        domain: int,
        moments: tuple[int, int, int],
        body: memoryview,
    ) -> None:
        records, octets = template.records(body)
        if template.plan is None:
            self._counts.options_records += records
        elif records:
            self._add(template.plan, exporter, domain, moments, records, octets)

    def _add(
        self,
        plan: Plan,
        exporter: str,
        domain: int,
        moments: tuple[int, int, int],
        records: int,
        octets: memoryview | bytes,
    ) -> None:
        group = self._groups.get(plan)
        if group is None:
            group = self._groups[plan] = _Group()
        index = self._exporters.setdefault(exporter, len(self._exporters))
        group.bodies.append(octets)
        group.rows.append((records, *moments, index, domain))

    def _wait(self, exporter: str, domain: int, number: int, late: PendingSet) -> None:
        self._counts.pending_sets += 1
        for (source, dom, template), gone in self.store.wait((exporter, domain, number), late):
            self._give_up(source, dom, template, gone, gone.received_ms)

    def _give_up(
        self, exporter: str, domain: int, number: int, gone: PendingSet, now_ms: int
    ) -> None:
        self._counts.dropped_sets += 1
        source = f"{exporter} v9 domain {domain} template {number}"
        self._gaps.add(
            FlowGap(
                source=source,
                from_ms=gone.received_ms,
                to_ms=gone.received_ms,
                lost=0,
                reason=GapReason.UNDECODABLE,
            )
        )

    @staticmethod
    def _read(plan: Plan, group: _Group) -> FlowBatch:
        rows = np.array(group.rows, np.int64)
        repeats = rows[:, 0]
        records = np.frombuffer(b"".join(group.bodies), plan.dtype)
        received, exported, uptime, exporter, domain = (
            np.repeat(rows[:, column], repeats) for column in range(1, 6)
        )
        columns = read_columns(plan, records, Moments(received, exported, uptime))
        columns["exporter"] = exporter.astype(np.uint32)
        columns["domain"] = domain.astype(np.uint32)
        return FlowBatch(len(records), columns)
