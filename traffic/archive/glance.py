"""The few lines of a manifest that one question needs, found without what reads all of them.

The same lines as traffic.archive.index finds (a test compares them), by the same index where the
manifest is long. Whatever is not as it should be is left to that, which can say what it is.
"""

from __future__ import annotations

import os
from stat import S_ISREG

from common import plain_json
from traffic.archive.index_form import (
    COUNT,
    MAGIC,
    NAME,
    NO_GAP,
    ROW,
    SPAN,
    SPANNED,
    STEP,
    UNINDEXED_OCTETS,
    length,
    spans_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Tree = dict[str, Any]

_HEAD_OCTETS = 1 << 16
"""The last covered line, which stands at the index's head, is no longer than this."""

_LONGEST_LINE = 1 << 24

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""What is no file must not keep whoever asks waiting."""

_KINDS = {kind: kind.encode().ljust(16, b"\0") for kind in SPANNED}

_LINE = frozenset(
    (
        *("seq", "kind", "node", "path", "sha256", "records", "octets", "lateral", "inside"),
        *("received_min_ms", "received_max_ms", "active_min_ms", "active_max_ms", "nat_events"),
        *("spools", "state", "gaps", "part", "parts", "written_ms", "prev", "hash"),
    )
)
_OPTIONAL = frozenset(("origin", "removed", "rows", "clock", "mentions"))


_MOST, _LEAST = b'{"active_max_ms":', b',"active_min_ms":'
"""How every line begins: its fields stand in order."""

_NO_GAPS, _REMOVED = b'"gaps":[]', b'"removed":['
"""Within a JSON text the quotation marks would be escaped."""


class NotAtAGlance(Exception):  # noqa: N818 - nothing is wrong; somebody else reads it
    """The manifest is damaged, has no index that fits, or ends in a group that is not whole."""


class Glance:
    """One manifest, open; `close` it."""

    def __init__(self, archive: str) -> None:
        """Open it.

        Raises:
            NotAtAGlance: its lines cannot be found here.
            OSError: it cannot be read.
        """
        self._index = -1
        self._rows = self._count = 0
        self._spans: list[tuple[int, ...]] = []
        self._manifest = os.open(f"{archive}/manifest.jsonl", _FLAGS)
        try:
            stat = os.fstat(self._manifest)
            if not S_ISREG(stat.st_mode):
                raise NotAtAGlance
            size = stat.st_size
            covered = self._open_index(archive) if size > UNINDEXED_OCTETS else 0
            # Twice: the index is extended once an hour, and nobody need wait for that.
            if size - covered > 2 * UNINDEXED_OCTETS:
                raise NotAtAGlance
            rest = _exactly(self._manifest, size - covered, covered)
            self._rest = rest[: rest.rfind(b"\n") + 1].split(b"\n")[:-1]
            """Lines after those of the index."""
            last = _tree(self._rest[-1]) if self._rest else {"part": 1, "parts": 1}
            if last["part"] != last["parts"]:
                raise NotAtAGlance
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._manifest)
        if self._index >= 0:
            os.close(self._index)

    def segments(self, kind: str, from_ms: int, to_ms: int) -> list[Tree]:
        """Lines of segments of `kind`, one of `SPANNED`, that may hold something of a span.

        Oldest first, purged ones left out.

        Raises:
            NotAtAGlance: the index does not fit.
        """
        number, octets = SPANNED.index(kind) * 2, _KINDS[kind]
        chosen: list[tuple[int, Tree]] = []
        for at, row in self._near(number, from_ms, to_ms):
            if row[2] == octets and row[3] and row[6] <= to_ms and row[7] >= from_ms:
                chosen.append((at, self._line(row)))
        mark = f'"kind":"{kind}"'.encode()
        for at, line in enumerate(self._rest, self._count):
            if mark in line and _touches(line, from_ms, to_ms):
                chosen.append((at, _tree(line)))
        chosen = [
            (at, tree)
            for at, tree in chosen
            if tree["kind"] == kind
            and tree["path"]
            and tree["active_min_ms"] <= to_ms
            and tree["active_max_ms"] >= from_ms
        ]
        if not chosen:
            return []
        gone = self._removed(chosen[0][0], [tree["path"] for _, tree in chosen])
        return [tree for _, tree in chosen if tree["path"] not in gone]

    def gaps(self, from_ms: int, to_ms: int) -> list[Tree]:
        """Notes of gaps among which all are that may touch a span.

        Raises:
            NotAtAGlance: the index does not fit.
        """
        found = [
            self._line(row)
            for _, row in self._near(2 * len(SPANNED), from_ms, to_ms)
            if row[8] <= to_ms and row[9] >= from_ms and row[9] > NO_GAP
        ]
        found += [_tree(line) for line in self._rest if _NO_GAPS not in line]
        return [note for tree in found for note in tree["gaps"]]

    def _removed(self, first: int, paths: list[str]) -> set[str]:
        """What lines from the number `first` on took away, of `paths` at least.

        None is taken away before it is there. A purge's line names thousands of paths, and is
        decoded only where one of the days that are wanted stands in it.
        """
        gone: set[str] = set()
        for line in self._rest:
            if _REMOVED in line:
                gone.update(_tree(line)["removed"])
        marks = {path.rpartition("/hour=")[0] or path for path in paths}
        if any('"' in mark or "\\" in mark for mark in marks):
            raise NotAtAGlance  # it stands in the line in another form
        days = [mark.encode() for mark in marks]
        for number in range(first // STEP, len(self._spans)):
            if not self._spans[number][-1]:
                continue
            for _, row in self._block(number):
                if not row[4]:
                    continue
                line = self._octets(row)
                if any(day in line for day in days):
                    gone.update(_tree(line)["removed"])
        return gone

    def _near(self, field: int, from_ms: int, to_ms: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """(number, row) of the lines among which all are whose span `field` touches another."""
        for number, span in enumerate(self._spans):
            if span[field] <= to_ms and span[field + 1] >= from_ms:
                yield from self._block(number)

    def _block(self, number: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
        first = number * STEP
        count = min(STEP, self._count - first)
        octets = _exactly(self._index, count * ROW.size, self._rows + first * ROW.size)
        return enumerate(ROW.iter_unpack(octets), first)

    def _line(self, row: tuple[Any, ...]) -> Tree:
        return _tree(self._octets(row))

    def _octets(self, row: tuple[Any, ...]) -> bytes:
        line = _exactly(self._manifest, row[1], row[0])
        if not line.endswith(b"\n"):
            raise NotAtAGlance
        return line[:-1]

    def _open_index(self, archive: str) -> int:
        """Octets of the manifest that the index covers."""
        self._index = os.open(f"{archive}/{NAME}", _FLAGS)
        size = os.fstat(self._index).st_size
        head = os.pread(self._index, _HEAD_OCTETS, 0)
        end = head.find(b"\n", len(MAGIC)) + 1
        if not head.startswith(MAGIC) or not end or len(head) < end + COUNT.size:
            raise NotAtAGlance
        last = head[len(MAGIC) : end]
        (count,) = COUNT.unpack_from(head, end)
        self._rows = end + COUNT.size
        if not count or self._rows + length(count) != size:
            raise NotAtAGlance
        self._count = count
        spans = _exactly(self._index, spans_of(count) * SPAN.size, self._rows + count * ROW.size)
        self._spans = list(SPAN.iter_unpack(spans))
        row = _exactly(self._index, ROW.size, self._rows + (count - 1) * ROW.size)
        offset = ROW.unpack(row)[0]
        # Every line names the hash of the one before: this one stands for all of them.
        if _exactly(self._manifest, len(last), offset) != last:
            raise NotAtAGlance
        return int(offset) + len(last)


def _exactly(handle: int, octets: int, offset: int) -> bytes:
    if offset < 0 or not 0 <= octets <= _LONGEST_LINE:
        raise NotAtAGlance
    found = os.pread(handle, octets, offset)
    if len(found) != octets:
        raise NotAtAGlance
    return found


def _touches(line: bytes, from_ms: int, to_ms: int) -> bool:
    """Whether a line's flows may have been active in a span, without decoding the rest of it."""
    most, _, rest = line.partition(_LEAST)
    least = rest[: rest.find(b",")]
    if not most.startswith(_MOST):
        raise NotAtAGlance
    try:
        return int(most[len(_MOST) :]) >= from_ms and int(least) <= to_ms
    except ValueError as error:
        raise NotAtAGlance from error


def _tree(line: bytes) -> Tree:
    try:
        tree = plain_json.loads(line.decode())
        if not isinstance(tree, dict) or tree.keys() - _OPTIONAL != _LINE:
            raise NotAtAGlance
        if not isinstance(tree["path"], str):
            raise NotAtAGlance
    except ValueError as error:
        raise NotAtAGlance from error
    return tree
