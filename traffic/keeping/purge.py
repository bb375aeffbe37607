"""Takes segments away: first the line that says so, then the files.

A crash between the two leaves files that the next purge deletes: the line is the decision.
Who may go is traffic.keeping.policy's to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from common.errors import BackendUnavailable, Refused
from traffic.archive.durable import sync_directory
from traffic.archive.entries import Entry
from traffic.archive.lines import REMOVED, Lines
from traffic.archive.manifest import Manifest
from traffic.archive.seals import read_seals
from traffic.archive.unread import mentions_file
from traffic.keeping.policy import PURGE, HoldTerms, Plan, plan_purge
from traffic.keeping.timeline import DAY_MS, Timeline

PATHS_A_LINE = 500
"""A purge line stays below what is read at once from the end of the manifest."""

AHEAD_MS = DAY_MS
"""Seals are an hour apart: a clock further ahead of the last one has jumped, or was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What one purge line took away."""

    seq: int
    hash: str
    written_ms: int
    segments: int
    records: int
    octets: int
    from_ms: int
    to_ms: int
    kinds: str
    """Such as `access 24, flow 1440`."""
    digest: str
    """SHA-256 over the hashes of the segments, each with a line feed, in the line's order."""


class Purger:
    """The purges of one archive directory. Call `plan` before `carry_out`."""

    def __init__(self, archive: Path, node: str) -> None:
        self._archive = archive
        self._node = node
        self._manifest = Manifest(archive)

    def timeline(self, now_ms: int) -> tuple[Lines, Timeline]:
        """(every line, the time they have lived through)."""
        lines = self._manifest.committed()
        return lines, Timeline(lines, read_seals(self._archive), now_ms)

    def plan(
        self,
        now_ms: int,
        retention_days: int,
        holds: Sequence[HoldTerms],
        *,
        synchronised: bool,
    ) -> Plan:
        """What would go now.

        Raises:
            Refused: the clock cannot be believed, or retention is outside what the law allows.
            ArchiveError: the manifest is damaged.
        """
        lines, timeline = self.timeline(now_ms)
        check_clock(timeline, synchronised=synchronised)
        return plan_purge(lines.present(), timeline, retention_days, holds)

    def carry_out(
        self,
        plan: Plan,
        clock: Callable[[], int],
        without_held: Callable[[Sequence[Entry]], Plan] | None = None,
    ) -> Plan:
        """Enter what goes in the manifest, then delete it; what was done of the plan.

        Call with nobody else purging.

        Args:
            clock: the present in milliseconds; each line says when it was written.
            without_held: asked before each line, because a purge of years takes long and an
                order may come meanwhile.
        """
        done, held, holds = list[Entry](), list(plan.held), plan.holds
        for some in _pieces(plan.due):
            piece = without_held(some) if without_held else Plan(due=tuple(some), holds=holds)
            done += piece.due
            held += piece.held
            holds = piece.holds
            if not piece.due:
                continue
            paths = tuple(entry.path for entry in piece.due)
            with self._manifest.locked():
                self._manifest.recover()
                line = Entry(kind=PURGE, node=self._node, removed=paths, written_ms=clock())
                self._manifest.append([line])
                # Under the lock: whoever takes a snapshot meets each file listed or gone.
                self._delete(paths)
        return replace(plan, due=tuple(done), held=tuple(held), holds=holds)

    def finish(self) -> int:
        """Delete what a purge line names and a crash left behind; how many files."""
        purges = self._manifest.committed().having(REMOVED)
        return self._delete(path for line in purges if line.kind == PURGE for path in line.removed)

    def removals(self, since_ms: int) -> list[Removal]:
        """What the purge lines from `since_ms` on took away, oldest first."""
        lines = self._manifest.committed()
        purges = [
            line
            for line in lines.having(REMOVED)
            if line.kind == PURGE and line.written_ms >= since_ms
        ]
        wanted = {path for line in purges for path in line.removed}
        by_path = {entry.path: entry for entry in lines.of_paths(wanted)} if wanted else {}
        return [
            _describe(line, [by_path[path] for path in line.removed if path in by_path])
            for line in purges
        ]

    def _delete(self, paths: Iterable[str]) -> int:
        deleted = 0
        directories: set[Path] = set()
        for path in paths:
            target = self._archive / path
            # Only what lies below the archive, whatever a line says.
            if ".." in Path(path).parts or Path(path).is_absolute():
                continue
            try:
                mentions_file(self._archive, path).unlink(missing_ok=True)
                target.unlink()
            except FileNotFoundError:
                # It may have left this disk before: its hour's and day's directories go too.
                _remove_empty(target.parent)
                continue
            except OSError as error:
                raise BackendUnavailable("archive", f"{path}: {error.strerror}") from error
            deleted += 1
            directories.add(target.parent)
        for directory in directories:
            sync_directory(directory)
            _remove_empty(directory)
        return deleted


def _remove_empty(hour: Path) -> None:
    """The hour's directory, then the day's, where nothing is left in them."""
    with suppress(OSError):
        hour.rmdir()
        hour.parent.rmdir()


def check_clock(timeline: Timeline, *, synchronised: bool) -> None:
    """Refuse a clock that is far ahead of the archive while nothing keeps it right.

    Raises:
        Refused: saying what to do.
    """
    if timeline.ahead_ms > AHEAD_MS and not synchronised:
        raise Refused(
            f"the clock is {timeline.ahead_ms / DAY_MS:.1f} days ahead of the last seal and nothing"
            " keeps it right; set it and start NTP (chrony), then run 'yuenyan archive seal'"
        )


def _pieces(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), PATHS_A_LINE):
        yield entries[start : start + PATHS_A_LINE]


def _describe(line: Entry, segments: Sequence[Entry]) -> Removal:
    kinds: dict[str, int] = {}
    digest = hashlib.sha256()
    for segment in segments:
        kinds[segment.kind] = kinds.get(segment.kind, 0) + 1
        digest.update(segment.sha256.encode() + b"\n")
    return Removal(
        seq=line.seq,
        hash=line.hash,
        written_ms=line.written_ms,
        segments=len(segments),
        records=sum(segment.records for segment in segments),
        octets=sum(segment.octets for segment in segments),
        from_ms=min((segment.received_min_ms for segment in segments), default=0),
        to_ms=max((segment.received_max_ms for segment in segments), default=0),
        kinds=", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items())),
        digest=digest.hexdigest(),
    )
