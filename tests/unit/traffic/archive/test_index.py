"""A long manifest is read by its index, and what is answered comes from the lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Site
from traffic.archive import index as indexing
from traffic.archive.entries import Entry, GapNote, decode_entry
from traffic.archive.index import NAME, ManifestIndex, agrees
from traffic.archive.manifest import Manifest
from traffic.collectors.decoding import Sealer
from traffic.collectors.paths import collector_paths


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """Sixty segments of a minute each; every line is long enough for an index."""
    monkeypatch.setattr(indexing, "UNINDEXED_OCTETS", 1_000)
    made = Manifest(tmp_path)
    with made.locked():
        for minute in range(60):
            made.append([segment(minute)])
    return made


def segment(minute: int, kind: str = "flow", **more: object) -> Entry:
    values: dict[str, object] = {
        "kind": kind,
        "node": "node",
        "path": f"{kind}/{minute}.parquet",
        "active_min_ms": minute * 60_000,
        "active_max_ms": minute * 60_000 + 59_999,
    }
    return Entry(**(values | more))  # type: ignore[arg-type]


def append(manifest: Manifest, *entries: Entry) -> None:
    with manifest.locked():
        manifest.append(entries)


def minutes(manifest: Manifest, first: int, last: int, *, events: bool = False) -> list[str]:
    index = ManifestIndex(manifest.archive)
    found = index.segments("flow", first * 60_000, last * 60_000, events=events)
    return [entry.path for entry in found]


def test_the_first_reading_makes_the_index_and_the_next_uses_it(manifest: Manifest) -> None:
    expected = ["flow/9.parquet", "flow/10.parquet"]
    assert minutes(manifest, 10, 10)[-1:] == minutes(manifest, 10, 10)[-1:] == expected[1:]
    assert (manifest.archive / NAME).exists()
    assert ManifestIndex(manifest.archive)._rest == []
    assert ManifestIndex(manifest.archive).segments("nat", 0, 10**9) == []
    assert agrees(manifest.archive)


def test_lines_that_came_after_the_index_are_found_too(manifest: Manifest) -> None:
    assert len(minutes(manifest, 0, 99)) == 60
    append(manifest, segment(60))
    assert minutes(manifest, 60, 60) == ["flow/60.parquet"]
    for minute in range(61, 80):
        append(manifest, segment(minute))
    assert len(minutes(manifest, 0, 99)) == 80
    assert agrees(manifest.archive)


def test_a_group_that_is_not_whole_is_not_in_it(manifest: Manifest) -> None:
    minutes(manifest, 0, 0)
    append(manifest, segment(60), segment(61))
    octets = manifest.path.read_bytes()
    manifest.path.write_bytes(octets[: octets[:-1].rfind(b"\n") + 1])
    assert minutes(manifest, 60, 61) == []
    with manifest.locked():
        assert manifest.recover() > 0
    append(manifest, segment(62))
    assert minutes(manifest, 60, 62) == ["flow/62.parquet"]


def test_what_a_purge_removed_is_left_out(manifest: Manifest) -> None:
    minutes(manifest, 0, 0)
    append(manifest, segment(0, path="", removed=("flow/30.parquet", "flow/31.parquet")))
    assert minutes(manifest, 30, 31) == []
    assert minutes(manifest, 29, 29) == ["flow/29.parquet"]
    for minute in range(60, 80):
        append(manifest, segment(minute))
    assert minutes(manifest, 0, 0) == ["flow/0.parquet"]
    assert minutes(manifest, 30, 31) == []


def test_lines_of_purges_are_read_once_however_often_is_asked(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(manifest, segment(0, path="", removed=("flow/30.parquet",)))
    for minute in range(60, 80):
        append(manifest, segment(minute))
    minutes(manifest, 0, 0)
    index, read = ManifestIndex(manifest.archive), []

    def counting(line: bytes, number: int) -> Entry:
        read.append(number)
        return decode_entry(line, number)

    monkeypatch.setattr(indexing, "decode_entry", counting)
    assert index.segments("flow", 10**9, 10**9) == [] and read == []
    for _ in range(3):
        found = index.segments("flow", 30 * 60_000, 31 * 60_000 + 1)
        assert [one.path for one in found] == ["flow/31.parquet"]
    assert read.count(61) == 1 and read.count(31) == 3


def test_gaps_and_translations_are_found_by_themselves(manifest: Manifest) -> None:
    note = GapNote(source="a", from_ms=5_000_000, to_ms=5_100_000, lost=3, reason="sequence")
    append(manifest, segment(60, gaps=(note,)), segment(61, nat_events=2))
    for minute in range(62, 80):
        append(manifest, segment(minute))
    for _ in range(2):  # before and after the index covers them
        index = ManifestIndex(manifest.archive)
        assert [one.gaps for one in index.with_gaps(5_100_000, 9_000_000)] == [(note,)]
        assert minutes(manifest, 0, 99, events=True) == ["flow/61.parquet"]
    assert ManifestIndex(manifest.archive).with_gaps(5_100_001, 9_000_000) == []


@pytest.mark.parametrize("damage", ["other manifest", "shorter", "noise", "empty"])
def test_an_index_that_does_not_fit_is_made_anew(manifest: Manifest, damage: str) -> None:
    minutes(manifest, 0, 0)
    path = manifest.archive / NAME
    if damage == "other manifest":
        manifest.path.unlink()
        for minute in range(100, 170):
            append(manifest, segment(minute))
    elif damage == "shorter":
        lines = manifest.path.read_bytes().splitlines(keepends=True)
        manifest.path.write_bytes(b"".join(lines[:20]))
    else:
        path.write_bytes(b"noise" if damage == "noise" else b"")
    expected = [entry.path for entry in manifest.entries()]
    assert minutes(manifest, 0, 999) == expected
    assert agrees(manifest.archive)


def test_an_index_that_hides_a_segment_is_noticed(manifest: Manifest) -> None:
    minutes(manifest, 0, 0)
    path = manifest.archive / NAME
    octets = path.read_bytes()
    at = octets.index((30 * 60_000).to_bytes(8, "little"))
    path.write_bytes(octets[:at] + (10**12).to_bytes(8, "little") + octets[at + 8 :])
    assert minutes(manifest, 30, 30) == []
    assert not agrees(manifest.archive)


def test_who_may_not_write_the_index_reads_without(manifest: Manifest) -> None:
    (manifest.archive / NAME).mkdir()
    assert minutes(manifest, 10, 10) == ["flow/10.parquet"]


def test_the_index_is_made_where_the_archive_is_sealed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "UNINDEXED_OCTETS", 1_000)
    paths = collector_paths(site.config)
    paths.make()
    manifest = Manifest(paths.archive)
    for minute in range(10):
        append(manifest, segment(minute))
    Sealer(site.config, paths).turn(1_795_000_000.0)
    assert (paths.archive / NAME).exists()
    assert agrees(paths.archive)


def test_no_manifest_is_an_empty_one(tmp_path: Path) -> None:
    index = ManifestIndex(tmp_path)
    assert index.segments("flow", 0, 10**15) == index.with_gaps(0, 10**15) == []


def test_a_long_manifest_is_not_read_whole_to_append_to_it(manifest: Manifest) -> None:
    octets = manifest.path.read_bytes()
    manifest.path.write_bytes(b"#" * 1000 + b"\n" + octets * 10)
    with manifest.locked():
        assert manifest.recover() == 0
        last = manifest.last()
    assert last is not None
    assert last.seq == 60
