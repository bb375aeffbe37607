"""Finds flows in the archive without ever reading it whole.

The manifest prunes by time, the sort order by client. Every answer is limited and says
when it was cut. Does not know sessions or people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import ArchiveError
from traffic.archive import duck
from traffic.archive.about import EventsOf, FlowsOf
from traffic.archive.entries import Entry
from traffic.archive.index import ManifestIndex
from traffic.archive.inside import Inside
from traffic.archive.records import CLOCK_AGREES_MS as CLOCK_AGREES_MS
from traffic.archive.records import SIDES, STORED, address_text
from traffic.archive.records import FlowRecord as FlowRecord

if TYPE_CHECKING:
    import duckdb

Network = IPv4Network | IPv6Network

_EVIDENCE_SHOWN = 5
"""Record ids cited for one translation; its whole number of flows is told beside them."""

UNTOLD = 0
"""The protocol of a record that tells none, and the port of one that tells no port."""

WITH_PORTS = (UNTOLD, 6, 17, 33, 132, 136)
"""IANA numbers of protocols with ports (TCP, UDP, DCCP, SCTP, UDP-Lite); none uses port 0."""

_COLUMNS = tuple(f"epoch_ms({name})" if name.endswith("_at") else name for name in STORED)


@dataclass(frozen=True, slots=True)
class Asked:
    """Flows of one client address or prefix between two moments, in milliseconds."""

    network: Network
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """Flows (or NAT events) that show an inside address behind a public one."""

    inside_address: str
    inside_port: int
    protocol: int
    nat_event: int
    from_ms: int
    to_ms: int
    flows: int
    records: tuple[str, ...]
    lasted: bool = False
    """One record tells its beginning and its end."""
    apart: tuple[int, ...] = ()
    """Of an event: outside port, then whither (address in three parts, port); zeros: untold."""


class FlowReader:
    """Reads the flow segments of one archive directory.

    Args:
        waiting_since: when the oldest datagram was received that was not in the archive before
            this was made.
    """

    def __init__(
        self, archive: Path, inside: Inside, waiting_since: datetime | None = None
    ) -> None:
        self.waiting_since = waiting_since
        self._archive = archive
        self.inside = inside
        self.index = ManifestIndex(archive)
        self._connection: duckdb.DuckDBPyConnection | None = None

    def find_flows(
        self, asked: Sequence[Asked], limit: int, offset: int = 0
    ) -> tuple[list[FlowRecord], bool]:
        """(flows by time, whether there are more) of any of `asked`."""
        queries: list[str] = []
        chosen = [self._choose(one) for one in asked]
        # All at once: a person's month is many spans, and may be more than the disk has room for.
        wanted = (entry for both in chosen for some in both for entry in some)
        self.index.bring(list({entry.seq: entry for entry in wanted}.values()))
        for one, (direct, scanned) in zip(asked, chosen, strict=True):
            where = f"{_during(one.from_ms, one.to_ms)} AND "
            if direct:
                queries.append(self._select(direct, where + _on_side("client", one.network)))
            if scanned:
                any_side = " OR ".join(_on_side(side, one.network) for side in SIDES)
                queries.append(self._select(scanned, f"{where}({any_side})"))
        if not queries:
            return [], False
        union = " UNION ".join(queries)
        rows = self._run(f"{union} ORDER BY 4, 1, 2 LIMIT {limit + 1} OFFSET {offset}")
        return [self._record(row) for row in rows[:limit]], len(rows) > limit

    def find_translations(
        self,
        public: IPv4Address | IPv6Address,
        port: int | None,
        protocols: Sequence[int],
        from_ms: int,
        to_ms: int,
        limit: int,
        *,
        events: bool = False,
        destination: IPv4Address | IPv6Address | None = None,
        destination_port: int | None = None,
    ) -> tuple[list[Translation], bool]:
        """(inside addresses seen behind `public`, whether there are more).

        With `events`, records that tell of a translation made or ended, one by one, each with
        its real ports; without, flows, all those of one inside address and port together. With
        `destination`, only what went there or does not say where it went: NAT events may leave
        it out (RFC 6888). So it is with port and protocol, which gateways that translate whole
        addresses do not tell.
        """
        about = EventsOf(public, port) if events else None
        entries = self.index.segments("flow", from_ms, to_ms, events=events, about=about)
        if not entries:
            return [], False
        network = ip_network(public)
        outbound, inbound = _on_side("nat_src", network), _on_side("dst", network)
        inbound += " AND (nat_dst4 <> 0 OR nat_dst6_high <> 0 OR nat_dst6_low <> 0)"
        if port is not None:
            outbound += f" AND {_has_port('nat_src_port', port)}"
            inbound += f" AND {_has_port('dst_port', port)}"
        if destination is not None:
            goal = ip_network(destination)
            silent = "(dst4 = 0 AND dst6_high = 0 AND dst6_low = 0)"
            outbound += f" AND ({_on_side('dst', goal)} OR {silent})"
            unsaid = "(src4 = 0 AND src6_high = 0 AND src6_low = 0)"
            inbound += f" AND ({_on_side('src', goal)} OR {unsaid})"
            if destination_port is not None:
                outbound += f" AND (dst_port IN (0, {int(destination_port)}) OR {silent})"
                inbound += f" AND (src_port IN (0, {int(destination_port)}) OR {unsaid})"
        during = f"{_during(from_ms, to_ms)} AND nat_event {'<>' if events else '='} 0"
        if protocols:
            numbers = (UNTOLD, *protocols)
            during += f" AND protocol IN ({', '.join(str(int(number)) for number in numbers)})"
        files = self._files(entries)
        begins, ends = _spans()
        grouped = " UNION ALL ".join(
            f"SELECT {side}4 AS four, {side}6_high AS high, {side}6_low AS low, "  # noqa: S608
            f"{side + '_port' if events or port is not None else '0'} AS port, "
            f"{_apart(outside, there) if events else '[]::HUGEINT[]'} AS apart, "
            "protocol, nat_event, "
            f"{begins} AS begins, {ends} AS ends, start_at <> end_at AS lasted, "
            f"filename, file_row_number FROM {files} WHERE {during} AND {condition}"
            for side, outside, there, condition in (
                ("src", "nat_src_port", "dst", outbound),
                ("nat_dst", "dst_port", "src", inbound),
            )
        )
        rows = self._run(
            "SELECT four, high, low, port, protocol, nat_event, "  # noqa: S608
            "min(begins) AS first, max(ends) AS last, count(*), "
            f"list({{'f': filename, 'n': file_row_number}})[1:{_EVIDENCE_SHOWN}], "
            f"bool_or(lasted), apart FROM ({grouped}) "
            f"GROUP BY 1, 2, 3, 4, 5, 6, apart{', begins' if events else ''} "
            f"ORDER BY first, 1, 2, 3, 4, 5 LIMIT {limit + 1}"
        )
        return [self._translation(row) for row in rows[:limit]], len(rows) > limit

    def of_records(self, records: Iterable[str]) -> list[FlowRecord]:
        """The flows and NAT events of these ids, in no order.

        Raises:
            ArchiveError: a segment is missing or damaged.
        """
        found: list[FlowRecord] = []
        for path, numbers in sorted(rows_by_segment(records, "flow").items()):
            listed = ", ".join(map(str, numbers))
            source = (
                f"read_parquet([{_quoted(str(self._archive / path))}], filename = true, "
                "file_row_number = true)"
            )
            query = f"SELECT filename, file_row_number, {', '.join(_COLUMNS)} FROM {source} "  # noqa: S608
            rows = self._run(f"{query} WHERE file_row_number IN ({listed})")
            found += [self._record(row) for row in rows]
        return found

    def with_gaps(self, from_ms: int, to_ms: int) -> list[Entry]:
        """Lines of the manifest with a gap that may touch a span."""
        return self.index.with_gaps(from_ms, to_ms)

    def _choose(self, asked: Asked) -> tuple[list[Entry], list[Entry]]:
        """(segments where the sort key finds every flow of the client, the others)."""
        network = asked.network
        if not self.inside.covers(network):
            return [], self.index.find("flow", asked.from_ms, asked.to_ms)
        about = FlowsOf(network, self.inside.digest)
        entries = self.index.find("flow", asked.from_ms, asked.to_ms, about=about)
        direct = [
            entry for entry in entries if entry.lateral == 0 and entry.inside == self.inside.digest
        ]
        chosen = {entry.seq for entry in direct}
        return direct, [entry for entry in entries if entry.seq not in chosen]

    def _files(self, entries: Sequence[Entry]) -> str:
        listed = ", ".join(_quoted(str(self._archive / entry.path)) for entry in entries)
        return f"read_parquet([{listed}], filename = true, file_row_number = true)"

    def _select(self, entries: Sequence[Entry], where: str) -> str:
        columns = ", ".join(_COLUMNS)
        return (
            f"SELECT filename, file_row_number, {columns} "  # noqa: S608
            f"FROM {self._files(entries)} WHERE {where}"
        )

    def _run(self, query: str) -> list[tuple[Any, ...]]:
        if self._connection is None:
            self._connection = duck.connect()
        try:
            return self._connection.execute(query).fetchall()
        except duck.library().Error as error:
            detail = str(error).splitlines()[0]
            raise ArchiveError("archive", f"cannot be read: {detail}") from error

    def _id(self, filename: str, row: int) -> str:
        return f"flow:{Path(filename).relative_to(self._archive)}#{row}"

    def _record(self, row: tuple[Any, ...]) -> FlowRecord:
        filename, number, *values = row
        return FlowRecord(self._id(filename, number), values)

    def _translation(self, row: tuple[Any, ...]) -> Translation:
        four, high, low, port, protocol, event, begins, ends, flows, cited, *rest = row
        lasted, apart = rest
        return Translation(
            inside_address=address_text(four, high, low) or "0.0.0.0",  # noqa: S104
            inside_port=port,
            protocol=protocol,
            nat_event=event,
            from_ms=begins,
            to_ms=ends,
            flows=flows,
            records=tuple(self._id(one["f"], one["n"]) for one in cited),
            lasted=lasted,
            apart=tuple(apart),
        )


def rows_by_segment(records: Iterable[str], kind: str) -> dict[str, list[int]]:
    """Segment -> row numbers of those `records` that are of `kind`."""
    found: dict[str, list[int]] = {}
    for record in records:
        name, _, place = record.partition(":")
        path, _, number = place.rpartition("#")
        if name == kind and path:
            found.setdefault(path, []).append(int(number))
    return found


def _apart(outside: str, there: str) -> str:
    """SQL: what tells the translations of one inside address and port apart."""
    parts = (outside, f"{there}4", f"{there}6_high", f"{there}6_low", f"{there}_port")
    return f"[{', '.join(f'{part}::HUGEINT' for part in parts)}]"


def _spans() -> tuple[str, str]:
    """SQL: when the flow began and ended at the latest and earliest, in milliseconds.

    An exporter with a wrong clock still tells durations rightly, so the distance between the
    time in its header and ours corrects it. Small distances are the header's whole seconds
    and the way here: both readings count then, because a wider net never misleads.
    """
    shift = "(epoch_ms(received_at) - epoch_ms(exported_at))"
    small = f"abs({shift}) <= {CLOCK_AGREES_MS}"
    begins = "epoch_ms(least(start_at, end_at))"
    ends = "epoch_ms(greatest(start_at, end_at))"
    return (
        f"({begins} + CASE WHEN {small} THEN least({shift}, 0) ELSE {shift} END)",
        f"({ends} + CASE WHEN {small} THEN greatest({shift}, 0) ELSE {shift} END)",
    )


def _during(from_ms: int, to_ms: int) -> str:
    """SQL: the flow was active between the two moments."""
    begins, ends = _spans()
    return f"({begins} <= {int(to_ms)} AND {ends} >= {int(from_ms)})"


def _on_side(side: str, network: Network) -> str:
    """SQL: the address `side` of the flow lies in `network`."""
    first, last = int(network[0]), int(network[-1])
    if isinstance(network, IPv4Network):
        return _within(f"{side}4", first, last)
    low_mask = 2**64 - 1
    high = _within(f"{side}6_high", first >> 64, last >> 64)
    if first >> 64 != last >> 64:
        return f"({high})"
    return f"({high} AND {_within(f'{side}6_low', first & low_mask, last & low_mask)})"


def _has_port(column: str, port: int) -> str:
    """SQL: the flow had `port`, or does not tell its port though its protocol has them."""
    listed = ", ".join(map(str, WITH_PORTS))
    return f"({column} = {int(port)} OR ({column} = 0 AND protocol IN ({listed})))"


def _within(column: str, first: int, last: int) -> str:
    if first == last:
        return f"{column} = {first}"
    return f"{column} BETWEEN {first} AND {last}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
