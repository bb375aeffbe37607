"""Segments of rows: what is written comes back, chained, and a refusal leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.errors import ArchiveError
from traffic.archive.entries import Entry, decode_entry, encode_entry, present, seal_entries
from traffic.archive.kinds import KINDS, LEASE, NAT
from traffic.archive.manifest import Manifest
from traffic.archive.tables import TableArchive

NOON = 1_795_000_000_000


def lease(at: int, address: str, **more: object) -> dict[str, object]:
    return {"received_at": at, "source": "10.0.0.1", "address": address, "event": "assign", **more}


def test_rows_come_back_as_they_were_with_their_record_ids(tmp_path: Path) -> None:
    archive = TableArchive(tmp_path, "node")
    raw = b"<30>dhcpd: \xff\x00"
    archive.append(LEASE, [lease(NOON + 5, "10.0.0.9", raw=raw), lease(NOON, "10.0.0.8")])
    rows = archive.read(LEASE)
    assert [row.values["address"] for row in rows] == ["10.0.0.8", "10.0.0.9"]
    assert rows[1].values["raw"] == raw
    assert rows[0].values["mac"] is None
    assert rows[0].values["received_at"] == NOON
    assert rows[0].record.startswith("lease:lease/date=") and rows[0].record.endswith("#0")


def test_a_segment_for_each_hour_and_all_of_them_or_none(tmp_path: Path) -> None:
    archive = TableArchive(tmp_path, "node")
    entries = archive.append(LEASE, [lease(NOON, "a"), lease(NOON + 3_600_000, "b")], "t:1-2")
    assert [(entry.part, entry.parts, entry.origin) for entry in entries] == [
        (1, 2, "t:1-2"),
        (2, 2, "t:1-2"),
    ]
    assert len({entry.path for entry in entries}) == 2


def test_what_does_not_fit_its_column_is_refused_and_leaves_no_segment(tmp_path: Path) -> None:
    archive = TableArchive(tmp_path, "node")
    bad = {"received_at": NOON + 3_600_000, "source": "x", "outside_port": 70_000}
    with pytest.raises(ArchiveError, match="nat"):
        archive.append(NAT, [{"received_at": NOON, "source": "x"}, bad])
    assert not list(tmp_path.rglob("*.parquet"))
    assert Manifest(tmp_path).entries() == []


def test_an_unknown_column_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="url"):
        TableArchive(tmp_path, "n").append(LEASE, [{"received_at": NOON, "url": "http://x"}])


def test_only_the_asked_span_is_read(tmp_path: Path) -> None:
    archive = TableArchive(tmp_path, "node")
    archive.append(LEASE, [lease(NOON + step * 60_000, f"10.0.0.{step}") for step in range(200)])
    rows = archive.read(
        LEASE, "address <> ?", ["10.0.0.3"], from_ms=NOON + 60_000, to_ms=NOON + 240_000
    )
    assert [row.values["address"] for row in rows] == ["10.0.0.1", "10.0.0.2", "10.0.0.4"]


def test_purged_segments_are_not_present(tmp_path: Path) -> None:
    archive = TableArchive(tmp_path, "node")
    first = archive.append(LEASE, [lease(NOON, "a")])[0]
    second = archive.append(LEASE, [lease(NOON, "b")])[0]
    with Manifest(tmp_path).locked():
        Manifest(tmp_path).append([Entry(kind="purge", node="node", removed=(first.path,))])
    assert archive.entries(LEASE) == [second]
    assert [entry.path for entry in present(Manifest(tmp_path).entries())] == [second.path]


def test_every_kind_has_a_time_of_receipt_and_known_sort_columns() -> None:
    for kind in KINDS.values():
        assert "received_at" in kind.columns
        assert set(kind.sorted_by) <= set(kind.columns)


def test_lines_without_the_newer_fields_keep_their_hash() -> None:
    entry = seal_entries([Entry(kind="flow", node="n", path="flow/x.parquet")], None)[0]
    line = encode_entry(entry)
    assert "origin" not in json.loads(line) and "removed" not in json.loads(line)
    assert decode_entry(line, 1) == entry


def test_an_empty_newer_field_in_a_line_is_damage() -> None:
    entry = seal_entries([Entry(kind="flow", node="n")], None)[0]
    tree = json.loads(encode_entry(entry)) | {"origin": ""}
    with pytest.raises(ArchiveError):
        decode_entry(json.dumps(tree).encode(), 1)
