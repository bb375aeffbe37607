"""Segments in the object store stay there for a question that they hold nothing of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from ipaddress import ip_address, ip_network
from pathlib import Path

import numpy as np
import pytest

from common.config import Config
from common.disk import Room
from common.errors import ArchiveError, BackendUnavailable
from tests.unit.traffic.archive.test_verification import make_keys
from traffic.archive import elsewhere, unread
from traffic.archive.about import About, FlowsOf
from traffic.archive.entries import Entry
from traffic.archive.inside import Inside
from traffic.archive.manifest import Manifest
from traffic.archive.mentions import Where, read_where
from traffic.archive.reading import Asked, FlowReader
from traffic.archive.seals import make_seal
from traffic.archive.segments import SegmentWriter
from traffic.archive.store import ObjectStore
from traffic.archive.unread import leave_out, mentions_file
from traffic.archive.verification import verify_archive
from traffic.decoders.batch import FlowBatch
from traffic.keeping.policy import Plan
from traffic.keeping.purge import Purger
from traffic.keeping.storing import Storer

BASE_MS = 1_790_000_000_000
MINUTE_MS = 60_000
NOW = BASE_MS + 60 * 86_400_000
INSIDE = Inside(Config().collector.inside)
PUBLIC = ip_address("203.0.113.7")
HERE = "flow/date=2026-09-21/hour=13"


class Site:
    """Three segments of a minute, of one client more in each, that have left for a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store"
        self.store.mkdir()
        make_keys(folder / "keys")
        data = folder / "var"
        data.mkdir()
        self.config = Config.model_validate(
            {"site": {"data_dir": data}, "store": {"url": f"file://{self.store}"}}
        )
        self.archive = data / "archive"
        clients = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
        self.entries = [self.add(minute, clients[minute:]) for minute in range(3)]

    def add(
        self, minute: int, clients: Sequence[str], port: int = 0, inside: Inside = INSIDE
    ) -> Entry:
        """A segment; with `port`, of translations to that port outside that were made."""
        rows = len(clients)
        at = np.full(rows, BASE_MS + minute * MINUTE_MS)
        columns = {
            **dict.fromkeys(("received_ms", "exported_ms", "start_ms", "end_ms"), at),
            "exporter": np.zeros(rows, np.uint32),
            "src4": np.array([int(ip_address(one)) for one in clients], np.uint32),
            "dst4": np.full(rows, int(ip_address("198.51.100.7")), np.uint32),
            "src_port": np.arange(rows, dtype=np.uint16),
        }
        if port:
            columns |= {
                "nat_src4": np.full(rows, int(PUBLIC), np.uint32),
                "nat_src_port": np.full(rows, port, np.uint16),
                "nat_event": np.ones(rows, np.uint8),
            }
        segment = SegmentWriter(self.archive, inside).write(
            FlowBatch(rows, columns, ("192.0.2.1",)), f"{HERE}/node-{minute:012d}.parquet"
        )
        manifest = Manifest(self.archive)
        with manifest.locked():
            (entry,) = manifest.append([Entry(kind="flow", node="node", **asdict(segment))])
        return entry

    def leave(self) -> None:
        make_seal(self.archive, self.folder / "keys", NOW)
        storer = Storer(self.config)
        storer.push(NOW)
        for path in self.archive.rglob("*.parquet"):
            os.utime(path, (1, 1))
        storer.free(NOW)

    def here(self) -> list[int]:
        """The minutes whose segment is on this disk."""
        return [
            number
            for number, entry in enumerate(self.entries)
            if (self.archive / entry.path).exists()
        ]

    def flows(self, address: str, inside: Inside = INSIDE) -> int:
        asked = Asked(ip_network(address), BASE_MS, BASE_MS + 3 * MINUTE_MS)
        return len(FlowReader(self.archive, inside).find_flows([asked], 100)[0])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.leave()
    assert made.here() == []
    return made


def test_only_what_may_hold_the_client_comes_back(site: Site) -> None:
    assert site.flows("10.0.0.9") == 0
    assert site.here() == []
    assert site.flows("10.0.0.1") == 1
    assert site.here() == [0]
    assert site.flows("10.0.0.2") == 2
    assert site.here() == [0, 1]
    assert site.flows("10.0.0.0/30") == 6
    assert site.here() == [0, 1, 2]


def test_a_store_that_is_away_is_missed_only_where_it_is_needed(site: Site) -> None:
    site.store.rename(site.folder / "unplugged")
    assert site.flows("10.0.0.9") == 0
    with pytest.raises((BackendUnavailable, ArchiveError)):
        site.flows("10.0.0.1")


def test_a_question_for_somebody_outside_or_by_other_prefixes_has_all_of_them(site: Site) -> None:
    assert site.flows("10.0.0.9", Inside(("10.0.0.0/16",))) == 0
    assert site.here() == [0, 1, 2]
    site.leave()
    assert site.flows("198.51.100.7") == 6
    assert site.here() == [0, 1, 2]


def test_a_prefix_that_begins_and_ends_inside_is_not_all_inside(tmp_path: Path) -> None:
    """Of who is between two inside prefixes no segment tells, and none is sorted by them."""
    site = Site(tmp_path)
    ends = Inside(("198.51.100.0/32", "198.51.100.15/32"))
    site.entries = [site.add(3, ("203.0.113.9",), inside=ends)]  # to 198.51.100.7
    for _ in ("here", "away"):
        assert site.flows("198.51.100.0/28", ends) == 7
        site.leave()


def test_what_was_written_over_on_this_disk_hides_nobody(site: Site) -> None:
    """Whoever owns the disk puts the mentions of a minute without the client in its place."""
    first, _, last = (mentions_file(site.archive, entry.path) for entry in site.entries)
    first.write_bytes(last.read_bytes())
    assert site.flows("10.0.0.1") == 1
    first.write_bytes(b"")
    site.leave()
    assert mentions_file(site.archive, site.entries[0].path).stat().st_size > 0
    first.unlink()
    assert site.flows("10.0.0.1") == 1


def test_of_two_days_of_events_those_about_the_port_come_back(site: Site) -> None:
    for minute, port in enumerate((4000, 4001, 4000, 4002), 3):
        site.entries.append(site.add(minute, ("10.0.0.1",), port))
    site.leave()

    def events(port: int | None) -> int:
        reader = FlowReader(site.archive, INSIDE)
        span = BASE_MS, BASE_MS + 9 * MINUTE_MS
        return len(reader.find_translations(PUBLIC, port, (), *span, 100, events=True)[0])

    assert events(5000) == 0
    assert site.here() == []
    assert events(4000) == 2
    assert site.here() == [3, 5]
    assert events(None) == 4
    assert site.here() == [3, 4, 5, 6]


def test_a_persons_month_comes_back_at_once_or_not_at_all(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who had another address in each of three spans."""
    addresses = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    asked = [
        Asked(ip_network(address), BASE_MS + minute * MINUTE_MS, BASE_MS + minute * MINUTE_MS + 9)
        for minute, address in enumerate(addresses)
    ]
    room = sum(entry.octets for entry in site.entries) - 1
    monkeypatch.setattr(elsewhere, "room_of", lambda _path: Room(50, room))
    with pytest.raises(BackendUnavailable, match="too full to bring 3 segments back"):
        FlowReader(site.archive, INSIDE).find_flows(asked, 100)
    assert site.here() == []
    monkeypatch.setattr(elsewhere, "room_of", lambda _path: Room(50, room + 1))
    assert len(FlowReader(site.archive, INSIDE).find_flows(asked, 100)[0]) == 3


def asked_for(address: str) -> About:
    return FlowsOf(ip_network(address), INSIDE.digest)


def without_mentions_here(site: Site) -> None:
    for entry in site.entries:
        mentions_file(site.archive, entry.path).unlink()


def test_of_a_large_segment_that_part_alone_is_asked_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a new machine, which has the lists and no segment."""
    without_mentions_here(site)
    assert leave_out(site.archive, site.entries, asked_for("10.0.0.9")) == site.entries
    monkeypatch.setattr(unread, "_LARGE_OCTETS", 1)
    assert leave_out(site.archive, site.entries, asked_for("10.0.0.9")) == []
    assert site.here() == []
    monkeypatch.setattr(ObjectStore, "part", None)  # they are kept
    assert leave_out(site.archive, site.entries, asked_for("10.0.0.1")) == site.entries[:1]


def test_a_large_object_whose_part_was_altered_is_fetched_and_named(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_mentions_here(site)
    monkeypatch.setattr(unread, "_LARGE_OCTETS", 1)
    first, _, last = (site.store / entry.path for entry in site.entries)
    where = [read_where(site.entries[number].mentions) for number in (0, 2)]
    assert where[0] is not None
    assert where[1] is not None
    octets = bytearray(first.read_bytes())
    theirs = last.read_bytes()[where[1].at :][: where[1].octets]
    octets[where[0].at : where[0].at + where[0].octets] = theirs.ljust(where[0].octets, b"\0")
    first.write_bytes(octets[: site.entries[0].octets])
    with pytest.raises(ArchiveError, match=f"{site.entries[0].path}: was altered"):
        site.flows("10.0.0.1")


def test_a_large_object_that_is_not_there_is_named(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_mentions_here(site)
    monkeypatch.setattr(unread, "_LARGE_OCTETS", 1)
    (site.store / site.entries[0].path).unlink()
    with pytest.raises(ArchiveError, match=f"{site.entries[0].path}: is missing"):
        site.flows("10.0.0.9")


def test_a_line_whose_mentions_were_altered_does_not_verify(site: Site) -> None:
    manifest = site.archive / "manifest.jsonl"
    text = manifest.read_text(encoding="utf-8")
    own, theirs = site.entries[0].mentions, site.entries[2].mentions
    assert own != theirs
    manifest.write_text(text.replace(own, theirs, 1), encoding="utf-8")
    with pytest.raises(ArchiveError, match=r"manifest\.jsonl: line 1 was altered"):
        verify_archive(site.archive, site.folder / "keys")


def test_segments_from_before_are_fetched_as_ever(site: Site) -> None:
    older = [replace(entry, mentions="") for entry in site.entries]
    assert leave_out(site.archive, older, asked_for("10.0.0.9")) == older


def test_what_a_later_version_wrote_is_not_understood_and_rules_nothing_out(site: Site) -> None:
    (first, *_) = site.entries
    octets = b"YYnames9" + bytes(40)
    mentions_file(site.archive, first.path).write_bytes(octets)
    digest = Where(0, len(octets), sha256(octets).hexdigest())
    assert leave_out(site.archive, [replace(first, mentions=digest.text)], asked_for("10.9.9.9"))


def test_a_purge_takes_away_what_was_kept_too(site: Site) -> None:
    purger = Purger(site.archive, "node")
    purger.carry_out(Plan(due=tuple(site.entries[:2])), lambda: NOW)
    assert [path.stem for path in site.archive.rglob("*.mentions")] == ["node-000000000002"]
    mentions_file(site.archive, site.entries[0].path).write_bytes(b"came late")
    purger.finish()
    assert [path.stem for path in site.archive.rglob("*.mentions")] == ["node-000000000002"]


def test_the_archive_is_whole_beside_what_is_kept(site: Site) -> None:
    found = verify_archive(site.archive, site.folder / "keys")
    assert (found.segments, found.away) == (3, 3)
    site.flows("10.0.0.1")
    assert verify_archive(site.archive, site.folder / "keys").away == 2
