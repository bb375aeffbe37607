"""How many spool files become one segment, and when."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from traffic.collectors import decoding
from traffic.collectors.archivist import Archivist
from traffic.collectors.decoding import DecodingLoop, batch_octets, choose_files
from traffic.collectors.spool import SPOOL_OCTETS, closed_files

A_BATCH_OF_DATAGRAMS = 1 << 20
"""A file is closed behind the batch that filled it."""

FULL = SPOOL_OCTETS + A_BATCH_OF_DATAGRAMS
NOW = 1_800_000_000.0
SEGMENT_SECONDS = 60


def spool(folder: Path, *sizes: int) -> list[Path]:
    """Files that take no room on the disk."""
    files = []
    for number, size in enumerate(sizes):
        path = folder / f"{number:012d}.spool"
        with path.open("wb") as stream:
            stream.truncate(size)
        files.append(path)
    return files


def test_files_are_decoded_together_up_to_what_was_said_and_the_next_waits(tmp_path: Path) -> None:
    files = spool(tmp_path, *[FULL] * 5)
    assert choose_files(files, 4 * FULL) == files[:4]


def test_many_small_files_are_decoded_together(tmp_path: Path) -> None:
    files = spool(tmp_path, *[SPOOL_OCTETS // 8] * 9)
    assert choose_files(files, 2 * FULL) == files


def test_a_file_that_is_too_long_is_decoded_alone(tmp_path: Path) -> None:
    files = spool(tmp_path, 3 * SPOOL_OCTETS, 10)
    assert choose_files(files, 2 * FULL) == files[:1]


@pytest.mark.parametrize(
    ("gigabytes", "files"), [(1, 2), (2, 2), (4, 3), (8, 6), (16, 13), (512, 16)]
)
def test_a_machine_with_more_memory_makes_larger_segments(gigabytes: int, files: int) -> None:
    assert batch_octets(gigabytes << 30) == files * FULL


class Taken(Archivist):
    """Notes what it is given."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Path]] = []

    def consume(self, files: Sequence[Path]) -> int:
        self.batches.append(files)
        for path in files:
            path.unlink()
        return 0


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def loop(taken: Taken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DecodingLoop:
    monkeypatch.setattr(decoding, "memory_octets", lambda: 4 << 30)
    return DecodingLoop(taken, tmp_path, SEGMENT_SECONDS)


def closed_ago(files: Sequence[Path], seconds: float) -> None:
    for path in files:
        os.utime(path, (NOW - seconds, NOW - seconds))


def test_full_files_wait_for_others_until_no_more_go_together(
    loop: DecodingLoop, taken: Taken, tmp_path: Path
) -> None:
    closed_ago(spool(tmp_path, *[FULL] * 2), 1)
    assert not loop.turn(hurry=False, now=NOW)
    closed_ago(spool(tmp_path, *[FULL] * 5), 1)
    assert loop.turn(hurry=False, now=NOW)
    assert [len(files) for files in taken.batches] == [3]
    assert len(closed_files(tmp_path)) == 2


def test_full_files_wait_no_longer_than_a_quarter_of_a_segment(
    loop: DecodingLoop, taken: Taken, tmp_path: Path
) -> None:
    closed_ago(spool(tmp_path, FULL), SEGMENT_SECONDS / 4)
    assert loop.turn(hurry=False, now=NOW)
    assert len(taken.batches) == 1


def test_a_file_that_was_closed_for_its_age_waits_for_nothing(
    loop: DecodingLoop, taken: Taken, tmp_path: Path
) -> None:
    closed_ago(spool(tmp_path, FULL, 4096), 0)
    assert loop.turn(hurry=False, now=NOW)
    assert [len(files) for files in taken.batches] == [2]


def test_who_is_told_to_stop_waits_for_nothing(
    loop: DecodingLoop, taken: Taken, tmp_path: Path
) -> None:
    closed_ago(spool(tmp_path, FULL), 0)
    assert loop.turn(hurry=True, now=NOW)
    assert len(taken.batches) == 1
