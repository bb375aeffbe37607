"""Reading a client's flows by the places of a segment finds what DuckDB finds by its footer."""

from __future__ import annotations

import os
import struct
from binascii import crc32
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import duckdb
import numpy as np
import pytest

from common.errors import ArchiveError
from traffic.archive import direct, places, placing, zstd
from traffic.archive.entries import Entry
from traffic.archive.inside import Inside
from traffic.archive.manifest import Manifest
from traffic.archive.reading import Asked, FlowReader
from traffic.archive.records import FlowRecord, active_between
from traffic.archive.segments import ROW_GROUP, Segment, SegmentWriter
from traffic.decoders.batch import FlowBatch
from traffic.decoders.fields import COLUMNS

INSIDE = Inside(("10.0.0.0/8", "fc00::/7"))
BASE_MS = 1_790_000_000_000
PATH = "flow/date=2026-09-21/hour=13/node-000000000001.parquet"
ROWS = 2 * ROW_GROUP + 777
SIX = "fd00::7"


def batch(rows: int = ROWS, seed: int = 1) -> FlowBatch:
    """Flows of 400 clients, every tenth by IPv6, with all that exporters may send; some late."""
    random = np.random.default_rng(seed)
    six = np.arange(rows) % 10 == 0
    received = BASE_MS + random.integers(0, 30_000, rows)
    late = np.where(random.integers(0, 20, rows) == 0, 3_600_000, 0)
    end = received - late - random.integers(0, 4000, rows)
    client = int(ip_address("10.0.0.0")) + random.integers(0, 400, rows)
    high, low = divmod(int(ip_address(SIX)), 1 << 64)
    columns = {
        "received_ms": received,
        "exported_ms": received // 1000 * 1000 - late,
        "start_ms": end - random.integers(0, 1 << 33, rows) % 9000,
        "end_ms": end,
        "exporter": random.integers(0, 2, rows),
        "src4": np.where(six, 0, client),
        "dst4": np.where(six, 0, random.integers(1 << 24, 1 << 31, rows)),
        "src6_high": np.where(six, high, 0),
        "src6_low": np.where(six, low + random.integers(0, 3, rows), 0),
        "dst6_high": np.where(six, 0x20010DB8 << 32, 0),
        "dst6_low": np.where(six, random.integers(0, 1 << 62, rows), 0),
        "src_port": random.integers(1024, 65_536, rows),
        "dst_port": np.where(random.integers(0, 5, rows) > 0, 443, random.integers(0, 9999, rows)),
        "protocol": np.where(random.integers(0, 3, rows) > 0, 6, 17),
        "octets": random.integers(40, 1 << 40, rows),
        "packets": random.integers(1, 200, rows),
        "nat_src4": np.where(six, 0, int(ip_address("203.0.113.0")) + client % 64),
        "nat_src_port": random.integers(1024, 65_536, rows),
        "tcp_flags": np.full(rows, 0x1B),
    }
    typed = {name: values.astype(COLUMNS[name]) for name, values in columns.items()}
    return FlowBatch(rows, typed, ("192.0.2.1", "2001:db8::9"))


def write(archive: Path, flows: FlowBatch) -> Segment:
    segment = SegmentWriter(archive, INSIDE).write(flows, PATH)
    entry = Entry(
        kind="flow",
        node="node",
        path=PATH,
        sha256=segment.sha256,
        records=segment.records,
        active_min_ms=segment.active_min_ms,
        active_max_ms=segment.active_max_ms,
        inside=segment.inside,
        lateral=segment.lateral,
    )
    Manifest(archive).append([entry])
    return segment


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("archive")
    write(made, batch())
    return made


def by_places(
    archive: Path, address: str, from_ms: int, to_ms: int, limit: int = 10**6, offset: int = 0
) -> tuple[list[FlowRecord], bool]:
    library = zstd.library()
    assert library is not None
    asked = ip_address(address)
    high, low = divmod(int(asked), 1 << 64)
    client = (int(asked), 0, 0) if asked.version == 4 else (0, high, low)
    found, more = direct.find_flows(
        str(archive), [PATH], client, from_ms, to_ms, limit, offset, library
    )
    return [FlowRecord(f"flow:{path}#{number}", row) for path, number, row in found], more


def by_footer(
    archive: Path, address: str, from_ms: int, to_ms: int, limit: int = 10**6, offset: int = 0
) -> tuple[list[FlowRecord], bool]:
    asked = Asked(ip_network(address), from_ms, to_ms)
    return FlowReader(archive, INSIDE).find_flows([asked], limit, offset)


EVER = (0, 1 << 50)


@pytest.mark.parametrize(
    "address",
    ["10.0.0.0", "10.0.0.1", "10.0.0.199", "10.0.1.143", SIX, "fd00::9", "10.9.9.9", "fd00::"],
)
def test_the_same_flows_are_found_as_by_the_footer(archive: Path, address: str) -> None:
    found = by_places(archive, address, *EVER)
    assert found == by_footer(archive, address, *EVER)
    assert bool(found[0]) == (address not in ("10.9.9.9", "fd00::"))


def test_every_client_between_the_first_and_the_last_has_all_its_flows(archive: Path) -> None:
    found = sum(len(by_places(archive, f"10.0.{n >> 8}.{n & 255}", *EVER)[0]) for n in range(400))
    found += sum(len(by_places(archive, f"fd00::{n}", *EVER)[0]) for n in (7, 8, 9))
    assert found == ROWS


@pytest.mark.parametrize(
    ("from_ms", "to_ms"),
    [
        pytest.param(BASE_MS + 10_000, BASE_MS + 10_500, id="half-a-second"),
        pytest.param(BASE_MS - 3_700_000, BASE_MS - 3_500_000, id="by-the-exporters-wrong-clock"),
        pytest.param(BASE_MS, BASE_MS, id="a-moment"),
        pytest.param(0, 1, id="nothing"),
    ],
)
def test_times_decide_as_they_do_by_the_footer(archive: Path, from_ms: int, to_ms: int) -> None:
    for address in ("10.0.0.77", SIX):
        found = by_places(archive, address, from_ms, to_ms)
        assert found == by_footer(archive, address, from_ms, to_ms)


def test_flows_of_the_same_moment_stand_in_the_order_of_their_records(archive: Path) -> None:
    library = zstd.library()
    assert library is not None
    paths = ["a.parquet", "b.parquet"]
    for path in paths:
        (archive / path).write_bytes((archive / PATH).read_bytes())
    client = (int(ip_address("10.0.0.77")), 0, 0)
    asked = (client, *EVER, 10**6, 0, library)
    found, _ = direct.find_flows(str(archive), paths, *asked)
    assert len(found) > 20
    assert found == sorted(found, key=lambda one: (one[2][1], one[0], one[1]))
    assert direct.find_flows(str(archive), paths[::-1], *asked)[0] == found


def test_rows_that_are_all_active_by_their_outermost_times_are_active_each() -> None:
    random = np.random.default_rng(5)
    judged = 0
    for _ in range(400):
        spread = int(random.choice([10, 9_000, 60_000]))
        exported, received, starts, ends = random.integers(0, spread, (4, 5)).tolist()
        from_ms, to_ms = -int(random.integers(0, spread)), int(random.integers(0, 3 * spread))
        spans = map(active_between, received, exported, starts, ends)
        if direct._are_active(exported, received, starts, ends, from_ms, to_ms):
            judged += 1
            assert all(begin <= to_ms and end >= from_ms for begin, end in spans)
    assert judged > 20


def test_an_answer_is_cut_and_gone_on_with_at_the_same_flow(archive: Path) -> None:
    whole, _ = by_places(archive, "10.0.0.77", *EVER)
    for limit, offset in ((10, 0), (10, 30), (len(whole), 0), (5, len(whole) - 5), (5, 9999)):
        found = by_places(archive, "10.0.0.77", *EVER, limit, offset)
        assert found == by_footer(archive, "10.0.0.77", *EVER, limit, offset)
        assert found[1] == (offset + limit < len(whole))


def test_times_before_1970_are_told_as_such(tmp_path: Path) -> None:
    flows = batch(3000)
    for name in ("exported_ms", "start_ms", "end_ms"):
        flows.columns[name][::3] -= 2 * BASE_MS
    write(tmp_path, flows)
    found = by_places(tmp_path, "10.0.0.3", -(1 << 50), 1 << 50)
    assert found == by_footer(tmp_path, "10.0.0.3", -(1 << 50), 1 << 50)
    assert min(flow.start_ms for flow in found[0]) < 0


def test_what_cannot_be_placed_is_stored_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "_ENCODINGS", {})
    write(tmp_path, batch(3000))
    assert places.MAGIC not in (tmp_path / PATH).read_bytes()
    assert by_footer(tmp_path, "10.0.0.3", *EVER)[0]


def test_a_segment_whose_blocks_of_deltas_are_not_noted_is_walked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they were written at first."""
    encode = places.Chunk.encode

    def as_before(chunk: places.Chunk) -> bytes:
        if chunk.encoding == places.DELTA:
            chunk.runs = 0
        return encode(chunk)

    monkeypatch.setattr(places.Chunk, "encode", as_before)
    write(tmp_path, batch())
    for address in ("10.0.0.0", "10.0.0.199", "10.0.1.143", SIX):
        assert by_places(tmp_path, address, *EVER) == by_footer(tmp_path, address, *EVER)


def in_one_piece(
    rows: int,
    names: Sequence[str],
    starts: Sequence[int],
    chunks: Sequence[Sequence[places.Chunk]],
    noted: Sequence[tuple[str, int, bytes]],
    runs: Sequence[Sequence[tuple[int, int]]],
) -> bytes:
    """The table of archive-format.md that segments had first."""
    listed = "\n".join(names).encode()
    octets = struct.pack("<QIHHI", rows, len(starts), len(names), len(noted), len(listed))
    octets += listed + struct.pack(f"<{len(starts)}Q", *starts)
    before = 0
    for group, own in zip(chunks, runs, strict=True):
        for chunk in group:
            if chunk.encoding in (places.DICTIONARY, places.DELTA):
                chunk.runs += before
            octets += chunk.encode()
        before += len(own)
    for name, width, values in noted:
        octets += struct.pack("<HH4x", names.index(name), width) + values
    octets += b"".join(struct.pack("<II", *run) for own in runs for run in own)
    return octets + struct.pack("<II8s", len(octets), crc32(octets), b"YYplace1")


def test_a_segment_whose_places_are_in_one_piece_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they were written at first."""
    monkeypatch.setattr(places, "encode", in_one_piece)
    write(tmp_path, batch())
    assert b"YYplace1" in (tmp_path / PATH).read_bytes()
    for address in ("10.0.0.0", "10.0.0.199", "10.0.1.143", SIX, "10.9.9.9"):
        assert by_places(tmp_path, address, *EVER) == by_footer(tmp_path, address, *EVER)


def test_of_the_places_only_what_tells_of_the_clients_groups_is_read(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = zstd.library()
    assert library is not None
    segment = direct.Segment(str(archive / PATH), library)
    part, read = segment.part, list[int]()

    def noting(group: int) -> places.Part:
        read.append(group)
        return part(group)

    monkeypatch.setattr(segment, "part", noting)
    try:
        assert len(list(segment.flows((int(ip_address("10.0.0.3")), 0, 0), *EVER))) > 100
    finally:
        segment.close()
    assert len(segment.places.starts) == 3
    assert read == [0]


def test_a_damaged_part_of_the_places_is_not_used(tmp_path: Path) -> None:
    write(tmp_path, batch(3000))
    octets = (tmp_path / PATH).read_bytes()
    library = zstd.library()
    assert library is not None
    segment = direct.Segment(str(tmp_path / PATH), library)
    before, length = segment.places.before(0)
    begin = segment._table_at - before
    segment.close()
    for position in range(begin, begin + length, 37):
        altered = bytearray(octets)
        altered[position] ^= 1
        (tmp_path / PATH).write_bytes(altered)
        with pytest.raises(direct.NotPlaced):
            by_places(tmp_path, "10.0.0.3", *EVER)


def test_what_could_not_be_made_shorter_is_read_where_it_stands(archive: Path) -> None:
    library = zstd.library()
    assert library is not None
    segment = direct.Segment(str(archive / PATH), library)
    stored = in_two = 0
    spans = ((0, 9), (40_000, 50_000), (131_071, 131_072), (131_072, 131_099), (131_000, 131_099))
    try:
        for offset, _, packed, unpacked, *_ in segment.part(0).columns():
            piece = os.pread(segment._handle, packed, offset)
            whole = bytes(library.whole(piece, unpacked))
            for begin, end in spans:
                parts = zstd.stored_at(piece[: zstd.HEAD_OCTETS], packed, unpacked, begin, end)
                if parts:
                    told = b"".join(piece[at : at + length] for at, length in parts)
                    assert told == whole[begin:end]
                    stored += 1
                    in_two += len(parts) == 2
            assert not zstd.stored_at(piece[:5], packed, unpacked, 0, unpacked + 1)
            assert not zstd.stored_at(piece[:5], packed - 1, unpacked, 0, 9)
            assert not zstd.stored_at(b"\0" + piece[1:5], packed, unpacked, 0, 9)
    finally:
        segment.close()
    assert stored >= 10
    assert in_two >= 2


@pytest.mark.parametrize("rows", [1, 2, 255, 256, 257, 2048, 2049, ROW_GROUP, ROW_GROUP + 1])
def test_a_segment_of_any_length_is_read(tmp_path: Path, rows: int) -> None:
    write(tmp_path, batch(rows, seed=rows))
    for address in ("10.0.0.0", "10.0.0.3", "10.0.1.20", SIX):
        assert by_places(tmp_path, address, *EVER) == by_footer(tmp_path, address, *EVER)


def test_the_places_are_under_the_hash_and_other_readers_do_not_see_them(tmp_path: Path) -> None:
    segment = write(tmp_path, batch(3000))
    octets = (tmp_path / PATH).read_bytes()
    assert places.MAGIC in octets
    assert len(octets) == segment.octets
    count = "SELECT count(*), count(DISTINCT client4), sum(packets) FROM read_parquet(?)"
    found = duckdb.connect().execute(count, [str(tmp_path / PATH)]).fetchone()
    assert found is not None
    assert found[0] == 3000


def without_places(octets: bytes) -> bytes:
    end = len(octets) - places.behind(octets[-places.FOOTER_END :])
    mark = octets[end - places.MARK_OCTETS : end]
    return octets[: end - places.MARK_OCTETS - places.length_before(mark)] + octets[end:]


def test_a_segment_without_places_is_left_to_who_reads_footers(tmp_path: Path) -> None:
    write(tmp_path, batch(3000))
    whole = by_footer(tmp_path, "10.0.0.3", *EVER)
    (tmp_path / PATH).write_bytes(without_places((tmp_path / PATH).read_bytes()))
    with pytest.raises(direct.NotPlaced):
        by_places(tmp_path, "10.0.0.3", *EVER)
    assert by_footer(tmp_path, "10.0.0.3", *EVER) == whole


def test_damage_is_an_error_of_the_archive_or_left_to_its_verification(tmp_path: Path) -> None:
    write(tmp_path, batch(3000))
    whole = by_places(tmp_path, "10.0.0.3", *EVER)
    octets = (tmp_path / PATH).read_bytes()
    data = len(octets) - places.behind(octets[-places.FOOTER_END :])
    wrong = 0
    for position in range(4, data, 499):
        altered = bytearray(octets)
        altered[position] ^= 0xFF
        (tmp_path / PATH).write_bytes(altered)
        try:
            wrong += by_places(tmp_path, "10.0.0.3", *EVER) != whole
        except (ArchiveError, direct.NotPlaced):
            wrong += 1
    assert wrong, "nothing that was altered was noticed"


@pytest.mark.parametrize("length", [0, 7, 8, 30, 1000])
def test_what_is_cut_off_is_an_error(tmp_path: Path, length: int) -> None:
    write(tmp_path, batch(3000))
    octets = (tmp_path / PATH).read_bytes()
    (tmp_path / PATH).write_bytes(octets[:length])
    with pytest.raises((direct.NotPlaced, ArchiveError)):
        by_places(tmp_path, "10.0.0.3", *EVER)


def forged(octets: bytes, change: Callable[[bytearray, int], None]) -> bytes:
    """A segment whose places `change` has altered, told where they begin."""
    end = len(octets) - places.behind(octets[-places.FOOTER_END :]) - places.MARK_OCTETS
    altered = bytearray(octets)
    change(altered, end - places.length_before(octets[end : end + places.MARK_OCTETS]))
    return bytes(altered)


@pytest.mark.parametrize("rows", [0, 1, 3000 + places.STEP, 1 << 40, (1 << 64) - 1])
def test_places_that_tell_of_other_rows_never_hide_flows(tmp_path: Path, rows: int) -> None:
    write(tmp_path, batch(3000))

    def change(altered: bytearray, at: int) -> None:
        altered[at : at + 8] = rows.to_bytes(8, "little")

    (tmp_path / PATH).write_bytes(forged((tmp_path / PATH).read_bytes(), change))
    with pytest.raises((ArchiveError, direct.NotPlaced)):
        by_places(tmp_path, "10.0.1.20", *EVER)


def test_a_group_of_more_rows_than_any_has_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, batch(3000))
    monkeypatch.setattr(direct, "_LARGEST_GROUP", 2999)
    with pytest.raises(direct.NotPlaced):
        by_places(tmp_path, "10.0.0.3", *EVER)


def test_a_pipe_in_place_of_a_segment_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / PATH).parent.mkdir(parents=True)
    os.mkfifo(tmp_path / PATH)
    with pytest.raises((ArchiveError, direct.NotPlaced, OSError)):
        by_places(tmp_path, "10.0.0.3", *EVER)
