"""A manifest of years is gone over in little memory, by everything that reads the whole of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.traffic.archive.test_verification import make_keys
from traffic.archive.entries import Entry, encode_entry, entry_hash
from traffic.archive.manifest import NAME
from traffic.archive.seals import make_seal

LINES = 300_000 if os.environ.get("YUENYAN_TEST_ALL") else 60_000
"""Seven months of minutes, or six weeks where that would take half a minute."""

LONGEST_MS = 1_800_000_000_000
ALLOWED_OCTETS = (24 << 20) + 240 * LINES
"""Beyond what the imports take. A list of the entries takes two thousand a line."""

_PROGRAM = """
import resource, sys
from pathlib import Path
import numpy
from traffic.archive.index import ManifestIndex, agrees
from traffic.archive.seals import make_seal
from traffic.archive.status import archive_status
from traffic.archive.manifest import Manifest
from traffic.collectors.tail import last_own
from traffic.keeping.policy import plan_purge
from traffic.keeping.purge import Purger

archive, keys, now = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
lines = int(sys.argv[4])

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def told(act):
    print(act, peak() - before)

before = peak()
assert last_own(Manifest(archive).committed(), 'node').seq == lines - 1
told("collector")
assert last_own(Manifest(archive).committed(), 'other') is None
told("another")
assert archive_status(archive, 'UTC')['entries'] == lines
told("status")
assert make_seal(archive, keys, now).seq == lines
told("seal")
purger = Purger(archive, 'node')
archived, timeline = purger.timeline(now)
assert purger.finish() == 0
assert not plan_purge(archived.present(), timeline, 120, ()).due
assert purger.removals(0)[0].segments == 500
told("purge")
assert not ManifestIndex(archive).segments('flow', 5, 9)
assert agrees(archive)
told("index")
"""
ACTS = ("collector", "another", "status", "seal", "purge", "index")
"""In this order: the peak of one is the least of the next."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Lines of half a year's minutes and one purge; only the last ones are chained truly."""
    folder = tmp_path_factory.mktemp("long")
    (folder / "archive").mkdir()
    make_keys(folder / "keys")
    path = folder / "archive" / NAME
    pattern = encode_entry(entry(0)).replace(b'"seq":0,', b'"seq":%d,')
    pattern = pattern.replace(b"node-000000000000", b"node-%012d").replace(b"[0]", b"[%d]")
    with path.open("wb") as stream:
        for number in range(1, LINES - 1):
            stream.write(pattern % (number, number, number))
        stream.write(encode_entry(whole(entry(LINES - 1))))
        gone = tuple(entry(number).path for number in range(1, 501))
        stream.write(
            encode_entry(
                whole(Entry(seq=LINES, kind="purge", node="node", removed=gone, written_ms=1))
            )
        )
    yield folder
    path.unlink()


def entry(number: int) -> Entry:
    return Entry(
        seq=number,
        kind="flow",
        node="node",
        path=f"flow/date=2026-11-22/hour=03/node-{number:012d}.parquet",
        sha256="a" * 64,
        records=100_000,
        octets=1_700_000,
        spools=(number,),
        state="state-000000000001.json",
        received_min_ms=LONGEST_MS,
        received_max_ms=LONGEST_MS,
        written_ms=LONGEST_MS,
        prev="b" * 64,
        hash="c" * 64,
    )


def whole(made: Entry) -> Entry:
    values = {name: getattr(made, name) for name in Entry.__slots__}
    return Entry(**{**values, "hash": entry_hash(made)})


@pytest.mark.timeout(900)
def test_a_long_manifest_is_never_held_at_once(site: Path) -> None:
    arguments = [str(site / "archive"), str(site / "keys"), str(LONGEST_MS), str(LINES)]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    peaks = {act: int(octets) for act, octets in map(str.split, done.stdout.splitlines())}
    assert tuple(peaks) == ACTS
    assert {act: octets for act, octets in peaks.items() if octets > ALLOWED_OCTETS} == {}


def test_what_a_seal_leaves_of_a_long_list_is_small(site: Path) -> None:
    archive = site / "archive"
    assert make_seal(archive, site / "keys", LONGEST_MS).seq == LINES
    assert (archive / "manifest.checkpoint").stat().st_size < 1 << 16
