"""Once a day: does verification still catch every tampering? Tried on a copy, never on the archive.

The sample holds real segments under a manifest, seals, key and witness of its own, so that
the true key signs nothing false. Its result is `archive/selftest.json`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from common.errors import ArchiveError, NetAccessError
from common.scratch import scratch_folder
from traffic.archive.entries import Entry
from traffic.archive.kinds import ADMIN
from traffic.archive.manifest import Manifest
from traffic.archive.seals import NAME as SEALS
from traffic.archive.seals import make_seal
from traffic.archive.tables import TableArchive
from traffic.archive.tampering import MARK, WAYS, Sample, make_keys, tamper
from traffic.archive.verification import verify_archive
from traffic.archive.witness_copies import read_copy

RESULT = "selftest.json"
_SEGMENTS = 3
_LARGEST = 4 << 20
"""Octets of a segment taken into the sample: it is copied once for each way."""

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """What one run came to."""

    at_ms: int
    ways: int
    missed: tuple[str, ...]
    """Tamperings that verification did not notice; anything here is an alarm."""
    error: str = ""
    """Why the untouched sample was not whole, or could not be made."""

    @property
    def good(self) -> bool:
        return not self.missed and not self.error and self.ways > 0


def run_self_test(
    archive: Path,
    now_ms: int,
    scratch: Path | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> SelfTest:
    """Tamper with a copy in every known way; which ways `verify` missed.

    Args:
        scratch: an existing folder to work in; None takes the system's.
        stopping: asked before each way; when it says so, the result counts for nothing.
    """
    with scratch_folder("selftest", scratch) as folder:
        try:
            sample = make_sample(archive, folder / "sample", now_ms)
            complaint = complaint_about(sample, witness=True)
        except (NetAccessError, OSError) as error:
            complaint = str(error)
        if complaint:
            return SelfTest(at_ms=now_ms, ways=0, missed=(), error=complaint)
        missed = []
        for way in WAYS:
            if stopping():
                break
            if not _is_caught(sample, way, folder / way):
                missed.append(way)
    return SelfTest(at_ms=now_ms, ways=len(WAYS), missed=tuple(missed))


def make_sample(archive: Path, folder: Path, now_ms: int) -> Sample:
    """A small archive in `folder`, of the newest segments of `archive` and made-up ones.

    Raises:
        ArchiveError: the archive's manifest is damaged, or a segment cannot be read.
    """
    sample = Sample(folder, now_ms)
    sample.archive.mkdir(parents=True)
    (folder / MARK).touch()
    make_keys(sample.keys)
    manifest = Manifest(sample.archive)
    for number, entry in enumerate(_segments(archive, sample), 1):
        at_ms = now_ms - (_SEGMENTS - number) * _HOUR_MS
        with manifest.locked():
            manifest.append([replace(entry, written_ms=at_ms)])
        make_seal(sample.archive, sample.keys, at_ms)
    shutil.copy(sample.archive / SEALS, sample.witness)
    return sample


def complaint_about(sample: Sample, *, witness: bool) -> str:
    """What `verify` says is wrong with a sample; nothing when it finds it whole."""
    copies = [read_copy(sample.witness)] if witness else []
    try:
        verify_archive(sample.archive, sample.keys, now_ms=sample.now_ms, witnesses=copies)
    except ArchiveError as error:
        return str(error)
    return ""


def save_result(archive: Path, result: SelfTest) -> None:
    """Remember the result for `archive status`, `doctor` and the dashboard."""
    archive.mkdir(parents=True, exist_ok=True)
    aside = archive / f"{RESULT}.{os.getpid()}"
    aside.write_text(json.dumps(asdict(result)) + "\n", encoding="utf-8")
    aside.rename(archive / RESULT)


def last_result(archive: Path) -> SelfTest | None:
    """The newest result, or None."""
    try:
        tree = json.loads((archive / RESULT).read_bytes())
        return SelfTest(**{**tree, "missed": tuple(tree["missed"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_caught(sample: Sample, way: str, folder: Path) -> bool:
    copy = sample.copy(folder)
    try:
        tamper(copy, way)
        return bool(complaint_about(copy, witness=WAYS[way].witness))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _segments(archive: Path, sample: Sample) -> Iterator[Entry]:
    """Three entries whose segments lie in the sample; real ones as far as there are."""
    taken = 0
    removed: set[str] = set()
    for entry in Manifest(archive).committed().backward():
        # A purge's line comes after those of its segments: backward it is met first.
        removed.update(entry.removed)
        if taken == _SEGMENTS:
            return
        if entry.path and entry.path not in removed and entry.octets <= _LARGEST:
            target = sample.archive / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copy(archive / entry.path, target)
            except OSError as error:
                raise ArchiveError(entry.path, f"cannot be read: {error.strerror}") from error
            taken += 1
            yield replace(entry, gaps=(), spools=(), state="")
    aside = sample.folder / "made-up"
    for number in range(taken, _SEGMENTS):
        rows = [{"received_at": sample.now_ms, "actor": f"self-test {number}"}]
        (entry,) = TableArchive(aside, f"self-test-{number}").append(ADMIN, rows)
        target = sample.archive / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        (aside / entry.path).rename(target)
        yield entry
