"""Writes one Parquet segment: sorted by client and time, compressed, synced, then renamed.

A reader never meets a half-written file. The manifest entry is the caller's, and the lock of the
archive, which is needed for the last step alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import ArchiveError
from traffic.archive.durable import digest_and_sync, sync_directory
from traffic.archive.inside import Inside
from traffic.archive.mentioning import mention, of_flows
from traffic.archive.orientation import Clients, find_clients
from traffic.archive.placing import place
from traffic.archive.schema import CLIENT_COLUMNS, STORED, TIMES, default_value, sql_type
from traffic.decoders.batch import FlowBatch
from traffic.decoders.fields import Array

if TYPE_CHECKING:
    import duckdb

ROW_GROUP = 40_960
"""Rows a group. A page is unpacked whole for the few rows of a client in it, so groups are small;
each group costs who scans all of them. Measured in docs/decisions/0031-flows-at-once.md."""

DICTIONARY_LIMIT = 3_000
"""Distinct values a row group. Real traffic repeats its servers and gains by a dictionary;
random values are smaller delta-packed."""

_PARQUET = (
    f"FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V2, ROW_GROUP_SIZE {ROW_GROUP}, "
    f"DICTIONARY_SIZE_LIMIT {DICTIONARY_LIMIT}, WRITE_BLOOM_FILTER false"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A written segment, before it is entered in the manifest."""

    path: str
    """Relative to the archive directory."""
    sha256: str
    records: int
    octets: int
    received_min_ms: int
    received_max_ms: int
    active_min_ms: int
    """Earliest moment any flow in it may have been active, by our clock or the exporter's."""
    active_max_ms: int
    lateral: int
    inside: str
    nat_events: int
    mentions: str


class SegmentWriter:
    """Writes flow segments below one archive directory."""

    def __init__(self, archive: Path, inside: Inside) -> None:
        self.archive = archive
        self.inside = inside
        self._connection: duckdb.DuckDBPyConnection | None = None

    def write(self, batch: FlowBatch, path: str) -> Segment:
        """Store `batch` as the segment `path`: `prepare`, then `enter`."""
        segment = self.prepare(batch, path)
        self.enter(path)
        return segment

    def prepare(self, batch: FlowBatch, path: str) -> Segment:
        """Write `batch` beside where the segment `path` will be, on the disk when this returns.

        Uses the batch up: it loses its columns one by one, so that none need be in memory twice.

        Raises:
            ArchiveError: the disk or DuckDB refused.
        """
        aside = self._aside(path)
        clients = find_clients(batch, self.inside)
        received = batch.column("received_ms")
        active_min, active_max = _active(batch)
        segment = Segment(
            path=path,
            sha256="",
            records=len(batch),
            octets=0,
            received_min_ms=int(received.min()),
            received_max_ms=int(received.max()),
            active_min_ms=active_min,
            active_max_ms=active_max,
            lateral=clients.lateral,
            inside=self.inside.digest,
            nat_events=int(np.count_nonzero(batch.column("nat_event"))),
            mentions="",
        )
        del received
        told = of_flows(batch, clients, self.inside)
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            self._copy(batch, clients, aside)
            mentions = mention(aside, told)
            self._place(aside)
            digest, octets = digest_and_sync(aside)
        except OSError as error:
            raise ArchiveError(path, f"cannot be written: {error.strerror or error}") from error
        return replace(segment, sha256=digest, octets=octets, mentions=mentions)

    def enter(self, path: str) -> None:
        """Put what was prepared as the segment `path` in its place, for the manifest to name.

        Raises:
            ArchiveError: the disk refused.
        """
        final = self.archive / path
        try:
            self._aside(path).rename(final)
            for directory in (final.parent, *final.parent.parents[:3]):
                sync_directory(directory)
        except OSError as error:
            raise ArchiveError(path, f"cannot be written: {error.strerror or error}") from error

    def _aside(self, path: str) -> Path:
        return (self.archive / path).with_suffix(".aside")

    def _copy(self, batch: FlowBatch, clients: Clients, aside: Path) -> None:
        import duckdb

        if self._connection is None:
            self._connection = duckdb.connect(":memory:")
            self._connection.execute("SET autoinstall_known_extensions = false")
            # Two are no faster, and keep as much as all columns take until its turn comes.
            self._connection.execute("SET threads = 1")
        order = _order(batch, clients)
        columns = {name: getattr(clients, name) for name in CLIENT_COLUMNS} | batch.columns
        batch.columns.clear()
        constants = {name: default_value(name) for name in STORED if name not in columns}
        # The table needs one column at least, to have rows.
        varying = [name for name, values in columns.items() if not _constant(values)]
        varying = varying or ["received_ms"]
        constants |= {name: values[0] for name, values in columns.items() if name not in varying}
        table = {name: columns.pop(name).take(order) for name in varying}
        del columns, order
        for stamp in TIMES:
            if stamp in table:
                table[stamp] = table[stamp].view("datetime64[ms]")
        target = str(aside).replace("'", "''")
        try:
            self._connection.register("flows", table)
            self._connection.execute(
                f"COPY (SELECT {_select(constants, batch.exporters)} FROM flows) "  # noqa: S608
                f"TO '{target}' ({_PARQUET})"
            )
        except duckdb.Error as error:
            raise ArchiveError(str(aside), f"cannot be written: {error}") from error
        finally:
            self._connection.unregister("flows")

    def _place(self, aside: Path) -> None:
        import duckdb

        assert self._connection is not None
        with suppress(duckdb.Error):  # only speed is lost
            place(self._connection, aside)


def _select(constants: dict[str, Any], exporters: tuple[str, ...]) -> str:
    """The column list of the COPY; columns that never vary are literals, which cost nothing."""
    terms = []
    for milliseconds, name in TIMES.items():
        value = constants.get(milliseconds)
        source = milliseconds if value is None else f"make_timestamp_ms({int(value)})"
        terms.append(f"({source})::TIMESTAMP_MS AS {name}")
    listed = ", ".join(f"'{ip_address(exporter)}'" for exporter in exporters)
    position = constants.get("exporter", "exporter")
    terms.append(f"list_extract([{listed}], {position}::BIGINT + 1) AS exporter")
    for name in STORED:
        value = constants.get(name)
        terms.append(name if value is None else f"{int(value)}::{sql_type(name)} AS {name}")
    return ", ".join(terms)


def _constant(values: Array) -> bool:
    return bool(values[0] == values[-1]) and bool((values == values[0]).all())


def _order(batch: FlowBatch, clients: Clients) -> Array:
    """Row positions in the order client, time of receipt."""
    received = batch.column("received_ms")
    if clients.client6_high.any() or clients.client6_low.any():
        keys = (received, clients.client6_low, clients.client6_high, clients.client4)
        return np.lexsort(keys)
    # Numbers are sorted in half the time that their positions are: each takes its own along.
    by_time = None
    if (received[1:] < received[:-1]).any():
        by_time = np.argsort(received, kind="stable")
    client4 = clients.client4 if by_time is None else clients.client4.take(by_time)
    rows = np.uint64(len(batch).bit_length())
    packed = client4.astype(np.uint64)
    packed <<= rows
    packed |= np.arange(len(batch), dtype=np.uint64)
    packed.sort()
    packed &= (np.uint64(1) << rows) - np.uint64(1)
    order: Array = packed.view(np.int64)
    return order if by_time is None else by_time.take(order)


def _active(batch: FlowBatch) -> tuple[int, int]:
    """Earliest and latest moment of activity, by the exporter's clock and corrected by ours."""
    received, start = batch.column("received_ms"), batch.column("start_ms")
    end, shift = batch.column("end_ms"), received - batch.column("exported_ms")
    earliest = min(int(received.min()), int(start.min()), int((start + shift).min()))
    latest = max(int(received.max()), int(end.max()), int((end + shift).max()))
    return earliest, latest
