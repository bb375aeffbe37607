"""The lines of a manifest are gone over one by one, forward, backward and by what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import ArchiveError
from traffic.archive import lines as module
from traffic.archive.entries import Entry, encode_entry, present
from traffic.archive.lines import ORIGIN, REMOVED, Lines, PathSet
from traffic.archive.manifest import Manifest


def segment(number: int) -> Entry:
    return Entry(
        kind="flow" if number % 2 else "access",
        node="node",
        path=f"flow/{number}.parquet",
        origin="" if number % 2 else f"auth_event:{number}-{number}",
        written_ms=number,
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Twenty lines, of which the last takes away the first and the third segment."""
    made = Manifest(tmp_path)
    for number in range(1, 20):
        made.append([segment(number)])
    made.append([Entry(kind="purge", node="node", removed=("flow/1.parquet", "flow/3.parquet"))])
    return made


@pytest.mark.parametrize("block", [1, 7, 300, 1_000, 1 << 20])
def test_forward_and_backward_are_the_whole_list_whatever_is_read_at_once(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK_OCTETS", block)
    lines = manifest.committed()
    assert list(lines) == manifest.entries()
    assert list(lines.backward()) == manifest.entries()[::-1]
    assert lines.count() == 20


def test_what_is_added_later_is_not_in_it(manifest: Manifest) -> None:
    lines = manifest.committed()
    manifest.append([segment(21)])
    assert [entry.seq for entry in lines] == list(range(1, 21))
    assert next(lines.backward()).seq == 20


def test_a_group_that_is_not_whole_does_not_count(manifest: Manifest) -> None:
    whole = manifest.committed()
    last = manifest.append([segment(21), segment(22)])[0]
    octets = manifest.path.read_bytes()
    manifest.path.write_bytes(octets[: whole.octets + len(encode_entry(last))] + b"{torn")
    assert list(manifest.committed()) == list(whole)
    finished, torn = manifest.finished()
    assert (finished.count(), torn) == (21, 5)


def test_no_line_is_decoded_that_has_not_the_field(manifest: Manifest) -> None:
    octets = manifest.path.read_bytes()
    manifest.path.write_bytes(octets.replace(b'{"active', b"{#active", 1))
    lines = Lines(manifest.path, len(octets))
    assert [entry.seq for entry in lines.having(REMOVED)] == [20]
    assert [entry.seq for entry in lines.having(ORIGIN)] == list(range(2, 20, 2))
    assert [entry.seq for entry in lines.of_paths({"flow/7.parquet", "x"})] == [7]
    with pytest.raises(ArchiveError, match="line 1 is damaged"):
        list(lines)
    with pytest.raises(ArchiveError, match="line 20 from the end is damaged"):
        list(lines.backward())


def test_what_a_purge_took_is_left_out(manifest: Manifest) -> None:
    lines = manifest.committed()
    assert list(lines.present()) == present(manifest.entries())
    assert [entry.seq for entry in lines.present("flow")] == [5, 7, 9, 11, 13, 15, 17, 19]


def test_a_list_that_is_cut_while_it_is_read_is_no_end(manifest: Manifest) -> None:
    lines = manifest.committed()
    manifest.path.write_bytes(manifest.path.read_bytes()[:-10])
    for going in (lines, lines.backward()):
        with pytest.raises(ArchiveError, match="was cut while it was read"):
            list(going)


def test_an_archive_without_a_list_has_no_lines(tmp_path: Path) -> None:
    lines = Manifest(tmp_path).committed()
    assert list(lines) == list(lines.backward()) == list(lines.present()) == []


def test_a_set_of_paths_knows_its_own_alone() -> None:
    paths = [f"flow/{number}" for number in range(1_000)]
    held = PathSet(paths)
    assert all(path in held for path in paths)
    assert not any(f"{path}x" in held for path in paths)
