"""One line of the manifest: what it says, its octets and its place in the hash chain.

Pure. Every line carries the hash of the line before it, so that no line can be altered,
dropped or moved without every later one saying so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

from common.errors import ArchiveError

GENESIS = "0" * 64
"""What the first line names as the hash before it."""

_FIELDS: frozenset[str]

_OPTIONAL = frozenset({"origin", "removed", "rows", "clock", "mentions"})
"""Left out where empty: lines older than these fields keep their hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapNote:
    """Records that are known to be missing; times in milliseconds since 1970."""

    source: str
    from_ms: int
    to_ms: int
    lost: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockNote:
    """What a segment holds on the clock of the machine that wrote it; microseconds."""

    at_ms: int
    state: str
    offset_us: int | None
    error_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One segment, or a spool that held nothing to store (`path` is empty then)."""

    seq: int = 0
    kind: str
    node: str
    path: str = ""
    sha256: str = ""
    records: int = 0
    octets: int = 0
    received_min_ms: int = 0
    received_max_ms: int = 0
    active_min_ms: int = 0
    active_max_ms: int = 0
    lateral: int = 0
    """Flows with more than one inside address: the sort key names only the first."""
    inside: str = ""
    """Digest of the inside prefixes by which clients were chosen."""
    nat_events: int = 0
    """Records that tell of a translation made or ended, rather than of traffic."""
    spools: tuple[int, ...] = ()
    """Numbers of the spool files that went into it; they exist nowhere else any more."""
    state: str = ""
    """The decoder state that goes with it, data_dir/collector/<state>."""
    gaps: tuple[GapNote, ...] = ()
    origin: str = ""
    """The database rows it was made of, such as `audit_event:1-5000`; not in the line if empty."""
    removed: tuple[str, ...] = ()
    """Segments that a purge took away: their lines stay. Not in the line if empty."""
    rows: str = ""
    """Database rows whose digest is `sha256`, such as `audit_event:1-5000`; they lie in the
    database still. Not in the line if empty."""
    clock: tuple[ClockNote, ...] = ()
    """The samples in it of this machine's clock, oldest first, so that a question need not open
    it. Not in the line if empty."""
    mentions: str = ""
    """Where in it stands which addresses it speaks of, and the SHA-256 of that
    (traffic.archive.mentions). Not in the line if empty."""
    part: int = 1
    parts: int = 1
    """Lines of one decoding go together: all of them, or none."""
    written_ms: int = 0
    prev: str = ""
    hash: str = ""


def seal_entries(entries: Sequence[Entry], last: Entry | None) -> list[Entry]:
    """`entries` numbered and chained behind `last` (None: they are the first)."""
    chained: list[Entry] = []
    for part, entry in enumerate(entries, 1):
        numbered = replace(
            entry,
            seq=last.seq + 1 if last else 1,
            prev=last.hash if last else GENESIS,
            part=part,
            parts=len(entries),
        )
        last = replace(numbered, hash=entry_hash(numbered))
        chained.append(last)
    return chained


def present(entries: Sequence[Entry], kind: str | None = None) -> list[Entry]:
    """The lines of `entries` (of `kind`) that have a segment which no purge has taken away."""
    gone = {path for entry in entries for path in entry.removed}
    return [
        entry
        for entry in entries
        if entry.path and entry.path not in gone and kind in (None, entry.kind)
    ]


def entry_hash(entry: Entry) -> str:
    """SHA-256, in hex, of everything in the entry except the hash itself."""
    tree = _tree(entry)
    del tree["hash"]
    return hashlib.sha256(canonical(tree)).hexdigest()


def line_hash(line: bytes, entry: Entry) -> str:
    """SHA-256, in hex, of a line in the one form that lines have, its hash left out.

    The same as `entry_hash` of its entry, without making the octets once more.
    """
    return hashlib.sha256(line.replace(f'"hash":"{entry.hash}",'.encode(), b"", 1)).hexdigest()


def encode_entry(entry: Entry) -> bytes:
    """The line of `entry`, with its line feed."""
    return canonical(_tree(entry)) + b"\n"


def decode_entry(line: bytes, number: int) -> Entry:
    """The entry in a line of the manifest; its hash is not checked here.

    Args:
        number: of the line, for the error; below zero it counts from the end.

    Raises:
        ArchiveError: the line is not one of ours.
    """
    try:
        tree = json.loads(line)
        if tree.keys() | _OPTIONAL != _FIELDS or not all(tree.get(name, 1) for name in _OPTIONAL):
            raise ValueError("unexpected fields")
        tree["spools"] = tuple(tree["spools"])
        tree["removed"] = tuple(tree.get("removed", ()))
        tree["gaps"] = tuple(GapNote(**gap) for gap in tree["gaps"])
        tree["clock"] = tuple(ClockNote(**note) for note in tree.get("clock", ()))
        return Entry(**tree)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        place = f"line {number}" if number >= 0 else f"line {-number} from the end"
        raise ArchiveError("manifest.jsonl", f"{place} is damaged: {error}") from error


def _tree(entry: Entry) -> dict[str, object]:
    # By hand: `asdict` copies every value, which made verifying a year's lines take minutes.
    tree: dict[str, object] = {}
    for name in Entry.__slots__:
        value = getattr(entry, name)
        if value or name not in _OPTIONAL:
            tree[name] = value
    if entry.gaps:
        tree["gaps"] = [asdict(gap) for gap in entry.gaps]
    if entry.clock:
        tree["clock"] = [asdict(note) for note in entry.clock]
    return tree


def canonical(tree: object) -> bytes:
    """JSON with sorted keys and no spaces: the same octets wherever it is made."""
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


_FIELDS = frozenset(item.name for item in fields(Entry))
