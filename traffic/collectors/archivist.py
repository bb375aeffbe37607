"""Turns closed spool files into archive segments, each exactly once: flows and log lines.

The manifest line is the commit: it names the spool files it consumed and the decoder state
after them. Before it nothing counts and everything is done again; after it the spool files
are only left to be deleted. Knows nothing of sockets.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

from common import clock
from common.config import Config
from common.errors import MalformedPacket
from common.logging import get_logger
from common.metrics import Counters
from traffic.archive.durable import sync_directory
from traffic.archive.entries import Entry, GapNote
from traffic.archive.inside import Inside
from traffic.archive.kinds import NAT, RAW, Kind
from traffic.archive.manifest import Manifest
from traffic.archive.segments import SegmentWriter
from traffic.archive.tables import Row, TableArchive
from traffic.collectors.aside import rows_aside, together
from traffic.collectors.destinations import leave_out, without_destination
from traffic.collectors.lines import LOGGED_KINDS, LineDesk
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.records import (
    Listener,
    RecordKind,
    decode_loss,
    decode_records,
    whole_octets,
)
from traffic.collectors.senders import Senders
from traffic.collectors.spool import closed_files, spool_number
from traffic.collectors.tail import last_own
from traffic.decoders.batch import FlowBatch, split
from traffic.decoders.decoder import Datagram, Decoded, FlowDecoder
from traffic.decoders.sequences import FlowGap, GapList, GapReason
from traffic.decoders.sessions import STREAM
from traffic.decoders.state import dump_state, load_state
from traffic.decoders.unread import Flaw, Unread, UnreadHour

KIND = "flow"
KINDS = (KIND, NAT.name, RAW.name, *(kind.name for kind in LOGGED_KINDS if kind is not NAT))
"""What a spool file may hold; all of one batch is one commit."""

_FLOWS: dict[int, str] = {
    Listener.NETFLOW: "netflow",
    Listener.IPFIX: "ipfix",
    Listener.IPFIX_STREAM: STREAM,
    Listener.IPFIX_PROVEN: STREAM,
}
"""Listeners of flows, whatever their version, by the name in the configuration."""

_HOUR_MS = 3_600_000

_MOST_OBJECTS = 100_000
"""Of log lines, blocks of ports and datagrams put aside, each an object of a kilobyte or so: once a
commit has so many, it takes no further file."""

log = get_logger(__name__)


class Archivist:
    """The one writer of a node's flow segments; `recover` first, then `consume`."""

    def __init__(
        self,
        config: Config,
        paths: CollectorPaths,
        counters: Counters,
        senders: Senders | None = None,
    ) -> None:
        self._paths = paths
        self._counters = counters
        self._senders = senders or Senders(config, None)
        self._inside = Inside(config.collector.inside)
        self._without = [ip_network(prefix) for prefix in config.collector.without_destinations]
        """Of whom the far ends of connections are not kept."""
        self._quiet: dict[str, bool] = {}
        self._manifest = Manifest(paths.archive)
        self._writer = SegmentWriter(paths.archive, self._inside)
        self._tables = TableArchive(paths.archive, paths.node)
        self._hour = UnreadHour()
        self._decoder = FlowDecoder(self._hour)
        self._losses: list[FlowGap] = []
        self._truncated: list[Unread] = []
        self._unkept = GapList()
        self._sflow: set[str] = set()
        self._taken: list[Path] = []
        """Spool files that were read for this commit."""
        self._desk = LineDesk(config, counters)
        self.consumed = 0
        """The highest spool number that is in the archive."""

    def recover(self) -> None:
        """Undo what a crash left half done and take up the state of the last commit."""
        with self._manifest.locked():
            cut = self._manifest.recover()
            if cut:
                log.warning("manifest_end_set_aside", octets=cut)
            last = last_own(self._manifest.committed(), self._paths.node)
        self.consumed = max(last.spools) if last else 0
        self._decoder = FlowDecoder(self._hour)
        self._desk.watch.load(None)
        if last is not None:
            self._load(last.state)
        for path in closed_files(self._paths.spool):
            if spool_number(path) <= self.consumed:
                path.unlink()
        self._remove_unlisted()

    def reload(self) -> None:
        """After a failure: forget what is not committed."""
        self.recover()

    def consume(self, files: Sequence[Path]) -> int:
        """Archive `files`, oldest first, as one commit; returns the flows stored.

        At least the first of them: what is no flow takes more memory, and where there is much
        of it the others are left for the next commit.
        """
        self._losses, self._truncated, self._unkept = [], [], GapList()
        self._taken = []
        self._desk.begin()
        self._senders.refresh()
        decoded = self._decoder.decode(self._datagrams(files))
        self._count(decoded)
        self._senders.note_refused()
        if self._without:
            decoded = self._leave_out(decoded)
        gaps = tuple(
            _note(gap)
            for gap in [*self._losses, *self._unkept.take(), *decoded.gaps, *self._desk.gaps()]
        )
        aside = self._spared([*rows_aside(decoded, self._truncated), *self._desk.rows()])
        numbers = tuple(spool_number(path) for path in self._taken)
        self._commit(numbers, decoded.batch, gaps, together(aside))
        for path in self._taken:
            path.unlink()
        return len(decoded.batch)

    def _leave_out(self, decoded: Decoded) -> Decoded:
        """Without far ends where none are kept; datagrams that hold them unread become gaps."""
        quiet = {name for name in decoded.batch.exporters if self._is_quiet(name)}
        kept = [one for one in decoded.unread if not self._is_quiet(one.exporter)]
        for one in decoded.unread:
            if self._is_quiet(one.exporter):
                self._unkept.add(_unread_gap(one.exporter, one.received_ms))
        batch = leave_out(decoded.batch, self._inside, quiet)
        return replace(decoded, batch=batch, unread=kept)

    def _spared(self, parts: list[tuple[Kind, Sequence[Row]]]) -> list[tuple[Kind, Sequence[Row]]]:
        if not self._without:
            return parts
        return [
            (
                kind,
                [
                    without_destination(kind.name, row) if self._is_quiet(row["source"]) else row
                    for row in rows
                ],
            )
            for kind, rows in parts
        ]

    def _is_quiet(self, sender: str) -> bool:
        """Whether the far ends of what this one tells are not kept."""
        found = self._quiet.get(sender)
        if found is None:
            address = ip_address(sender)
            found = any(address in network for network in self._without)
            self._quiet[sender] = found
        return found

    def refuse(self, path: Path) -> None:
        """Put aside a spool file that cannot be decoded, and say so in the archive."""
        kept = path.with_suffix(".refused")
        os.link(path, kept)
        times = [record.received_ns for record in decode_records(memoryview(path.read_bytes()))]
        first, last = (min(times), max(times)) if times else (0, 0)
        gap = GapNote(
            source=kept.name,
            from_ms=first // 1_000_000,
            to_ms=last // 1_000_000,
            lost=0,
            reason=GapReason.UNDECODABLE,
        )
        self._desk.begin()
        self._commit((spool_number(path),), FlowBatch(0), (gap,))
        path.unlink()

    def _commit(
        self,
        numbers: tuple[int, ...],
        batch: FlowBatch,
        gaps: tuple[GapNote, ...],
        aside: Sequence[tuple[Kind, Sequence[Row]]] = (),
    ) -> None:
        state = self._save(max(numbers))
        # Others wait for the lock: not for as long as a large segment takes to write.
        segments = [
            self._writer.prepare(part, path) for path, part in self._by_hour(batch, numbers[0])
        ]
        with self._manifest.locked():
            for segment in segments:
                self._writer.enter(segment.path)
            blank = Entry(
                kind=KIND,
                node=self._paths.node,
                spools=numbers,
                state=state,
                written_ms=clock.unix_nanoseconds() // 1_000_000,
            )
            entries = [replace(blank, **asdict(segment)) for segment in segments]
            name = segment_name(self._paths.node, numbers[0])
            for kind, rows in aside:
                entries += [
                    replace(entry, spools=numbers, state=state)
                    for entry in self._tables.write(kind, rows, name)
                ]
            entries = entries or [blank]
            entries[0] = replace(entries[0], gaps=gaps)
            self._manifest.append(entries)
        self.consumed = max(numbers)
        for old in self._paths.state.glob("state-*.json"):
            if old.name != state:
                old.unlink()

    def _by_hour(self, batch: FlowBatch, number: int) -> Iterator[tuple[str, FlowBatch]]:
        """(path, flows) of each hour of receipt in `batch`."""
        if not len(batch):
            return
        for hour, flows in split(batch, batch.column("received_ms") // _HOUR_MS):
            begin = datetime.fromtimestamp(hour * 3600, UTC)
            name = segment_name(self._paths.node, number)
            yield f"{KIND}/date={begin:%Y-%m-%d}/hour={begin:%H}/{name}.parquet", flows

    def _datagrams(self, files: Sequence[Path]) -> Iterator[Datagram]:
        """Datagrams of flows, one file after the other; the rest goes where it belongs."""
        for path in files:
            octets = memoryview(path.read_bytes())
            torn = len(octets) - whole_octets(octets)
            if torn:
                log.warning("spool_end_torn", spool=path.name, octets=torn)
            yield from self._of_spool(octets)
            self._taken.append(path)
            objects = self._decoder.pack() + self._desk.lines + len(self._truncated)
            if objects > _MOST_OBJECTS:
                return

    def _of_spool(self, octets: memoryview) -> Iterator[Datagram]:
        for kind, listener, received_ns, port, address, body in decode_records(octets):
            name = _FLOWS.get(listener)
            if kind != RecordKind.LOSS and name is not None:
                exporter = self._senders.exporter(address, proven=listener == Listener.IPFIX_PROVEN)
                if exporter is None:
                    self._counters.add("collector_unknown_exporter")
                elif kind == RecordKind.ENDED:
                    self._decoder.end_session(exporter, port)
                elif kind == RecordKind.DATAGRAM:
                    yield Datagram(received_ns, exporter, body, port, name)
                else:
                    self._keep_truncated(received_ns, exporter, port, name, body)
            elif listener == Listener.SYSLOG and kind != RecordKind.LOSS:
                self._desk.add(received_ns, address, bytes(body))
            elif kind == RecordKind.LOSS:
                loss = decode_loss(body)
                self._losses.append(
                    FlowGap(
                        source="syslog socket" if listener == Listener.SYSLOG else "socket",
                        from_ms=loss.from_ns // 1_000_000,
                        to_ms=loss.to_ns // 1_000_000,
                        lost=loss.datagrams,
                        reason=GapReason.SOCKET,
                    )
                )
            else:
                self._counters.add("collector_undecoded", kind=str(kind))

    def _keep_truncated(
        self, received_ns: int, exporter: str, port: int, listener: str, body: memoryview
    ) -> None:
        """Keep a datagram that was longer than any may be; a gap when there is no room."""
        at_ms = received_ns // 1_000_000
        one = Unread(
            received_ms=at_ms,
            exporter=exporter,
            port=port,
            listener=listener,
            reasons=(Flaw.TRUNCATED,),
            octets=bytes(body),
        )
        if not self._is_quiet(exporter) and self._hour.take(one):
            self._truncated.append(one)
            return
        self._unkept.add(_unread_gap(exporter, at_ms))

    def _count(self, decoded: Decoded) -> None:
        self._counters.add("collector_flows", len(decoded.batch))
        for name, value in asdict(decoded.counts).items():
            self._counters.add(f"collector_decoded_{name}", value)
        for exporter in sorted(decoded.sflow - self._sflow):
            log.warning(
                "sflow_not_decoded",
                exporter=exporter,
                detail="samples of packets are no record of flows; have it send NetFlow or IPFIX",
            )
        self._sflow |= decoded.sflow

    def _save(self, number: int) -> str:
        """Write the decoder state to a new file; its name."""
        name = f"state-{number:012d}.json"
        path = self._paths.state / name
        with path.open("wb") as stream:
            tree = dump_state(self._decoder) | {"syslog": self._desk.watch.dump()}
            stream.write(json.dumps(tree).encode())
            stream.flush()
            os.fsync(stream.fileno())
        sync_directory(self._paths.state)
        return name

    def _load(self, name: str) -> None:
        try:
            tree = json.loads((self._paths.state / name).read_bytes())
            self._decoder = load_state(tree)
            self._desk.watch.load(tree.get("syslog"))
        except (OSError, ValueError, MalformedPacket) as error:
            # Templates come again by themselves; what waited for one is lost, and said so.
            log.error("decoder_state_lost", state=name, error=str(error))

    def _remove_unlisted(self) -> None:
        """Delete segments of a commit that did not happen; their spool files still exist.

        No line names a spool above `consumed`, so none names a segment made of one. Others
        that no line names are for `archive verify` to find.
        """
        archive = self._paths.archive
        waiting = {spool_number(path) for path in closed_files(self._paths.spool)}
        own = re.compile(rf"{re.escape(self._paths.node)}-(\d+)\.(?:parquet|aside)\Z")
        for path in (found for kind in KINDS for found in _files(archive / kind)):
            match = own.match(path.name)
            if match and int(match[1]) > self.consumed:
                if int(match[1]) in waiting:
                    log.warning("unfinished_segment_removed", path=path.name)
                    Path(path).unlink()
                elif path.name.endswith(".parquet"):
                    log.error("unlisted_segment_found", path=path.path)


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What lies in the hours of the days in `folder`; as bare as it comes, for there is much."""
    for day in _listed(folder):
        for hour in _listed(day):
            yield from _listed(hour)


def _listed(folder: str | os.PathLike[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def segment_name(node: str, number: int) -> str:
    """What segments made of spool `number` are called."""
    return f"{node}-{number:012d}"


def _unread_gap(exporter: str, at_ms: int) -> FlowGap:
    """A datagram that is not kept although it was not decoded whole."""
    return FlowGap(
        source=f"{exporter} unread",
        from_ms=at_ms,
        to_ms=at_ms,
        lost=0,
        reason=GapReason.UNDECODABLE,
    )


def _note(gap: FlowGap) -> GapNote:
    return GapNote(**{**asdict(gap), "reason": str(gap.reason)})
