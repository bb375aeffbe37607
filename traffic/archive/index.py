"""Finds lines of a long manifest by time without reading it whole: `archive/manifest.index`.

Derived: it says where in the manifest a line is and which times it speaks of, and what is
answered comes from the line itself. It is made anew when it does not fit the manifest, and
`agrees` tells whether every word of it is true. A short manifest needs none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from common.errors import ArchiveError, BackendUnavailable
from traffic.archive.entries import Entry, decode_entry
from traffic.archive.index_form import (
    COUNT,
    MAGIC,
    NO_GAP,
    NOTHING,
    SPANNED,
    STEP,
    length,
)
from traffic.archive.index_form import NAME as NAME
from traffic.archive.index_form import UNINDEXED_OCTETS as UNINDEXED_OCTETS
from traffic.archive.lines import Lines
from traffic.archive.manifest import ELSEWHERE, Manifest, unfinished

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from traffic.archive.about import About

    Table = npt.NDArray[np.void]

_PIECE = 4_096
"""Lines compared, or taken into the table, at once."""

_ROW = [
    ("offset", "<i8"),
    ("octets", "<i4"),
    ("kind", "S16"),
    ("has_path", "?"),
    ("removes", "?"),
    ("has_events", "?"),
    ("active_min", "<i8"),
    ("active_max", "<i8"),
    ("gap_min", "<i8"),
    ("gap_max", "<i8"),
]
"""`traffic.archive.index_form.ROW`, as numpy has it."""


class ManifestIndex:
    """The committed lines of one manifest as they were when this was made."""

    def __init__(self, archive: Path) -> None:
        self._manifest = Manifest(archive)
        self._path = archive / NAME
        self._table: Table | None = None
        self._spans = b""
        """What the index on the disk says of each 256 rows of the table."""
        self._rest: list[Entry] = []
        """Lines after those of the table."""
        self._removed: frozenset[str] | None = None
        self._load()

    def segments(
        self,
        kind: str,
        from_ms: int,
        to_ms: int,
        *,
        events: bool = False,
        about: About | None = None,
    ) -> list[Entry]:
        """What `find` finds, all of it on this disk then, wherever it was.

        Raises:
            ArchiveError: a line is damaged, or a segment in the object store.
            BackendUnavailable: the object store does not answer, or the disk has no room.
        """
        found = self.find(kind, from_ms, to_ms, events=events, about=about)
        self.bring(found)
        return found

    def bring(self, entries: Sequence[Entry]) -> None:
        """Have the segments of `entries` on this disk, wherever they were; see `segments`."""
        if entries and self._may_have_left():
            # Loads what most archives never need.
            from traffic.archive.elsewhere import recall

            recall(self._manifest.archive, entries)

    def find(
        self,
        kind: str,
        from_ms: int,
        to_ms: int,
        *,
        events: bool = False,
        about: About | None = None,
    ) -> list[Entry]:
        """Lines of segments that may hold something of a span, oldest first, purged ones left out.

        With `events`, those alone that have records of translations made or ended. Those that
        have left this disk, and whose line proves that they hold nothing of `about`, are left out.

        Raises:
            ArchiveError: a line is damaged.
            BackendUnavailable: the object store does not answer.
        """
        found: list[Entry] = []
        table = self._table
        if table is not None:
            wanted = table["has_path"] & (table["kind"] == kind.encode())
            wanted &= (table["active_min"] <= to_ms) & (table["active_max"] >= from_ms)
            if events:
                wanted &= table["has_events"]
            found.extend(self._lines(table, wanted))
        chosen = [
            entry
            for entry in (*found, *self._rest)
            if entry.path
            and entry.kind == kind
            and entry.active_min_ms <= to_ms
            and entry.active_max_ms >= from_ms
            and (entry.nat_events or not events)
        ]
        if not chosen:
            return []
        removed = self._purged()
        found = [entry for entry in chosen if entry.path not in removed]
        if found and about is not None and self._may_have_left():
            from traffic.archive.unread import leave_out

            return leave_out(self._manifest.archive, found, about)
        return found

    def _may_have_left(self) -> bool:
        return (self._manifest.archive / ELSEWHERE).exists()

    def _purged(self) -> frozenset[str]:
        """Every path a purge took away, read once: after years there are many such lines."""
        if self._removed is None:
            lines = list(self._rest)
            if self._table is not None:
                lines += self._lines(self._table, self._table["removes"])
            self._removed = frozenset(path for entry in lines for path in entry.removed)
        return self._removed

    def holds(self, kind: str) -> bool:
        """Whether there was ever a segment of `kind`."""
        table = self._table
        indexed = table is not None and bool((table["kind"] == kind.encode()).any())
        return indexed or any(entry.kind == kind for entry in self._rest)

    def with_gaps(self, from_ms: int, to_ms: int) -> list[Entry]:
        """Lines with a gap that may touch a span.

        Raises:
            ArchiveError: a line is damaged.
        """
        found: list[Entry] = []
        if self._table is not None:
            table = self._table
            wanted = (table["gap_min"] <= to_ms) & (table["gap_max"] >= from_ms)
            found.extend(self._lines(table, wanted & (table["gap_max"] > NO_GAP)))
        return found + [entry for entry in self._rest if entry.gaps]

    def _load(self) -> None:
        try:
            with self._manifest.path.open("rb") as stream:
                covered, size = 0, stream.seek(0, os.SEEK_END)
                if size > UNINDEXED_OCTETS:
                    self._table, covered = self._read(stream)
                if size - covered > UNINDEXED_OCTETS:
                    self._extend(covered)
                    return
                stream.seek(covered)
                octets = stream.read()
                octets = octets[: octets.rfind(b"\n") + 1]
                lines = octets.split(b"\n")[:-1]
                first = 1 if self._table is None else len(self._table) + 1
                self._rest = [
                    decode_entry(line, number) for number, line in enumerate(lines, first)
                ]
                left = unfinished(self._rest)
                if left:
                    self._rest = self._rest[:-left]
        except FileNotFoundError:
            return
        except OSError as error:
            raise BackendUnavailable("archive", str(error)) from error

    def _read(self, manifest: BinaryIO) -> tuple[Table | None, int]:
        """(the rows on the disk, octets of the manifest they cover), if they fit it."""
        import numpy as np

        with suppress(OSError, ValueError, IndexError):
            with self._path.open("rb") as stream:
                if stream.read(len(MAGIC)) != MAGIC:
                    return None, 0
                last = stream.readline(1 << 20)
                octets = stream.read()
            (count,) = COUNT.unpack_from(octets) if len(octets) >= COUNT.size else (0,)
            if COUNT.size + length(count) != len(octets):
                return None, 0
            table = np.frombuffer(octets, np.dtype(_ROW), count, COUNT.size)
            offset = int(table["offset"][-1])
            manifest.seek(offset)
            # Every line names the hash of the one before: this one stands for all of them.
            if last.endswith(b"\n") and manifest.read(len(last)) == last:
                self._spans = octets[COUNT.size + table.nbytes :]
                return table, offset + len(last)
        return None, 0

    def _extend(self, covered: int) -> None:
        """Take all lines from `covered` on into the table and onto the disk, a few at a time.

        Who may not write there reads slower.
        """
        import numpy as np

        pieces = [] if self._table is None else [self._table]
        known = sum(map(len, pieces))
        numbered = Lines(
            self._manifest.path, self._manifest.committed().octets, covered, known
        ).numbered()
        last = b""
        while some := list(islice(numbered, _PIECE)):
            lines = [line for _, line in some]
            entries = [decode_entry(line, number) for number, line in some]
            pieces.append(np.array(list(_rows(lines, entries, covered)), np.dtype(_ROW)))
            covered += sum(map(len, lines)) + len(lines)
            last = lines[-1]
        if not last:
            return
        self._table = table = np.concatenate(pieces)
        self._spans = _spans(table)
        aside = self._path.with_name(f"{NAME}.{os.getpid()}")
        with suppress(OSError):
            with aside.open("wb") as stream:
                stream.write(MAGIC + last + b"\n" + COUNT.pack(len(table)))
                stream.write(table.view(np.uint8).data)
                stream.write(self._spans)
            aside.rename(self._path)
        with suppress(OSError):
            aside.unlink(missing_ok=True)

    def _lines(self, table: Table, wanted: npt.NDArray[np.bool_]) -> Iterator[Entry]:
        positions = wanted.nonzero()[0]
        if not len(positions):
            return
        with self._manifest.path.open("rb") as stream:
            for position in positions:
                stream.seek(int(table["offset"][position]))
                line = stream.read(int(table["octets"][position]))
                if not line.endswith(b"\n"):
                    raise ArchiveError(NAME, "does not fit the manifest; delete it")
                yield decode_entry(line[:-1], int(position) + 1)


def agrees(archive: Path) -> bool:
    """Whether the index on the disk, if there is one, says of each line what the line says."""
    index = ManifestIndex(archive)
    table = index._table
    if table is None:
        return True
    import numpy as np

    lines, place, offset = Manifest(archive).finished()[0].raw(), 0, 0
    while place < len(table) and (some := list(islice(lines, min(_PIECE, len(table) - place)))):
        entries = [decode_entry(line, number) for number, line in enumerate(some, place + 1)]
        true = np.array(list(_rows(some, entries, offset)), np.dtype(_ROW))
        if not (true == table[place : place + len(some)]).all():
            return False
        place += len(some)
        offset += sum(map(len, some)) + len(some)
    return place == len(table) and index._spans == _spans(table)


def _rows(
    lines: Sequence[bytes], entries: Sequence[Entry], offset: int
) -> Iterator[tuple[Any, ...]]:
    for line, entry in zip(lines, entries, strict=True):
        octets = len(line) + 1
        yield (
            offset,
            octets,
            entry.kind.encode()[:16],
            bool(entry.path),
            bool(entry.removed),
            bool(entry.nat_events),
            entry.active_min_ms,
            entry.active_max_ms,
            min((gap.from_ms for gap in entry.gaps), default=NO_GAP),
            max((gap.to_ms for gap in entry.gaps), default=NO_GAP),
        )
        offset += octets


def _spans(table: Table) -> bytes:
    """What any of each 256 rows may be wanted for, as `traffic.archive.index_form.SPAN` has it."""
    import numpy as np

    starts = np.arange(0, len(table), STEP)
    masks = [table["has_path"] & (table["kind"] == kind.encode()) for kind in SPANNED]
    spans: list[npt.NDArray[np.int64]] = []
    for mask, name in (*((one, "active") for one in masks), (table["gap_max"] > NO_GAP, "gap")):
        first = np.where(mask, table[f"{name}_min"], NOTHING[0])
        last = np.where(mask, table[f"{name}_max"], NOTHING[1])
        spans += [np.minimum.reduceat(first, starts), np.maximum.reduceat(last, starts)]
    spans.append(np.add.reduceat(table["removes"].astype(np.int64), starts))
    return np.stack(spans, axis=1).astype("<i8").tobytes()
