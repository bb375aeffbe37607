"""A segment is sorted by client and time, is written aside first, and uses its flows up."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from common.errors import ArchiveError
from traffic.archive.inside import Inside
from traffic.archive.segments import SegmentWriter
from traffic.decoders.batch import FlowBatch
from traffic.decoders.fields import COLUMNS

INSIDE = Inside(["10.0.0.0/8", "2001:db8::/32"])
PATH = "flow/date=2026-11-28/hour=03/node-000000000001.parquet"
BEGIN_MS = 1_795_834_800_000
ROWS = 5_000


def flows(received: np.ndarray[tuple[int], np.dtype[np.int64]], six: bool) -> FlowBatch:
    """Each with its number as its source port and octets; forty clients."""
    number = np.arange(len(received))
    client = np.random.default_rng(7).integers(0, 40, len(received))
    columns = {
        "received_ms": received,
        "exported_ms": received,
        "start_ms": received - 2000,
        "end_ms": received - 1000,
        "exporter": np.zeros(len(received)),
        "src4": np.where(six & (client % 2 == 0), 0, (10 << 24) + client),
        "dst4": np.full(len(received), 198 << 24),
        "octets": number,
    }
    if six:
        columns["src6_high"] = np.where(client % 2 == 0, 0x20010DB8 << 32, 0)
        columns["src6_low"] = np.where(client % 2 == 0, client, 0)
    typed = {name: values.astype(COLUMNS[name]) for name, values in columns.items()}
    return FlowBatch(len(received), typed, ("192.0.2.1",))


RANDOM = np.random.default_rng(3).integers(0, 900, ROWS)


@pytest.mark.parametrize("six", [False, True], ids=["ipv4", "both-families"])
@pytest.mark.parametrize(
    "offsets",
    [
        pytest.param(np.sort(RANDOM), id="as-they-came"),
        pytest.param(RANDOM, id="in-no-order"),
        pytest.param(np.zeros(ROWS, np.int64), id="all-at-once"),
        pytest.param(RANDOM * 5_000_000, id="over-weeks"),
    ],
)
def test_rows_are_in_the_order_of_client_and_time_and_each_is_there_once(
    tmp_path: Path, offsets: np.ndarray[tuple[int], np.dtype[np.int64]], *, six: bool
) -> None:
    segment = SegmentWriter(tmp_path, INSIDE).write(flows(BEGIN_MS + offsets, six), PATH)
    assert segment.records == ROWS
    query = (
        "SELECT client4, client6_high, client6_low, epoch_ms(received_at), octets, src4"
        f" FROM read_parquet('{tmp_path / PATH}', file_row_number = true) ORDER BY file_row_number"
    )
    rows = duckdb.connect().execute(query).fetchall()
    assert [row[:4] for row in rows] == sorted(row[:4] for row in rows)
    assert sorted(row[4] for row in rows) == list(range(ROWS))
    assert all(row[3] == BEGIN_MS + int(offsets[row[4]]) for row in rows)
    assert all(row[0] == row[5] for row in rows), "a row's columns belong together"


def test_what_is_prepared_is_found_by_nobody_until_it_is_entered(tmp_path: Path) -> None:
    writer, batch = SegmentWriter(tmp_path, INSIDE), flows(BEGIN_MS + RANDOM, six=False)
    segment = writer.prepare(batch, PATH)
    assert not list(tmp_path.rglob("*.parquet"))
    assert not batch.columns, "or they would be in memory twice"
    writer.enter(PATH)
    assert (tmp_path / PATH).stat().st_size == segment.octets
    assert not list(tmp_path.rglob("*.aside"))


def test_a_segment_that_was_never_prepared_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be written"):
        SegmentWriter(tmp_path, INSIDE).enter(PATH)
