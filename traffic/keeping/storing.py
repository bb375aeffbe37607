"""Copies the archive into the object store, and lets segments leave this disk for it.

The local archive is the truth: what is in the store is copied from it in the order of the
manifest, so one position says what is there. A store that is away delays copies and nothing
else. A segment leaves this disk only after its copy was read back and has the recorded hash.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from common.clock import unix_nanoseconds
from common.config import Config
from common.disk import room_of
from common.errors import ArchiveError, BackendUnavailable, Refused
from common.logging import get_logger
from traffic.archive.durable import digest_file
from traffic.archive.elsewhere import note_place
from traffic.archive.entries import Entry, decode_entry
from traffic.archive.lines import REMOVED, Lines
from traffic.archive.manifest import NAME as MANIFEST
from traffic.archive.manifest import Manifest
from traffic.archive.seals import NAME as SEALS
from traffic.archive.seals import encode_seal, read_seals
from traffic.archive.store import ObjectStore, place_of
from traffic.archive.unread import keep_mentions
from traffic.keeping.moving import archive_id
from traffic.keeping.policy import PURGE
from traffic.keeping.timeline import DAY_MS

FREED = ("flow", "nat", "raw")
"""What takes the room, and is read for a span of time alone. Logins, packets and audit events
are asked for without one."""

ID = "archive-id"
STATE = "store.json"
CHECKED = "store-checked.json"

_NOTED_EVERY = 50
"""Lines between two notes of the position: after a crash so many are asked for again."""

_MOST_WRONG = 1000
"""Segments that may be wrong before copying stops: with more of them it is the disk that is."""

_LISTS_MS = 3_600_000
_LONG_LIST = 16 << 20
"""Octets of a manifest from which on it is copied once a day, and not each hour: an object
cannot grow, and after a year it takes 200 million octets."""

_LIST_OCTETS = 8 << 30
"""Of a manifest that is brought back; a busy site's takes forty years to reach it."""

_READ_LATELY_SECONDS = 86_400.0
"""Whoever has read a segment reads it again soon."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """How far the archive has been copied."""

    url: str = ""
    octets: int = 0
    """End in the manifest of the last line whose segment is in the store; all before it are there
    too, but those in `wrong`."""
    seq: int = 0
    hash: str = ""
    at_ms: int = 0
    """When the store was last found complete; milliseconds since 1970."""
    lists_ms: int = 0
    """When manifest and seals were copied last."""
    freed_ms: int = 0
    """When segments last left this disk, or were looked through for it."""
    error: str = ""
    """Why the last turn was cut off."""
    since_ms: int = 0
    """When the store was first found complete."""
    wrong: dict[str, str] = field(default_factory=dict)
    """Path of a segment that is not in the store as it should be -> why, in a sentence. It was
    damaged before it was copied, or its copy was later; it does not leave this disk."""


@dataclass(slots=True)
class Compared:
    """What a comparison of the store with the manifest found."""

    segments: int = 0
    octets: int = 0
    only_there: int = 0
    """Segments that have left this disk."""
    waiting: int = 0
    """Segments that are still to be copied."""
    left_over: int = 0
    """Objects that a purge took away, and the store not yet."""


class Storer:
    """The copy of one site's archive. Two at a time do the same work twice and no harm."""

    def __init__(self, config: Config) -> None:
        place = place_of(config.store)
        if place is None:
            raise Refused("no object store is configured; set [store] url")
        self._place = place
        self._store = ObjectStore(place)
        self._archive = config.data_dir / "archive"
        self._keep_ms = config.store.keep_local_days * DAY_MS
        self._state_file = config.data_dir / STATE
        self._checked_file = config.data_dir / CHECKED
        self._manifest = Manifest(self._archive)

    def push(
        self, now_ms: int, stopping: Callable[[], bool] = lambda: False, *, again: bool = False
    ) -> int:
        """Copy what is not there yet; how many segments.

        Args:
            again: ask the store for every segment, also for those that were copied, and copy the
                lists whenever that was done last.

        Raises:
            BackendUnavailable: the store does not answer; what was copied stays copied.
            Refused: the store holds another archive.
            ArchiveError: a list is damaged, or so many segments are that the disk must be.
        """
        state = self.state()
        if again:
            state = StoreState(since_ms=state.since_ms, freed_ms=state.freed_ms)
        lines = self._manifest.committed()
        self._claim()
        rest = self._rest(lines, state)
        pushed, gone = 0, rest.purged()
        octets = rest.begin
        for number, line in rest.numbered():
            if stopping():
                break
            octets += len(line) + 1
            entry = decode_entry(line, number)
            if entry.path and entry.path not in gone:
                try:
                    pushed += self._copy(entry)
                except ArchiveError as error:
                    # The segments behind it must not wait for what may never be whole again.
                    state = self._noted_wrong(state, entry.path, error)
            state = replace(
                state, url=self._place.url, octets=octets, seq=entry.seq, hash=entry.hash, error=""
            )
            if number % _NOTED_EVERY == 0:
                self._note(state)
        else:
            state = replace(state, url=self._place.url, at_ms=now_ms, error="")
            state = replace(state, since_ms=state.since_ms or now_ms)
            pause = _LISTS_MS if lines.octets < _LONG_LIST else DAY_MS
            if again or not 0 <= now_ms - state.lists_ms < pause:
                self._copy_lists(lines, state.seq)
                state = replace(state, lists_ms=now_ms)
        self._note(state)
        return pushed

    def free(self, now_ms: int, stopping: Callable[[], bool] = lambda: False) -> int:
        """Let old segments leave this disk whose copy is read back whole; how many.

        Raises:
            BackendUnavailable: the store does not answer.
            ArchiveError: naming the first copy that is missing or was altered; its segment stays
                here, and all others had their turn.
        """
        state, lines, seals = self.state(), self._manifest.committed(), read_seals(self._archive)
        edge = min(state.seq if self._fits(lines, state) else 0, seals[-1].seq if seals else 0)
        self._clear_cut_off()
        wrong = self._still_wrong(lines, state)
        freed, errors = 0, list[ArchiveError]()
        for entry in self._due(lines, edge, now_ms):
            if stopping():
                return freed
            if entry.path in wrong:
                continue
            try:
                self._compare(entry)
            except ArchiveError as error:
                wrong[entry.path] = str(error)
                errors.append(error)
                continue
            note_place(self._archive, self._place)
            freed += self._leave(entry)
        # What another process has found meanwhile stays.
        now = self.state()
        kept = {path: why for path, why in now.wrong.items() if path not in state.wrong}
        self._note(replace(now, freed_ms=now_ms, wrong={**kept, **wrong}))
        if errors:
            raise errors[0]
        return freed

    def sweep(self) -> int:
        """Take from the store what a purge took away; how many objects.

        Raises:
            BackendUnavailable: the store does not answer; the next sweep goes on.
            Refused: the store holds another archive.
        """
        self._claim()
        there, swept = self._store.sizes(), 0
        for path in self._purged():
            if path in there:
                self._store.delete(path)
                swept += 1
        return swept

    def compare(self, *, contents: bool = False) -> Compared:
        """Compare every object with its line of the manifest.

        Args:
            contents: read each of them whole, and compare its hash.

        Raises:
            ArchiveError: naming the first that is missing, altered or of no line.
            BackendUnavailable: the store does not answer.
        """
        # The list of objects first: what is copied meanwhile is of a line that is read then.
        there, found = self._store.sizes(), Compared()
        state, lines = self.state(), self._manifest.committed()
        edge = state.seq if self._fits(lines, state) else 0
        for entry in lines.present():
            size = there.pop(entry.path, None)
            here = (self._archive / entry.path).exists()
            if size is None and entry.seq > edge and here:
                found.waiting += 1
                continue
            if size is None:
                why = state.wrong.get(entry.path) if here else None
                raise ArchiveError(
                    self._named(entry.path), f"is missing: {why}" if why else "is missing"
                )
            if size != entry.octets:
                message = f"has {size} octets instead of {entry.octets}"
                raise ArchiveError(self._named(entry.path), message)
            if contents:
                self._compare(entry)
            found.segments += 1
            found.octets += size
            found.only_there += not here
        for path in self._purged():
            found.left_over += there.pop(path, None) is not None
        if there:
            raise ArchiveError(self._named(min(there)), "is not in the manifest")
        return found

    def fetch_lists(self) -> bool:
        """Bring manifest and seals back to a machine that has none; False when it has.

        Raises:
            Refused: the store holds none.
            ArchiveError: what it holds cannot be one.
            BackendUnavailable: the store does not answer, or the disk has no room.
        """
        if self._manifest.path.exists():
            return False
        self._archive.mkdir(mode=0o750, parents=True, exist_ok=True)
        for name in (SEALS, MANIFEST):
            aside = self._archive / f"{name}.recalled"
            try:
                self._fetch_list(name, aside)
            except FileNotFoundError as error:
                raise Refused(f"{self._place.url} holds no {name}; is it the right one?") from error
            except BaseException:
                aside.unlink(missing_ok=True)
                raise
            aside.rename(self._archive / name)
        known = self._store.read(ID)
        if known is not None:
            (self._archive / ".archive-id").write_bytes(known)
        note_place(self._archive, self._place)
        return True

    def _fetch_list(self, name: str, target: Path) -> None:
        size, room = self._store.size(name), room_of(self._archive)
        if size is None:
            raise FileNotFoundError(name)
        if size > _LIST_OCTETS:
            raise ArchiveError(self._named(name), f"has {size} octets: no list grows so long")
        if room is not None and size > room.free_octets:
            raise BackendUnavailable("archive", f"the disk has no room for {name}: {room.text}")
        self._store.fetch(name, target, size)

    def state(self) -> StoreState:
        """How far it is; nothing, where another store was copied to before."""
        try:
            state = StoreState(**json.loads(self._state_file.read_bytes()))
        except (OSError, ValueError, TypeError):
            return StoreState()
        return state if state.url in ("", self._place.url) else StoreState()

    def mark_checked(self, now_ms: int) -> None:
        """Remember that every object was read and found whole."""
        # A file of its own: whoever copies meanwhile writes the state, and knows nothing of it.
        aside = self._checked_file.with_name(f"{CHECKED}.{os.getpid()}")
        aside.write_text(json.dumps({"url": self._place.url, "at_ms": now_ms}) + "\n")
        aside.rename(self._checked_file)

    def checked_ms(self) -> int:
        """When every object was last read and found whole; 0 when that was never done."""
        try:
            told = json.loads(self._checked_file.read_bytes())
            return int(told["at_ms"]) if told["url"] == self._place.url else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def note_error(self, error: str) -> None:
        """Remember why a turn was cut off, for `doctor`."""
        self._note(replace(self.state(), url=self._place.url, error=error))

    def waiting(self) -> int:
        """How many lines of the manifest are behind the position."""
        return self._rest(self._manifest.committed(), self.state()).count()

    def _claim(self) -> None:
        mine = archive_id(self._archive).encode()
        theirs = self._store.read(ID)
        if theirs is None:
            self._store.write(ID, mine)
        elif theirs.strip() != mine:
            raise Refused(
                f"{self._place.url} holds another archive; give each one a folder of its own"
            )

    def _copy(self, entry: Entry) -> int:
        if self._store.size(entry.path) == entry.octets:
            return 0
        file = self._archive / entry.path
        try:
            if digest_file(file) != entry.sha256:
                raise ArchiveError(entry.path, "was altered: its SHA-256 is not the recorded one")
            self._store.put(entry.path, file, entry.octets)
        except FileNotFoundError as error:
            if entry.path in self._manifest.committed().purged():
                return 0
            if file.exists():  # then it is the bucket that is not there
                raise BackendUnavailable("object store", str(error)) from error
            raise ArchiveError(entry.path, "is missing") from error
        except OSError as error:
            raise ArchiveError(entry.path, f"cannot be read: {error.strerror}") from error
        return 1

    def _noted_wrong(self, state: StoreState, path: str, error: ArchiveError) -> StoreState:
        """`state` with one more segment that is wrong."""
        if len(state.wrong) >= _MOST_WRONG:
            self._note(state)
            raise error
        _log.error("segment_not_stored", path=path, error=str(error))
        return replace(state, wrong={**state.wrong, path: str(error)})

    def _still_wrong(self, lines: Lines, state: StoreState) -> dict[str, str]:
        """Those that were wrong and are; whoever was brought back is copied now."""
        if not state.wrong:
            return {}
        wrong, gone = dict[str, str](), lines.purged()
        for entry in lines.of_paths(state.wrong):
            if entry.path in gone:
                continue
            try:
                self._copy(entry)
                self._compare(entry)
            except ArchiveError as error:
                wrong[entry.path] = str(error)
        return wrong

    def _copy_lists(self, lines: Lines, reached: int) -> None:
        """The lists go after the segments, and the seals last: what each names is there then."""
        if not lines.octets:
            return
        if self._store.size(MANIFEST) != lines.octets:
            self._store.put(MANIFEST, self._archive / MANIFEST, lines.octets)
        seals = [seal for seal in read_seals(self._archive) if seal.seq <= reached]
        self._store.write(SEALS, b"".join(encode_seal(seal) + b"\n" for seal in seals))

    def _due(self, lines: Lines, edge: int, now_ms: int) -> Iterator[Entry]:
        for kind in FREED:
            for entry in lines.present(kind):
                if entry.seq > edge or entry.received_max_ms > now_ms - self._keep_ms:
                    continue
                if self._is_idle(entry):
                    yield entry

    def _is_idle(self, entry: Entry) -> bool:
        """Whether the segment is here, and nobody has read it for a day."""
        try:
            read = (self._archive / entry.path).stat().st_mtime
        except FileNotFoundError:
            return False
        return read < unix_nanoseconds() / 1e9 - _READ_LATELY_SECONDS

    def _clear_cut_off(self) -> None:
        """What was on its way back when its process was killed, and nobody fetches any more."""
        for path in self._archive.rglob("*.recalled"):
            with suppress(OSError):
                if path.stat().st_mtime < unix_nanoseconds() / 1e9 - _READ_LATELY_SECONDS:
                    path.unlink()

    def _leave(self, entry: Entry) -> bool:
        # Reading the copy back took a while, and somebody may have come for it.
        if not self._is_idle(entry):
            return False
        with suppress(OSError):  # then it comes back for a question that is not about it
            keep_mentions(self._archive, entry)
        (self._archive / entry.path).unlink(missing_ok=True)
        return True

    def _compare(self, entry: Entry) -> None:
        try:
            digest = self._store.digest(entry.path, entry.octets)
        except FileNotFoundError as error:
            raise ArchiveError(self._named(entry.path), "is missing") from error
        if digest != entry.sha256:
            raise ArchiveError(
                self._named(entry.path), "was altered: its SHA-256 is not the recorded one"
            )

    def _purged(self) -> Iterator[str]:
        for line in self._manifest.committed().having(REMOVED):
            if line.kind == PURGE:
                yield from line.removed

    def _rest(self, lines: Lines, state: StoreState) -> Lines:
        if not self._fits(lines, state):
            return lines
        return Lines(lines.path, lines.octets, state.octets, state.seq)

    def _fits(self, lines: Lines, state: StoreState) -> bool:
        """Whether the position is one of this manifest."""
        if not 0 < state.octets <= lines.octets:
            return False
        try:
            return next(Lines(lines.path, state.octets).backward()).hash == state.hash
        except (ArchiveError, StopIteration):
            return False

    def _named(self, path: str) -> str:
        return f"{self._place.url}/{path}"

    def _note(self, state: StoreState) -> None:
        aside = self._state_file.with_name(f"{STATE}.{os.getpid()}")
        aside.write_text(json.dumps(asdict(state)) + "\n", encoding="utf-8")
        aside.rename(self._state_file)
