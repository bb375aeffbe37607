"""Decodes kept datagrams again whose template has become known since they were given up.

A data set waits two hours for its template; then it is a gap, and its datagram stays in the kind
`raw`. What is decoded of it later becomes flows like any other, in segments whose manifest line
names the raw segment (`origin`). Flows that are stored already are left out, so doing it twice adds
nothing. The datagrams stay as they are, and the gaps: when they were noted, they were true.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import numpy as np

from common import clock
from common.config import Config
from common.errors import ArchiveError, MalformedPacket
from traffic.archive import duck
from traffic.archive.elsewhere import recall
from traffic.archive.entries import Entry
from traffic.archive.inside import Inside
from traffic.archive.kinds import NAT, RAW
from traffic.archive.manifest import Manifest
from traffic.archive.schema import CLIENT_COLUMNS, STORED
from traffic.archive.segments import SegmentWriter
from traffic.archive.tables import Row, TableArchive
from traffic.collectors.aside import block_row
from traffic.collectors.destinations import leave_out, without_destination
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.stored_lines import FLOW, StoredLines, touches
from traffic.decoders import ipfix, netflow9, sessions
from traffic.decoders.batch import FlowBatch, join
from traffic.decoders.decoder import Datagram, FlowDecoder
from traffic.decoders.fields import COLUMNS
from traffic.decoders.state import load_state
from traffic.decoders.unread import Flaw

_Key = tuple[Any, ...]

SAME_START_MS = 120_000
"""Uptimes of one start differ by the exporter's drift and the network's delay, not by more."""

_HOUR_MS = 3_600_000
_EVER = 1 << 62
_COMPARED = ("exported_at", *(name for name in STORED if name not in CLIENT_COLUMNS))
"""What tells whether a flow is stored already, beside exporter and time of receipt. Start and end
are not in it: of IPFIX they may be reckoned, and reckoned better by now."""
_COLUMNS = tuple(name.replace("exported_at", "exported_ms") for name in _COMPARED)
"""The same, as a batch calls them."""
_PIECE = 5_000
"""Datagrams decoded at once."""

_WANTED = f"reason LIKE '%{Flaw.NO_TEMPLATE}%'"


@dataclass(slots=True)
class Again:
    """What a run came to."""

    datagrams: int = 0
    """Kept for want of a template."""
    decoded: int = 0
    """Of which every set could be read now."""
    unknown: int = 0
    """Whose template is still not known."""
    restarted: int = 0
    """Whose exporter was started anew before the template was learnt, or whose connection is over:
    it may mean other fields."""
    flows: int = 0
    """Stored now."""
    blocks: int = 0
    known: int = 0
    """Flows and blocks that were stored before."""
    segments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Read:
    batches: list[FlowBatch]
    blocks: list[Row]


class Redecoder:
    """Reads the archive's raw segments one after the other with the templates of a state."""

    def __init__(
        self, config: Config, paths: CollectorPaths, state: Path, *, trusting: bool = False
    ) -> None:
        """Take the templates of a decoder state.

        Args:
            trusting: templates count for datagrams of another start of their exporter as well.

        Raises:
            ArchiveError: the state cannot be read.
        """
        self._paths = paths
        self._manifest = Manifest(paths.archive)
        self._tables = TableArchive(paths.archive, paths.node)
        self._writer = SegmentWriter(paths.archive, Inside(config.collector.inside))
        self._decoder = _templates_of(state)
        self._inside = Inside(config.collector.inside)
        self._without = [ip_network(one) for one in config.collector.without_destinations]
        self._trusting = trusting
        # Kept apart: each datagram that is decoded moves the decoder's own idea of them.
        self._began = {
            (exporter, domain): stream.last_ms - stream.uptime_ms
            for (exporter, version, domain), stream in self._decoder.watch.streams.items()
            if version == 9
        }
        self._told = dict(self._decoder.starts.told)
        self._reckoned = dict(self._decoder.starts.reckoned)

    def run(self, *, dry: bool = False) -> Again:
        """Decode what can be decoded; with `dry` only count.

        Raises:
            ArchiveError: a segment cannot be read or written.
            BackendUnavailable: the archive directory cannot be locked.
        """
        told = Again()
        kept = list(self._manifest.committed().present(RAW.name))
        lines = StoredLines(
            self._manifest, [(one.received_min_ms, one.received_max_ms) for one in kept]
        )
        for entry in kept:
            # Outside the lock, as everything that takes a while: bringing back takes it, too.
            recall(self._paths.archive, [entry])
            self._segment(entry, lines, told, dry)
        return told

    def _segment(self, entry: Entry, lines: StoredLines, told: Again, dry: bool) -> None:
        read = _Read([], [])
        for row in self._rows(entry):
            told.datagrams += 1
            outcome = self._decode(row, read)
            if outcome is not None:
                setattr(told, outcome, getattr(told, outcome) + 1)
        if not read.batches and not read.blocks:
            return
        hours = list(_by_hour(read.batches))
        while not self._settle(entry, hours, read.blocks, lines, told, dry):
            pass

    def _settle(
        self,
        raw: Entry,
        hours: Sequence[tuple[int, FlowBatch]],
        rows: Sequence[Row],
        lines: StoredLines,
        told: Again,
        dry: bool,
    ) -> bool:
        """Store what is not there yet; False when translations of that time came meanwhile."""
        lines.catch_up()
        stored: list[Counter[_Key]] = []
        for _hour, batch in hours:
            entries = lines.touching(FLOW, *_span(batch))
            recall(self._paths.archive, entries)
            stored.append(self._stored(entries, batch))
        known = self._known_blocks(rows)
        with self._manifest.locked():
            self._manifest.recover()
            came = lines.catch_up()
            moments = [row["received_at"] for row in rows]
            if rows and any(touches(one, NAT.name, min(moments), max(moments)) for one in came):
                return False
            fresh: list[tuple[int, FlowBatch]] = []
            for (hour, batch), there in zip(hours, stored, strict=True):
                new = [one for one in came if touches(one, FLOW, *_span(batch))]
                left = self._fresh(batch, there + self._stored(new, batch), told)
                if len(left):
                    fresh.append((hour, left))
            blocks = [row for row in rows if not self._is_known(row, known)]
            told.known += len(rows) - len(blocks)
            told.flows += sum(len(one) for _hour, one in fresh)
            told.blocks += len(blocks)
            if not dry and (fresh or blocks):
                told.segments += self._store(raw, fresh, blocks)
        return True

    def _rows(self, entry: Entry) -> Iterator[Mapping[str, Any]]:
        """The datagrams of one segment that wanted a template, in the order of their receipt."""
        path = str(self._paths.archive / entry.path).replace("'", "''")
        query = (
            "SELECT epoch_ms(received_at), source, port, listener, raw"  # noqa: S608
            f" FROM read_parquet('{path}', file_row_number = true) WHERE {_WANTED}"
            " ORDER BY received_at, file_row_number"
        )
        connection = duck.connect()
        try:
            result = connection.execute(query)
            names = ("received_ms", "exporter", "port", "listener", "octets")
            while rows := result.fetchmany(_PIECE):
                yield from (dict(zip(names, row, strict=True)) for row in rows)
        except duck.library().Error as error:
            raise ArchiveError(entry.path, f"cannot be read: {error}") from error
        finally:
            connection.close()

    def _decode(self, row: Mapping[str, Any], read: _Read) -> str | None:
        """Which count of `Again` goes up."""
        octets = bytes(row["octets"])
        if not self._trusting and self._is_of_another_start(row, octets):
            return "restarted"
        datagram = Datagram(
            row["received_ms"] * 1_000_000,
            row["exporter"],
            memoryview(octets),
            row["port"],
            row["listener"],
        )
        found = self._decoder.decode([datagram])
        is_unknown = bool(found.counts.pending_sets)
        self._decoder.store.forget_waiting()
        if len(found.batch):
            quiet = [row["exporter"]] if self._is_quiet(row["exporter"]) else []
            read.batches.append(leave_out(found.batch, self._inside, quiet))
        rows = [block_row(one) for one in found.blocks]
        if rows and self._is_quiet(row["exporter"]):
            rows = [without_destination(NAT.name, one) for one in rows]
        read.blocks += rows
        return "unknown" if is_unknown else "decoded"

    def _is_quiet(self, exporter: str) -> bool:
        return any(ip_address(exporter) in network for network in self._without)

    def _is_of_another_start(self, row: Mapping[str, Any], octets: bytes) -> bool:
        """Whether an exporter was started anew since: its templates may mean other fields."""
        version = int.from_bytes(octets[:2])
        try:
            if version == sessions.VERSION:
                return self._is_of_another_session(row, ipfix.decode_header(memoryview(octets)))
            if version != 9:
                return False
            head = netflow9.decode_header(memoryview(octets))
        except MalformedPacket:
            return False
        began = self._began.get((row["exporter"], head.source_id))
        return began is None or abs(row["received_ms"] - head.uptime_ms - began) > SAME_START_MS

    def _is_of_another_session(self, row: Mapping[str, Any], head: ipfix.Header10) -> bool:
        """A template of IPFIX belongs to a transport session (RFC 7011, section 8).

        A connection that was given up is over, and another one may have had the same port. Over
        UDP an exporter that was started anew may go on with its port: then the message is older
        than the start that it told, or that its flows prove.
        """
        if row["listener"] == sessions.STREAM:
            return True
        session = sessions.session_name(row["exporter"], row["port"], row["listener"])
        init_ms = self._told.get((session, head.domain))
        if init_ms is None:
            init_ms = self._reckoned.get((session, head.domain), 0) - sessions.STALE_MS
        # The message has whole seconds.
        return head.exported_ms + 1000 < init_ms

    def _fresh(self, batch: FlowBatch, stored: Counter[_Key], told: Again) -> FlowBatch:
        """The flows of one hour that are not among those stored."""
        if not stored:
            return batch
        less = leave_out(batch, self._inside, batch.exporters)
        keep = np.zeros(len(batch), dtype=np.bool_)
        for place, keys in enumerate(zip(_keys(batch), _keys(less), strict=True)):
            # Stored as it is, or at a time when no far ends were kept.
            key = next((one for one in keys if stored[one] > 0), None)
            if key is None:
                keep[place] = True
            else:
                stored[key] -= 1
                told.known += 1
        return batch if keep.all() else batch.take(keep)

    def _stored(self, entries: Sequence[Entry], batch: FlowBatch) -> Counter[_Key]:
        """The flows of these segments at the moments of `batch`, as they are compared.

        Of an exporter whose far ends are left out now, they are left out here as well.
        """
        if not entries:
            return Counter()
        terms = ", ".join(
            f"epoch_ms({name})" if name == "exported_at" else name for name in _COMPARED
        )
        moments = np.unique(batch.column("received_ms")).tolist()
        paths = [str(self._paths.archive / one.path) for one in entries]
        connection = duck.connect()
        try:
            rows = connection.execute(
                f"SELECT exporter, epoch_ms(received_at), {terms}"  # noqa: S608
                " FROM read_parquet(?, union_by_name = true)"
                " WHERE epoch_ms(received_at) IN (SELECT unnest(?)) AND list_contains(?, exporter)",
                [paths, moments, list(batch.exporters)],
            ).fetchall()
        except duck.library().Error as error:
            raise ArchiveError(entries[0].path, f"cannot be read: {error}") from error
        finally:
            connection.close()
        if not rows:
            return Counter()
        senders, *values = zip(*rows, strict=True)
        exporters = tuple(dict.fromkeys(senders))
        columns = {"exporter": np.array([exporters.index(one) for one in senders], np.uint32)}
        for name, column in zip(("received_ms", *_COLUMNS), values, strict=True):
            columns[name] = np.array([int(one or 0) for one in column], COLUMNS[name])
        quiet = [one for one in exporters if self._is_quiet(one)]
        found = leave_out(FlowBatch(len(rows), columns, exporters), self._inside, quiet)
        return Counter(_keys(found))

    def _known_blocks(self, rows: Sequence[Row]) -> set[_Key]:
        if not rows:
            return set()
        moments = [row["received_at"] for row in rows]
        found = self._tables.read(
            NAT, "form = 'flow-block'", from_ms=min(moments), to_ms=max(moments), limit=_EVER
        )
        keys = {_block_key(one.values) for one in found}
        return keys | {key[:-1] for key in keys if self._is_quiet(key[1])}

    def _is_known(self, row: Row, known: set[_Key]) -> bool:
        """Whether it is stored, whole or, from when far ends were left out, without its octets."""
        key = _block_key(row)
        if key in known or (*key[:-1], b"") in known:
            return True
        return self._is_quiet(key[1]) and key[:-1] in known

    def _store(
        self,
        raw: Entry,
        flows: Sequence[tuple[int, FlowBatch]],
        blocks: Sequence[Row],
    ) -> list[str]:
        """Write segments and their lines; the caller holds the lock."""
        last = self._manifest.last()
        number = last.seq + 1 if last else 1
        name = f"{self._paths.node}-r{number:012d}"
        origin = f"raw:{raw.path}"
        lines: list[Entry] = []
        written: list[Path] = []
        now_ms = clock.unix_nanoseconds() // 1_000_000
        try:
            for hour, batch in flows:
                begin = datetime.fromtimestamp(hour * 3600, UTC)
                path = f"{FLOW}/date={begin:%Y-%m-%d}/hour={begin:%H}/{name}.parquet"
                written.append(self._paths.archive / path)
                segment = self._writer.write(batch, path)
                lines.append(
                    Entry(
                        kind=FLOW,
                        node=self._paths.node,
                        origin=origin,
                        written_ms=now_ms,
                        **{key: getattr(segment, key) for key in segment.__slots__},
                    )
                )
            for line in self._tables.write(NAT, blocks, name) if blocks else ():
                written.append(self._paths.archive / line.path)
                lines.append(replace(line, origin=origin))
            self._manifest.append(lines)
        except ArchiveError:
            for path_ in written:
                path_.unlink(missing_ok=True)
            raise
        return [line.path for line in lines]


def newest_state(paths: CollectorPaths) -> Path:
    """Where the collector's templates stand.

    Raises:
        ArchiveError: no collector has decoded anything here.
    """
    found = sorted(paths.state.glob("state-*.json"))
    if not found:
        raise ArchiveError(
            str(paths.state), "holds no decoder state: no collector has decoded anything here"
        )
    return found[-1]


def _templates_of(path: Path) -> FlowDecoder:
    try:
        tree = json.loads(path.read_bytes())
        decoder = load_state({**tree, "pending": []})
    except (OSError, ValueError, TypeError, AttributeError, MalformedPacket) as error:
        raise ArchiveError(str(path), f"is no decoder state: {error}") from error
    return decoder


def _by_hour(batches: Sequence[FlowBatch]) -> Iterator[tuple[int, FlowBatch]]:
    """(hour of receipt, its flows)."""
    hours: dict[int, list[FlowBatch]] = {}
    exporters = tuple(dict.fromkeys(name for one in batches for name in one.exporters))
    for one in batches:
        place = np.array([exporters.index(name) for name in one.exporters], dtype=np.uint32)
        columns = dict(one.columns)
        columns["exporter"] = place[one.column("exporter")]
        hour = int(one.column("received_ms")[0]) // _HOUR_MS
        hours.setdefault(hour, []).append(FlowBatch(len(one), columns, exporters))
    for hour in sorted(hours):
        yield hour, join(hours[hour], exporters)


def _span(batch: FlowBatch) -> tuple[int, int]:
    """When the first and the last of them were received."""
    received = batch.column("received_ms")
    return int(received.min()), int(received.max())


def _keys(batch: FlowBatch) -> Iterator[_Key]:
    """(exporter, time of receipt, what is compared) of each flow."""
    columns = [batch.column(name).tolist() for name in ("received_ms", *_COLUMNS)]
    senders = [batch.exporters[place] for place in batch.column("exporter").tolist()]
    return zip(senders, *columns, strict=True)


def _block_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    raw = row["raw"]
    return (
        *(row["received_at"], row["source"], row["event"], row["protocol"]),
        *(row["inside_address"], row["outside_address"], row["outside_port"]),
        bytes(raw) if raw is not None else b"",
    )
