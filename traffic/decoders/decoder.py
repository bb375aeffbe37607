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
from traffic.decoders import ipfix, netflow5, netflow9, sessions
from traffic.decoders.batch import FlowBatch
from traffic.decoders.blocks import PortBlock
from traffic.decoders.counting import RecordWatch
from traffic.decoders.groups import RecordGroups
from traffic.decoders.plan import FieldSpecs
from traffic.decoders.sequences import FlowGap, GapList, GapReason, SequenceWatch, condense
from traffic.decoders.sflow import is_sflow
from traffic.decoders.templates import (
    Key,
    PendingSet,
    Template,
    TemplateStore,
    decode_options_templates,
    decode_templates,
    make_template,
)
from traffic.decoders.times import latest_uptime
from traffic.decoders.unread import Flaw, Unread, UnreadHour, UnreadList

MAX_PADDING = 7
"""Sets are padded to 4 or 8 octets, by MikroTik with whatever stood there before."""


class Datagram(NamedTuple):
    """One datagram as received."""

    received_ns: int
    exporter: str
    payload: memoryview
    port: int = 0
    """The exporter's; of IPFIX it tells transport sessions apart."""
    listener: str = "netflow"
    """Which of ours took it; any version is decoded on either."""


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
    unknown_sets: int = 0
    sflow: int = 0
    blocks: int = 0
    unread: int = 0
    """Datagrams that were not decoded whole; their octets are in `Decoded.unread`."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """All flows of one call, the gaps it noticed and what it counted."""

    batch: FlowBatch
    gaps: list[FlowGap]
    counts: Counts
    blocks: list[PortBlock] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    sflow: frozenset[str] = frozenset()
    """Exporters that sent sFlow, which is not decoded."""


class FlowDecoder:
    """NetFlow 5 and 9 and IPFIX of any number of exporters; see `decode`."""

    def __init__(self, hour: UnreadHour | None = None) -> None:
        self._hour = hour or UnreadHour()
        self.store = TemplateStore()
        self.watch = SequenceWatch()
        self.records = RecordWatch(self.watch)
        self.starts = sessions.StartTimes()
        self.sessions = sessions.NewSessions()
        self._groups = RecordGroups()
        self._counts = Counts()
        self._gaps = GapList()
        self._flaws: list[Flaw] = []
        self._sflow: set[str] = set()

    def decode(self, datagrams: Iterable[Datagram]) -> Decoded:
        """Every flow in `datagrams`, in no particular order, and what is known to be missing."""
        self._groups = RecordGroups()
        self._counts, self._gaps = Counts(), GapList()
        self._flaws, self._sflow = [], set()
        counts, unread = self._counts, UnreadList(self._hour)
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
                elif version == sessions.VERSION:
                    self._version_10(datagram, received_ms)
                else:
                    self._other(datagram.exporter, payload)
            except MalformedPacket:
                counts.malformed += 1
                self._flaws.append(Flaw.MALFORMED)
            if self._flaws:
                self._keep(datagram, received_ms, unread)
        for (sender, domain, number), late in self.store.expire(latest_ms):
            self._give_up(sender, domain, number, late)
        batch, blocks = self._groups.read()
        counts.blocks = len(blocks)
        self._groups = RecordGroups()
        gaps = condense([*self._gaps.take(), *self.watch.take_gaps()])
        return Decoded(batch, gaps, counts, blocks, unread.kept, frozenset(self._sflow))

    def pack(self) -> int:
        """Let go of the datagrams so far: they have become columns.

        To be called between two datagrams of `decode`.

        Returns:
            How many blocks of ports this call of `decode` has found.
        """
        return self._groups.pack()

    def end_session(self, exporter: str, port: int) -> None:
        """A connection is over: its templates hold no more, and what waits for one waits in vain.

        RFC 7011 section 8.1. To be called between two datagrams of `decode`.
        """
        session = sessions.session_name(exporter, port, sessions.STREAM)
        for (sender, domain, number), late in self.store.forget_session(session):
            self._give_up(sender, domain, number, late)
        for key in [key for key in self.watch.streams if key[0] == session]:
            del self.watch.streams[key]
        self.starts.forget(session)

    def _version_5(self, exporter: str, received_ms: int, payload: memoryview) -> None:
        head = netflow5.decode_datagram(payload)
        key = (exporter, 5, head.engine)
        self.watch.observe(key, head.flow_sequence, head.count, received_ms, head.uptime_ms)
        moments = (received_ms, head.exported_ms, head.uptime_ms)
        self._groups.add(
            netflow5.record_plan(), exporter, head.engine, moments, head.count, head.body
        )

    def _version_9(self, exporter: str, received_ms: int, payload: memoryview) -> None:
        head = netflow9.decode_header(payload)
        domain = head.source_id
        self.watch.observe((exporter, 9, domain), head.sequence, 1, received_ms, head.uptime_ms)
        moments = (received_ms, head.exported_ms, head.uptime_ms)
        for number, body in netflow9.split_sets(payload):
            if number >= netflow9.FIRST_DATA_SET:
                template = self.store.find((exporter, domain, number))
                if template is not None:
                    self._data(template, exporter, domain, moments, body)
                elif body:
                    self._wait((exporter, domain, number), moments, body)
            elif number == netflow9.TEMPLATE_SET:
                for new, fields in decode_templates(body):
                    self._define((exporter, domain, new), fields, options=False)
            elif number == netflow9.OPTIONS_TEMPLATE_SET:
                for new, fields in decode_options_templates(body):
                    self._define((exporter, domain, new), fields, options=True)
            else:
                self._unknown_set()

    def _version_10(self, datagram: Datagram, received_ms: int) -> None:
        head = ipfix.decode_header(datagram.payload)
        domain = head.domain
        session = sessions.session_name(datagram.exporter, datagram.port, datagram.listener)
        stream = (session, sessions.VERSION, domain)
        self._follow(datagram.exporter, session, domain, received_ms)
        flows: int | None = 0
        """Of this message; None when it cannot be told how many there are."""
        options = self._counts.options_records
        try:
            for number, body in ipfix.split_sets(datagram.payload[: head.octets]):
                if number >= ipfix.FIRST_DATA_SET:
                    uptime_ms = self.starts.uptime_ms((session, domain), head.exported_ms)
                    moments = (received_ms, head.exported_ms, uptime_ms)
                    template = self.store.find((session, domain, number))
                    if template is None and body:
                        self._wait((session, domain, number), moments, body)
                        flows = None
                    elif template is not None:
                        found = self._data(template, session, domain, moments, body)
                        if template.plan is not None and flows is not None:
                            flows += found
                elif number in (ipfix.TEMPLATE_SET, ipfix.OPTIONS_TEMPLATE_SET):
                    self._announced(session, domain, number, body)
                else:
                    self._unknown_set()
        except MalformedPacket:
            flows = None
            raise
        finally:
            options = self._counts.options_records - options
            self.records.observe(stream, head.sequence, flows, options, received_ms)
        if head.octets < len(datagram.payload):
            self._flaws.append(Flaw.REST)

    def _follow(self, exporter: str, session: str, domain: int, received_ms: int) -> None:
        known = (session, sessions.VERSION, domain) in self.watch.streams
        before_ms = self.sessions.follow(exporter, session, domain, received_ms, known=known)
        if before_ms is not None:
            first, last = sorted((before_ms, received_ms))
            source = f"{exporter} v{sessions.VERSION} domain {domain}"
            self._gaps.add(
                FlowGap(source=source, from_ms=first, to_ms=last, lost=0, reason=GapReason.RESTART)
            )

    def _announced(self, session: str, domain: int, set_id: int, body: memoryview) -> None:
        options = set_id == ipfix.OPTIONS_TEMPLATE_SET
        for one in ipfix.decode_templates(body, options=options):
            if not one.is_withdrawal:
                self._define((session, domain, one.number), one.fields, options=options)
            elif one.number == set_id:
                self.store.withdraw_all(session, domain, options=options)
            else:
                self.store.withdraw((session, domain, one.number))

    def _define(self, key: Key, fields: FieldSpecs, *, options: bool) -> None:
        known = self.store.find(key)
        if known is not None and known.fields == fields and (known.plan is None) == options:
            return
        try:
            template = make_template(fields, options=options)
            waiting = self.store.define(key, template)
        except MalformedPacket:
            self._counts.refused_templates += 1
            self._flaws.append(Flaw.TEMPLATE)
            return
        sender, domain, _ = key
        for late in waiting:
            moments = (late.received_ms, late.exported_ms, late.uptime_ms)
            self._data(template, sender, domain, moments, memoryview(late.body))

    def _wait(self, key: Key, moments: tuple[int, int, int], body: memoryview) -> None:
        """Keep a data set until its template comes."""
        self._counts.pending_sets += 1
        self._flaws.append(Flaw.NO_TEMPLATE)
        for (sender, domain, number), gone in self.store.wait(
            key, PendingSet(*moments, bytes(body))
        ):
            self._give_up(sender, domain, number, gone)

    def _data(
        self,
        template: Template,
        sender: str,
        domain: int,
        moments: tuple[int, int, int],
        body: memoryview,
    ) -> int:
        records, octets = template.records(body)
        rest = 0 if template.variable else len(body) - len(octets)
        if rest > MAX_PADDING and any(body[-rest:]):
            self._flaws.append(Flaw.REST)
        if not records:
            return 0
        plan = template.plan
        if plan is None:
            self._counts.options_records += records
            if template.init_at is not None:
                at = (records - 1) * template.record_octets + template.init_at
                init_ms = int.from_bytes(octets[at : at + 8], "big")
                self.starts.tell((sender, domain), init_ms)
            return records
        if moments[2] == sessions.UNKNOWN and plan.times.need_uptime:
            latest = latest_uptime(plan.times, np.frombuffer(octets, plan.dtype))
            uptime_ms = self.starts.reckon((sender, domain), moments[1], latest)
            moments = (moments[0], moments[1], uptime_ms)
        self._groups.add(plan, sender, domain, moments, records, octets)
        return records

    def _unknown_set(self) -> None:
        self._counts.unknown_sets += 1
        self._flaws.append(Flaw.UNKNOWN_SET)

    def _other(self, exporter: str, payload: memoryview) -> None:
        if is_sflow(payload):
            self._counts.sflow += 1
            self._sflow.add(exporter)
        else:
            self._counts.unknown_version += 1
            self._flaws.append(Flaw.VERSION)

    def _keep(self, datagram: Datagram, received_ms: int, unread: UnreadList) -> None:
        """Keep a datagram that was not decoded whole; say so when there is no room."""
        self._counts.unread += 1
        reasons = tuple(dict.fromkeys(self._flaws))
        self._flaws.clear()
        octets = bytes(datagram.payload)
        one = Unread(
            received_ms=received_ms,
            exporter=datagram.exporter,
            port=datagram.port,
            listener=datagram.listener,
            reasons=reasons,
            octets=octets,
        )
        if not unread.add(one):
            self._lose(f"{datagram.exporter} unread", received_ms)

    def _give_up(self, sender: str, domain: int, number: int, gone: PendingSet) -> None:
        self._counts.dropped_sets += 1
        version = sessions.version_of(sender)
        self._lose(f"{sender} v{version} domain {domain} template {number}", gone.received_ms)

    def _lose(self, source: str, at_ms: int) -> None:
        self._gaps.add(
            FlowGap(source=source, from_ms=at_ms, to_ms=at_ms, lost=0, reason=GapReason.UNDECODABLE)
        )
