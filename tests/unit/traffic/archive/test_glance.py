"""A glance at a manifest finds the lines that its index finds, or says that it cannot."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from traffic.archive import glance, index_form
from traffic.archive import index as indexing
from traffic.archive.entries import ClockNote, Entry, GapNote
from traffic.archive.glance import Glance, NotAtAGlance
from traffic.archive.index import ManifestIndex, agrees
from traffic.archive.index_form import COUNT, MAGIC, NAME, ROW, SPAN, STEP
from traffic.archive.manifest import Manifest

MINUTE = 60_000
LINES = 3 * STEP + 77
REST = 5
DAY = "flow/date=2026-11-{:02}/hour={:02}/node-{}.parquet"


def entry(number: int, random: np.random.Generator) -> Entry:
    """A line such as a site has: mostly segments of flows, some late, with all that goes along."""
    kind = ("flow", "nat", "flow", "clock", "flow")[number % 5]
    begins = number * MINUTE - int(random.integers(0, 3)) * 40 * MINUTE
    gap = GapNote(source="a", from_ms=begins, to_ms=begins + MINUTE, lost=1, reason="sequence")
    note = ClockNote(at_ms=number * MINUTE, state="synchronised", offset_us=None, error_us=7)
    path = DAY.format(1 + number // 300, number // 60 % 24, number).replace("flow", kind, 1)
    return Entry(
        kind=kind,
        node="node",
        path=path if number % 31 else "",
        active_min_ms=begins,
        active_max_ms=begins + 2 * MINUTE,
        gaps=(gap,) if number % 17 == 3 else (),
        clock=(note,) if kind == "clock" else (),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long manifest with purges, its index, and some lines after it."""
    archive = tmp_path_factory.mktemp("archive")
    random = np.random.default_rng(7)
    manifest = Manifest(archive)
    entries = [entry(number, random) for number in range(LINES)]
    for place, first in ((300, 20), (700, 400), (720, 40)):
        removed = tuple(one.path for one in entries[first : first + 50] if one.path)
        entries[place] = Entry(kind="purge", node="node", removed=removed)
    with manifest.locked():
        manifest.append(entries)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(indexing, "UNINDEXED_OCTETS", 1_000)
            ManifestIndex(archive)
            assert agrees(archive)
        manifest.append([entry(LINES + number, random) for number in range(REST - 1)])
        manifest.append([Entry(kind="purge", node="node", removed=(entries[500].path,))])
    return archive


@pytest.fixture
def archive(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (indexing, glance):
        monkeypatch.setattr(module, "UNINDEXED_OCTETS", 10_000)
    for name in ("manifest.jsonl", NAME):
        (tmp_path / name).write_bytes((written / name).read_bytes())
    return tmp_path


def found(archive: Path, kind: str, from_ms: int, to_ms: int) -> tuple[list[object], list[object]]:
    """(paths, notes of gaps) as a glance finds them."""
    lines = Glance(str(archive))
    try:
        segments = lines.segments(kind, from_ms, to_ms)
        notes = lines.gaps(from_ms, to_ms)
    finally:
        lines.close()
    touching: list[object] = [
        one for one in notes if one["from_ms"] <= to_ms and one["to_ms"] >= from_ms
    ]
    return [(one["path"], one.get("clock", [])) for one in segments], touching


def expected(
    archive: Path, kind: str, from_ms: int, to_ms: int
) -> tuple[list[object], list[object]]:
    index = ManifestIndex(archive)
    notes = [asdict(gap) for one in index.with_gaps(from_ms, to_ms) for gap in one.gaps]
    return (
        [
            (one.path, [asdict(note) for note in one.clock])
            for one in index.segments(kind, from_ms, to_ms)
        ],
        [one for one in notes if one["from_ms"] <= to_ms and one["to_ms"] >= from_ms],
    )


@pytest.mark.parametrize("kind", ["flow", "clock"])
def test_whatever_is_asked_it_finds_what_the_index_finds(archive: Path, kind: str) -> None:
    some = False
    for first in range(-100, LINES + 100, 23):
        for span in (0, 30, 500):
            asked = first * MINUTE, (first + span) * MINUTE
            answer = found(archive, kind, *asked)
            assert answer == expected(archive, kind, *asked)
            some = some or bool(answer[0] and answer[1])
    assert some


def test_a_short_manifest_needs_no_index(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (archive / NAME).unlink()
    for module in (indexing, glance):
        monkeypatch.setattr(module, "UNINDEXED_OCTETS", 1 << 20)
    asked = 300 * MINUTE, 600 * MINUTE
    assert found(archive, "flow", *asked) == expected(archive, "flow", *asked)


def test_it_reads_of_a_year_what_is_near_the_day_that_is_asked_for(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def counted(handle: int, octets: int, offset: int) -> bytes:
        read.append(octets)
        return os.pread(handle, octets, offset)

    monkeypatch.setattr(glance, "_exactly", counted)
    found(archive, "flow", (LINES - 40) * MINUTE, (LINES - 38) * MINUTE)
    assert sum(read) < ROW.size * LINES


@pytest.mark.parametrize(
    "damage",
    ["gone", "old", "cut", "longer", "empty", "count", "end", "line", "offset", "octets", "fields"],
)
def test_what_does_not_fit_is_left_to_the_index(archive: Path, damage: str) -> None:
    path, manifest = archive / NAME, archive / "manifest.jsonl"
    octets = path.read_bytes()
    begin = octets.index(b"\n", len(MAGIC)) + 1
    rows = begin + COUNT.size
    match damage:
        case "gone":
            path.unlink()
        case "old":
            path.write_bytes(octets.replace(MAGIC, b"yuenyan-index-1\n", 1))
        case "cut":
            path.write_bytes(octets[: -SPAN.size])
        case "longer":
            path.write_bytes(octets + bytes(SPAN.size))
        case "empty":
            path.write_bytes(octets[:begin] + bytes(8))
        case "count":
            path.write_bytes(octets[:begin] + b"\xff" * 8 + octets[rows:])
        case "end":
            path.write_bytes(octets.replace(b'"part"', b'"trap"', 1))
        case "line":
            text = manifest.read_bytes()
            at = text.index(b'"lost":1')
            manifest.write_bytes(text[:at] + b'"lots":1' + text[at + 8 :].replace(b"\n", b" ", 1))
        case "offset":
            edit = (-5).to_bytes(8, "little", signed=True)
            path.write_bytes(b"".join(_each_row(octets, rows, lambda row: edit + row[8:])))
        case "octets":
            edit = (1 << 30).to_bytes(4, "little")
            path.write_bytes(
                b"".join(_each_row(octets, rows, lambda row: row[:8] + edit + row[12:]))
            )
        case "fields":
            text = manifest.read_bytes()
            manifest.write_bytes(text.replace(b'"lateral"', b'"literal"'))
    with pytest.raises((NotAtAGlance, FileNotFoundError)):
        found(archive, "flow", -LINES * MINUTE, LINES * MINUTE)


def _each_row(octets: bytes, rows: int, change: object) -> list[bytes]:
    assert callable(change)
    count = COUNT.unpack_from(octets, rows - COUNT.size)[0]
    end = rows + (count - 1) * ROW.size  # the last one is compared with the manifest
    changed = [change(octets[at : at + ROW.size]) for at in range(rows, end, ROW.size)]
    return [octets[:rows], *changed, octets[end:]]


def test_a_group_that_is_not_whole_is_left_to_who_knows_groups(archive: Path) -> None:
    manifest = Manifest(archive)
    with manifest.locked():
        manifest.append([Entry(kind="flow", node="node"), Entry(kind="flow", node="node")])
    octets = manifest.path.read_bytes()
    manifest.path.write_bytes(octets[: octets[:-1].rfind(b"\n") + 1])
    with pytest.raises(NotAtAGlance):
        Glance(str(archive))


def test_too_much_that_no_index_covers_is_left_to_who_extends_it(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glance, "UNINDEXED_OCTETS", 100)
    with pytest.raises(NotAtAGlance):
        Glance(str(archive))


def test_a_pipe_in_place_of_the_manifest_is_no_empty_one(archive: Path) -> None:
    (archive / "manifest.jsonl").unlink()
    os.mkfifo(archive / "manifest.jsonl")
    with pytest.raises(NotAtAGlance):
        Glance(str(archive))


def test_spans_that_hide_a_segment_are_noticed_by_verification(archive: Path) -> None:
    path = archive / NAME
    octets = path.read_bytes()
    hidden = SPAN.pack(*index_form.NOTHING * 3, 0)
    path.write_bytes(octets[: -SPAN.size] + hidden)
    asked = (LINES - 9) * MINUTE, (LINES - 1) * MINUTE
    assert len(found(archive, "flow", *asked)[0]) < len(expected(archive, "flow", *asked)[0])
    assert not agrees(archive)


def test_the_rows_of_both_readers_are_of_one_form() -> None:
    assert np.dtype(indexing._ROW).itemsize == ROW.size


def test_the_fields_of_a_line_are_those_that_entries_write() -> None:
    assert set(asdict(Entry(kind="flow", node="node"))) == glance._LINE | glance._OPTIONAL
