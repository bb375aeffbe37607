"""How many spool files become one segment."""

from __future__ import annotations

from pathlib import Path

from traffic.collectors.decoding import choose_files
from traffic.collectors.spool import SPOOL_OCTETS

A_BATCH_OF_DATAGRAMS = 1 << 20
"""A file is closed behind the batch that filled it."""


def spool(folder: Path, *sizes: int) -> list[Path]:
    """Files that take no room on the disk."""
    files = []
    for number, size in enumerate(sizes):
        path = folder / f"{number:012d}.spool"
        with path.open("wb") as stream:
            stream.truncate(size)
        files.append(path)
    return files


def test_two_full_files_are_decoded_together_and_a_third_waits(tmp_path: Path) -> None:
    files = spool(tmp_path, *[SPOOL_OCTETS + A_BATCH_OF_DATAGRAMS] * 3)
    assert choose_files(files) == files[:2]


def test_many_small_files_are_decoded_together(tmp_path: Path) -> None:
    files = spool(tmp_path, *[SPOOL_OCTETS // 8] * 9)
    assert choose_files(files) == files


def test_a_file_that_is_too_long_is_decoded_alone(tmp_path: Path) -> None:
    files = spool(tmp_path, 3 * SPOOL_OCTETS, 10)
    assert choose_files(files) == files[:1]
