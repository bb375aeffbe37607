"""Writes one Parquet segment: sorted by client and time, compressed, synced, then renamed.

A reader never meets a half-written file. The manifest entry is the caller's.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
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

    def __init__(self, archive: Path, inside: Inside, threads: int | None = None) -> None:
        self.archive = archive
        self.inside = inside
        self._threads = threads
        self._connection: duckdb.DuckDBPyConnection | None = None

    def write(self, batch: FlowBatch, path: str) -> Segment:
        """Store `batch` as the segment `path`.

        Raises:
            ArchiveError: the disk or DuckDB refused.
        """
        final = self.archive / path
        aside = final.with_suffix(".aside")
        clients = find_clients(batch, self.inside)
        order = _order(batch, clients)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            told = of_flows(batch, clients, self.inside)
            self._copy(batch, clients, order, aside)
            mentions = mention(aside, told)
            self._place(aside)
            digest, octets = digest_and_sync(aside)
            aside.rename(final)
            for directory in (final.parent, *final.parent.parents[:3]):
                sync_directory(directory)
        except OSError as error:
            raise ArchiveError(path, f"cannot be written: {error.strerror or error}") from error
        received = batch.column("received_ms")
        active_min, active_max = _active(batch)
        return Segment(
            path=path,
            sha256=digest,
            records=len(batch),
            octets=octets,
            received_min_ms=int(received.min()),
            received_max_ms=int(received.max()),
            active_min_ms=active_min,
            active_max_ms=active_max,
            lateral=clients.lateral,
            inside=self.inside.digest,
            nat_events=int(np.count_nonzero(batch.column("nat_event"))),
            mentions=mentions,
        )

    def _copy(self, batch: FlowBatch, clients: Clients, order: Array, aside: Path) -> None:
        import duckdb

        if self._connection is None:
            self._connection = duckdb.connect(":memory:")
            self._connection.execute("SET autoinstall_known_extensions = false")
            if self._threads:
                self._connection.execute(f"SET threads = {int(self._threads)}")
        columns: dict[str, Array] = {}
        for name in CLIENT_COLUMNS:
            columns[name] = getattr(clients, name).take(order)
        for name, values in batch.columns.items():
            columns[name] = values.take(order)
        constants = {name: default_value(name) for name in STORED if name not in columns}
        varying = [name for name, values in columns.items() if not _constant(values)]
        # The table needs one column at least, to have rows.
        varying = varying or ["received_ms"]
        constants |= {name: values[0] for name, values in columns.items() if name not in varying}
        table = {name: values for name, values in columns.items() if name not in constants}
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
    since = received - received.min()
    if clients.client6_high.any() or clients.client6_low.any() or int(since.max()) >> 32:
        keys = (received, clients.client6_low, clients.client6_high, clients.client4)
        return np.lexsort(keys)
    return np.argsort(clients.client4.astype(np.uint64) << np.uint64(32) | since.astype(np.uint64))


def _active(batch: FlowBatch) -> tuple[int, int]:
    """Earliest and latest moment of activity, by the exporter's clock and corrected by ours."""
    received, start = batch.column("received_ms"), batch.column("start_ms")
    end, shift = batch.column("end_ms"), received - batch.column("exported_ms")
    earliest = min(int(received.min()), int(start.min()), int((start + shift).min()))
    latest = max(int(received.max()), int(end.max()), int((end + shift).max()))
    return earliest, latest
