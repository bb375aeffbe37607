# long file: one store under one name, and each way in which it fails.
"""The copy in an object store: what goes there, what may leave this disk, and how it comes back.

The store is a folder here; tests/integration/test_object_store.py has an S3 server.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from common.config import Config
from common.disk import Room
from common.errors import ArchiveError, BackendUnavailable, Refused
from tests.unit.traffic.archive.test_verification import make_keys
from traffic.archive import elsewhere
from traffic.archive.entries import Entry
from traffic.archive.kinds import ADMIN, NAT
from traffic.archive.lines import Lines
from traffic.archive.manifest import Manifest
from traffic.archive.proving import prove
from traffic.archive.seals import make_seal, read_seals
from traffic.archive.store import ObjectStore
from traffic.archive.tables import TableArchive
from traffic.archive.verification import Verified, verify_archive
from traffic.keeping import storing
from traffic.keeping.policy import Plan
from traffic.keeping.purge import Purger
from traffic.keeping.storing import Storer
from yuenyan.processes.storekeeper import Storekeeper

NOON = 1_795_000_000_000
DAY_MS = 86_400_000
NOW = NOON + 60 * DAY_MS


class Site:
    """An archive of three old segments and a new one, and a folder that is its store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys = folder, folder / "keys"
        self.store = folder / "store"
        self.store.mkdir()
        make_keys(self.keys)
        self.archive = folder / "var" / "archive"
        self.tables = TableArchive(self.archive, "node")
        self.nat = [self.add(hour) for hour in (0, 1)]
        (self.admin,) = self.tables.append(ADMIN, [{"received_at": NOON, "actor": "head"}])
        self.new = self.add(59 * 24)
        self.seal()

    def add(self, hours: int) -> Entry:
        row = {"received_at": NOON + hours * 3_600_000, "event": "create", "source": "10.0.0.1"}
        (entry,) = self.tables.append(NAT, [row])
        return entry

    def seal(self) -> None:
        make_seal(self.archive, self.keys, max(NOW, self.tables_written()))

    def tables_written(self) -> int:
        last = Manifest(self.archive).last()
        return last.written_ms if last else 0

    def config(self, folder: str = "var") -> Config:
        data = self.folder / folder
        data.mkdir(exist_ok=True)
        return Config.model_validate(
            {"site": {"data_dir": data}, "store": {"url": f"file://{self.store}"}}
        )

    def storer(self, folder: str = "var") -> Storer:
        return Storer(self.config(folder))

    def push(self) -> int:
        return self.storer().push(NOW)

    def free(self) -> int:
        """As a day later: nobody has read anything lately."""
        for path in self.archive.rglob("*.parquet"):
            os.utime(path, (1, 1))
        return self.storer().free(NOW)

    def here(self) -> list[Entry]:
        entries = Manifest(self.archive).entries()
        return [entry for entry in entries if (self.archive / entry.path).is_file()]

    def rows(self) -> int:
        return len(self.tables.read(NAT, from_ms=NOON - 1, to_ms=NOON + DAY_MS))

    def verify(self) -> Verified:
        return verify_archive(self.archive, self.keys)

    def purge(self, entries: Sequence[Entry]) -> None:
        Purger(self.archive, "node").carry_out(Plan(due=tuple(entries)), lambda: NOW)

    def flip(self, entry: Entry) -> None:
        path = self.store / entry.path
        octets = bytearray(path.read_bytes())
        octets[len(octets) // 2] ^= 1
        path.write_bytes(octets)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_store_has_the_same_layout_and_the_lists(site: Site) -> None:
    assert site.push() == 4
    for name in ("manifest.jsonl", "seals.jsonl", *(entry.path for entry in site.here())):
        assert (site.store / name).read_bytes() == (site.archive / name).read_bytes()
    assert not list(site.store.rglob("*.aside"))
    found = site.storer().compare(contents=True)
    assert (found.segments, found.waiting, found.only_there) == (4, 0, 0)


def test_what_is_there_is_not_copied_again(site: Site) -> None:
    site.push()
    assert site.push() == 0
    site.add(2)
    assert site.storer().waiting() == 1
    assert site.storer().compare().waiting == 1
    assert site.push() == 1
    (site.folder / "var" / "store.json").unlink()
    assert site.push() == 0


def test_old_traffic_leaves_this_disk_and_nothing_else_does(site: Site) -> None:
    site.push()
    assert site.free() == 2
    assert site.here() == [site.admin, site.new]
    assert site.verify().away == 2
    assert site.verify().segments == 4
    assert site.storer().compare(contents=True).only_there == 2


def test_nothing_leaves_that_is_not_there_sealed_and_unread(site: Site) -> None:
    assert site.free() == 0
    site.push()
    late = site.add(3)
    site.push()
    assert site.free() == 2
    assert late in site.here()
    site.rows()
    assert site.storer().free(NOW) == 0


def test_whoever_reads_a_span_has_its_segments_back(site: Site) -> None:
    before = site.rows()
    site.push()
    site.free()
    (site.archive / "manifest.index").unlink(missing_ok=True)
    assert site.rows() == before == 2
    assert len(site.here()) == 4
    assert site.verify().away == 0
    assert not list(site.archive.rglob("*.recalled"))


def test_a_proof_is_of_the_segment_itself(site: Site) -> None:
    site.push()
    site.free()
    _, shown = prove(site.archive, site.keys, site.nat[0].path)
    assert shown.path == site.nat[0].path
    site.free()
    site.flip(site.nat[0])
    with pytest.raises(ArchiveError, match="altered in the object store"):
        prove(site.archive, site.keys, site.nat[0].path)


def test_an_altered_object_is_named_and_never_read(site: Site) -> None:
    site.push()
    site.free()
    site.flip(site.nat[1])
    for act in (site.rows, site.verify, lambda: site.storer().compare(contents=True)):
        with pytest.raises(ArchiveError, match=f"{site.nat[1].path}: was altered"):
            act()
    assert site.nat[1] not in site.here()
    assert not list(site.archive.rglob("*.recalled"))


def test_a_segment_stays_whose_copy_is_not_as_it_was(site: Site) -> None:
    site.push()
    site.flip(site.nat[0])
    with pytest.raises(ArchiveError, match=f"{site.store}/{site.nat[0].path}: was altered"):
        site.free()
    assert site.here() == [site.nat[0], site.admin, site.new]


def test_a_copy_that_was_lost_is_made_again(site: Site) -> None:
    site.push()
    (site.store / site.nat[0].path).unlink()
    assert site.push() == 0
    with pytest.raises(ArchiveError, match="is missing"):
        site.storer().compare()
    assert site.storer().push(NOW, again=True) == 1
    assert site.storer().compare(contents=True).segments == 4


def test_an_object_that_was_taken_away_is_missing(site: Site) -> None:
    site.push()
    site.free()
    (site.store / site.nat[0].path).unlink()
    for act in (site.rows, site.verify, lambda: site.storer().compare()):
        with pytest.raises(ArchiveError, match=f"{site.nat[0].path}: is missing"):
            act()


def test_an_object_that_is_cut_or_slipped_in_is_named(site: Site) -> None:
    site.push()
    site.free()
    path = site.store / site.nat[0].path
    octets = path.read_bytes()
    path.write_bytes(octets[:-1])
    for act in (site.verify, lambda: site.storer().compare()):
        with pytest.raises(ArchiveError, match="octets instead of"):
            act()
    path.write_bytes(octets)
    shutil.copy(path, path.with_name("extra.parquet"))
    with pytest.raises(ArchiveError, match=r"extra\.parquet: is not in the manifest"):
        site.storer().compare()


def test_a_store_that_is_away_answers_nothing_and_loses_nothing(site: Site) -> None:
    site.push()
    site.free()
    away = site.store.rename(site.folder / "drawer")
    new = site.add(5)
    for act in (site.push, site.rows, site.verify, lambda: site.storer().sweep()):
        with pytest.raises((BackendUnavailable, ArchiveError)):
            act()
    with pytest.raises(BackendUnavailable, match="there is no folder"):
        site.push()
    assert not site.store.exists()
    away.rename(site.store)
    assert site.push() == 1
    assert (site.store / new.path).is_file()


def test_what_is_purged_goes_here_and_there(site: Site) -> None:
    site.push()
    site.free()
    site.purge([site.nat[0], site.admin])
    assert site.storer().compare().left_over == 2
    assert site.storer().sweep() == 2
    assert site.storer().sweep() == 0
    assert not (site.store / site.nat[0].path).exists()
    assert (site.store / site.nat[1].path).exists()


def test_no_empty_directory_is_left_of_what_is_purged(site: Site) -> None:
    site.push()
    site.free()
    hour = (site.archive / site.nat[0].path).parent
    assert hour.is_dir()
    site.purge([site.nat[0]])
    assert not hour.exists()
    assert (site.archive / site.nat[1].path).parent.is_dir()


def test_what_a_kill_left_on_its_way_back_is_cleared(site: Site) -> None:
    site.push()
    cut = site.archive / "nat" / "x.parquet.1-2.recalled"
    cut.write_bytes(b"half")
    site.free()
    assert cut.exists()
    os.utime(cut, (1, 1))
    site.free()
    assert not cut.exists()


def test_one_object_that_is_missing_leaves_none_half_way(site: Site) -> None:
    more = [site.add(hour) for hour in range(100, 112)]
    site.seal()
    site.push()
    assert site.free() == 14
    (site.store / more[0].path).unlink()
    with pytest.raises(ArchiveError, match=f"{more[0].path}: is missing"):
        elsewhere.recall(site.archive, more)
    assert not list(site.archive.rglob("*.recalled"))


def test_the_next_batch_is_under_way_while_one_takes_its_places(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [site.add(hour) for hour in range(100, 106)]
    site.seal()
    site.push()
    site.free()
    monkeypatch.setattr(elsewhere, "_BATCH", 2)
    fetch, four = elsewhere._fetch, threading.Barrier(4)

    def together(store: ObjectStore, entry: Entry, aside: Path) -> None:
        if entry in more[:4]:
            four.wait(10)  # with one batch at a time nobody would come
        fetch(store, entry, aside)

    monkeypatch.setattr(elsewhere, "_fetch", together)
    assert elsewhere.recall(site.archive, more) == 6
    assert {entry.path for entry in more} <= {entry.path for entry in site.here()}
    assert not list(site.archive.rglob("*.recalled"))


def test_two_questions_at_once_share_what_comes_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [site.add(hour) for hour in range(100, 110)]
    site.seal()
    site.push()
    site.free()
    monkeypatch.setattr(elsewhere, "_BATCH", 2)
    fetch, by_first, by_second = elsewhere._fetch, list[int](), list[int]()
    first_is_at_it, second_is_done = threading.Barrier(5), threading.Event()

    def slow(store: ObjectStore, entry: Entry, aside: Path) -> None:
        by_first.append(more.index(entry))
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.touch()
        first_is_at_it.wait(20)  # two batches: no other is begun before one of them has come
        assert second_is_done.wait(20)
        fetch(store, entry, aside)

    def counted(store: ObjectStore, entry: Entry, aside: Path) -> None:
        by_second.append(more.index(entry))
        fetch(store, entry, aside)

    monkeypatch.setattr(elsewhere, "_fetch", slow)
    first = threading.Thread(target=elsewhere.recall, args=(site.archive, more))
    first.start()
    first_is_at_it.wait(20)
    monkeypatch.setattr(elsewhere, "_fetch", counted)
    assert elsewhere.recall(site.archive, more) == 10
    second_is_done.set()
    first.join(20)
    assert sorted(by_first) == [0, 1, 2, 3]
    assert sorted(by_second) == list(range(10))
    assert set(by_second[:2]) <= {6, 7, 8, 9}, "it began at the other end"
    assert set(more) <= set(site.here())
    assert not list(site.archive.rglob("*.recalled"))


def test_a_long_manifest_is_read_once_however_much_comes_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = [site.add(hour) for hour in range(100, 110)]
    site.seal()
    site.push()
    site.free()
    site.purge([more[9]])
    monkeypatch.setattr(elsewhere, "_BATCH", 2)
    read = []
    having = Lines.having

    def counted(lines: Lines, *marks: bytes) -> Iterator[Entry]:
        read.append(lines.octets - lines.begin)
        return having(lines, *marks)

    monkeypatch.setattr(Lines, "having", counted)
    elsewhere.recall(site.archive, more)
    assert sum(read) == Manifest(site.archive).path.stat().st_size
    assert not (site.archive / more[9].path).exists()


def test_what_is_purged_meanwhile_does_not_come_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push()
    site.free()
    fetch = elsewhere._fetch

    def purged_meanwhile(*arguments: object) -> None:
        fetch(*arguments)  # type: ignore[arg-type]
        if Manifest(site.archive).entries()[-1].kind != "purge":
            site.purge([site.nat[0]])

    monkeypatch.setattr(elsewhere, "_fetch", purged_meanwhile)
    elsewhere.recall(site.archive, [site.nat[0]])
    assert site.nat[0] not in site.here()
    assert not list(site.archive.rglob("*.recalled"))


def test_a_new_machine_gets_all_of_it_back(site: Site) -> None:
    site.push()
    site.free()
    site.push()
    storer = site.storer("new")
    assert storer.fetch_lists()
    assert not storer.fetch_lists()
    archive = site.folder / "new" / "archive"
    assert elsewhere.recall(archive, list(Manifest(archive).committed().present())) == 4
    assert verify_archive(archive, site.keys).segments == 4
    assert storer.push(NOW) == 0


def test_a_folder_with_another_archive_is_refused(site: Site) -> None:
    site.push()
    other = site.storer("other")
    TableArchive(site.folder / "other" / "archive", "node").append(
        ADMIN, [{"received_at": NOON, "actor": "x"}]
    )
    with pytest.raises(Refused, match="holds another archive"):
        other.push(NOW)


def test_a_store_without_lists_brings_nothing_back(site: Site) -> None:
    with pytest.raises(Refused, match=r"holds no seals\.jsonl"):
        site.storer("new").fetch_lists()


def test_a_site_without_a_store_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"set \[store\] url"):
        Storer(Config.model_validate({"site": {"data_dir": tmp_path}}))


def test_a_full_disk_is_not_filled_by_a_question(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push()
    site.free()
    full = Room(used_percent=99, free_octets=1)
    monkeypatch.setattr(elsewhere, "room_of", lambda _path: full)
    with pytest.raises(BackendUnavailable, match="too full"):
        site.rows()


def test_a_question_that_would_fill_the_disk_is_not_begun(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 95 per cent on logins may be refused: nobody's question leads there."""
    site.push()
    site.free()
    octets = sum(entry.octets for entry in site.nat)
    room = Room(94, 6 * octets, 100 * octets)
    monkeypatch.setattr(elsewhere, "room_of", lambda _path: room)
    with pytest.raises(BackendUnavailable, match="ask about a shorter time"):
        elsewhere.recall(site.archive, site.nat)
    monkeypatch.setattr(elsewhere, "room_of", lambda _path: replace(room, free_octets=7 * octets))
    assert elsewhere.recall(site.archive, site.nat) == 2


def test_a_line_that_leads_out_of_the_archive_brings_nothing(site: Site) -> None:
    site.push()
    site.free()
    outside = replace(site.nat[0], path="../../out/of.parquet")
    with pytest.raises(BackendUnavailable, match="no path of the archive"):
        elsewhere.recall(site.archive, [outside])
    assert not (site.folder / "out").exists()


def test_a_segment_that_is_read_while_its_copy_is_compared_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push()
    compare = Storer._compare

    def read_meanwhile(storer: Storer, entry: Entry) -> None:
        compare(storer, entry)
        os.utime(site.archive / entry.path)

    monkeypatch.setattr(Storer, "_compare", read_meanwhile)
    assert site.free() == 0
    assert len(site.here()) == 4


def test_the_lists_follow_each_hour_and_name_nothing_that_is_not_there(site: Site) -> None:
    site.push()
    before = (site.store / "manifest.jsonl").read_bytes()
    site.add(4)
    site.storer().push(NOW + 60_000)
    assert (site.store / "manifest.jsonl").read_bytes() == before
    site.storer().push(NOW + 3_600_000)
    assert (site.store / "manifest.jsonl").read_bytes() == Manifest(site.archive).path.read_bytes()


def test_no_seal_is_there_whose_lines_are_not(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Storer._copy_lists

    def sealed_meanwhile(storer: Storer, lines: Lines, reached: int) -> None:
        site.add(6)
        site.seal()
        copy(storer, lines, reached)

    monkeypatch.setattr(Storer, "_copy_lists", sealed_meanwhile)
    site.push()
    assert len(read_seals(site.archive)) == 2
    assert len(read_seals(site.store)) == 1
    assert Manifest(site.store).committed().count() == 4


@pytest.mark.parametrize("harm", ["missing", "cut", "altered"])
def test_a_segment_that_is_damaged_here_keeps_no_other_from_being_copied(
    site: Site, harm: str
) -> None:
    path = site.archive / site.nat[0].path
    octets = path.read_bytes()
    harmed = {"cut": octets[:-1], "altered": octets[:-1] + bytes([octets[-1] ^ 1])}
    path.write_bytes(harmed[harm]) if harm in harmed else path.unlink()
    assert site.push() == 3
    assert site.push() == 0
    (why,) = site.storer().state().wrong.values()
    assert why.startswith(f"{site.nat[0].path}: ")
    assert not (site.store / site.nat[0].path).exists()
    assert site.free() == 1, "the other old one"
    assert list(site.storer().state().wrong) == [site.nat[0].path]
    assert path.exists() == (harm != "missing")
    with pytest.raises(ArchiveError, match=f"{site.nat[0].path}: is missing"):
        site.storer().compare()
    path.write_bytes(octets)
    site.free()
    assert site.storer().state().wrong == {}
    assert (site.store / site.nat[0].path).read_bytes() == octets


def test_a_copy_that_was_altered_is_remembered_and_looked_at_again_the_next_day(
    site: Site,
) -> None:
    site.push()
    site.flip(site.nat[0])
    with pytest.raises(ArchiveError, match="was altered"):
        site.free()
    state = site.storer().state()
    assert (list(state.wrong), state.freed_ms) == ([site.nat[0].path], NOW)
    site.push()
    assert site.storer().state().wrong == state.wrong
    site.flip(site.nat[0])
    assert site.free() == 1
    assert site.storer().state().wrong == {}


def test_with_too_many_that_are_damaged_the_disk_is_to_be_looked_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_MOST_WRONG", 1)
    for entry in site.nat:
        (site.archive / entry.path).unlink()
    with pytest.raises(ArchiveError, match=f"{site.nat[1].path}: is missing"):
        site.push()
    assert site.storer().state().seq == site.nat[0].seq


def test_what_was_purged_is_not_taken_from_the_folder_of_another_archive(site: Site) -> None:
    site.push()
    (site.store / "archive-id").write_bytes(b"another")
    site.purge([site.nat[0]])
    with pytest.raises(Refused, match="holds another archive"):
        site.storer().sweep()
    assert (site.store / site.nat[0].path).exists()


def test_a_store_that_takes_nothing_is_swept_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push()
    site.purge([site.nat[0]])
    site.add(7)

    def full(*_: object) -> None:
        raise BackendUnavailable("object store", "no room")

    monkeypatch.setattr(ObjectStore, "put", full)
    keeper = Storekeeper(site.config())
    assert not keeper.turn(NOW)
    assert not (site.store / site.nat[0].path).exists()
    assert "no room" in site.storer().state().error


def test_a_question_that_is_larger_than_the_room_brings_nothing_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push()
    site.free()
    octets = sum(entry.octets for entry in site.nat)
    monkeypatch.setattr(elsewhere, "room_of", lambda _path: Room(50, octets - 1))
    with pytest.raises(BackendUnavailable, match="ask about a shorter time"):
        elsewhere.recall(site.archive, site.nat)
    assert not set(site.nat) & set(site.here())


def test_the_room_is_looked_at_before_each_batch(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push()
    site.free()
    rooms = iter([Room(94, 1 << 30), Room(94, 1 << 30), Room(95, 1 << 30)])
    monkeypatch.setattr(elsewhere, "_BATCH", 1)
    monkeypatch.setattr(elsewhere, "room_of", lambda _path: next(rooms))
    with pytest.raises(BackendUnavailable, match="too full"):
        elsewhere.recall(site.archive, site.nat)
    assert len(set(site.nat) & set(site.here())) == 1


def test_what_is_under_way_has_the_room_that_it_will_take(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push()
    site.free()
    looked_at, fetch = threading.Event(), elsewhere._fetch
    wide = [Room(50, 1 << 30)] * 2  # for the question, and for its first batch

    def narrow_at_last(_path: Path) -> Room:
        if wide:
            return wide.pop()
        looked_at.set()
        return Room(50, sum(entry.octets for entry in site.nat) - 1)

    def slow(store: ObjectStore, entry: Entry, aside: Path) -> None:
        assert looked_at.wait(20)
        fetch(store, entry, aside)

    monkeypatch.setattr(elsewhere, "_BATCH", 1)
    monkeypatch.setattr(elsewhere, "room_of", narrow_at_last)
    monkeypatch.setattr(elsewhere, "_fetch", slow)
    with pytest.raises(BackendUnavailable, match="too full to bring 1 segments back"):
        elsewhere.recall(site.archive, site.nat)
    assert set(site.nat) & set(site.here()) == {site.nat[0]}


def test_of_an_object_that_has_grown_no_more_is_written_than_the_line_says(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push()
    site.free()
    with (site.store / site.nat[0].path).open("ab") as stream:
        stream.truncate(1 << 30)  # a sparse file
    written: list[int] = []
    fetch = elsewhere._fetch

    def measured(store: ObjectStore, entry: Entry, aside: Path) -> None:
        try:
            fetch(store, entry, aside)
        finally:
            written.append(aside.stat().st_size)

    monkeypatch.setattr(elsewhere, "_fetch", measured)
    with pytest.raises(ArchiveError, match="was altered in the object store: it has more than"):
        elsewhere.recall(site.archive, [site.nat[0]])
    assert written[0] <= site.nat[0].octets


def test_lists_and_identifier_that_cannot_be_ours_are_not_brought_here(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.push()
    identifier = (site.store / "archive-id").read_bytes()
    (site.store / "archive-id").write_bytes(bytes(2000))
    with pytest.raises(ArchiveError, match="archive-id: was altered"):
        site.push()
    (site.store / "archive-id").write_bytes(identifier)
    monkeypatch.setattr(storing, "_LIST_OCTETS", 100)
    with pytest.raises(ArchiveError, match="no list grows so long"):
        site.storer("new").fetch_lists()
    assert not list((site.folder / "new" / "archive").iterdir())
