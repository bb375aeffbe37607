"""What seals may say of time and purges, old seals beside new ones, and the heartbeat."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import ArchiveError
from traffic.archive import verification
from traffic.archive.entries import GENESIS, Entry, canonical
from traffic.archive.kinds import ADMIN
from traffic.archive.manifest import Manifest
from traffic.archive.proving import prove
from traffic.archive.seals import HEARTBEAT_MS, make_seal, message, read_seals, seal_hash
from traffic.archive.status import archive_status
from traffic.archive.tables import TableArchive
from traffic.archive.tampering import make_keys
from traffic.archive.verification import Verified, verify_archive

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
NOW_MS = 1_780_000_000_000


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive whose clock is ours."""
    make_keys(tmp_path / "keys")
    monkeypatch.setattr("common.clock.unix_nanoseconds", lambda: NOW_MS * 1_000_000)
    return tmp_path


def at(monkeypatch: pytest.MonkeyPatch, moment_ms: int) -> int:
    monkeypatch.setattr("common.clock.unix_nanoseconds", lambda: moment_ms * 1_000_000)
    return moment_ms


def store(site: Path, received_ms: int = NOW_MS) -> Entry:
    rows = [{"received_at": received_ms, "actor": "an officer"}]
    (entry,) = TableArchive(site / "archive", "node").append(ADMIN, rows)
    return entry


def seal(site: Path, moment_ms: int = NOW_MS, note: str = "") -> None:
    make_seal(site / "archive", site / "keys", moment_ms, clock_note=note)


def verify(site: Path, now_ms: int | None = None) -> Verified:
    return verify_archive(site / "archive", site / "keys", now_ms=now_ms)


def purge(site: Path, *paths: str, written_ms: int = NOW_MS, kind: str = "purge") -> None:
    manifest = Manifest(site / "archive")
    with manifest.locked():
        manifest.append([Entry(kind=kind, node="node", removed=paths, written_ms=written_ms)])


def remove(site: Path, path: str) -> None:
    (site / "archive" / path).unlink()


def test_a_purge_after_the_floor_is_right(site: Path) -> None:
    old, new = store(site, NOW_MS - 91 * DAY_MS), store(site)
    purge(site, old.path)
    remove(site, old.path)
    seal(site)
    found = verify(site, NOW_MS)
    assert (found.purged, found.segments, found.records, found.octets) == (1, 1, 1, new.octets)
    status = archive_status(site / "archive", "Asia/Bangkok")
    assert status["kinds"]["admin"]["segments"] == 1


@pytest.mark.parametrize("days", [0, 1, 89])
def test_a_purge_below_the_floor_is_none(site: Path, days: int) -> None:
    entry = store(site, NOW_MS - days * DAY_MS)
    purge(site, entry.path)
    remove(site, entry.path)
    seal(site)
    with pytest.raises(ArchiveError, match="within 90 days of receipt"):
        verify(site)


@pytest.mark.parametrize("sealed_ahead", [False, True])
def test_a_clock_put_ahead_and_declared_makes_no_record_old(
    site: Path, monkeypatch: pytest.MonkeyPatch, sealed_ahead: bool
) -> None:
    entry = store(site)
    seal(site)
    ahead = at(monkeypatch, NOW_MS + 100 * DAY_MS)
    purge(site, entry.path, written_ms=ahead)
    remove(site, entry.path)
    if sealed_ahead:
        seal(site, ahead)
    seal(site, NOW_MS + HOUR_MS, "the clock ran ahead")
    with pytest.raises(ArchiveError, match="within 90 days of receipt"):
        verify(site)


def test_what_was_old_enough_was_purged_rightly_by_a_clock_that_ran_ahead(site: Path) -> None:
    entry = store(site, NOW_MS - 91 * DAY_MS)
    purge(site, entry.path, written_ms=NOW_MS + DAY_MS)
    remove(site, entry.path)
    seal(site, NOW_MS + DAY_MS)
    seal(site, NOW_MS, "the clock ran ahead")
    assert verify(site).purged == 1


def test_a_purge_beside_verification_is_no_loss_and_a_deletion_by_hand_is(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, other = store(site, NOW_MS - 91 * DAY_MS), store(site)
    seal(site)
    true_snapshot = verification.take_snapshot

    def purged_meanwhile(archive: Path) -> verification.Snapshot:
        found = true_snapshot(archive)
        purge(site, old.path)
        remove(site, old.path)
        return found

    with monkeypatch.context() as beside:
        beside.setattr(verification, "take_snapshot", purged_meanwhile)
        found = verify(site)
    assert (found.segments, found.purged) == (1, 1)

    def deleted_meanwhile(archive: Path) -> verification.Snapshot:
        found = true_snapshot(archive)
        remove(site, other.path)
        return found

    monkeypatch.setattr(verification, "take_snapshot", deleted_meanwhile)
    with pytest.raises(ArchiveError, match="is missing"):
        verify(site)


def test_a_seal_that_waited_for_the_archive_takes_its_time_when_it_has_it(site: Path) -> None:
    store(site)
    looked: list[bool] = []

    def clock() -> int:
        with (site / "archive" / ".lock").open() as beside:
            try:
                fcntl.flock(beside, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                looked.append(True)
        return NOW_MS

    assert make_seal(site / "archive", site / "keys", clock).at_ms == NOW_MS
    assert looked == [True]


def test_a_purged_file_that_is_still_there_is_named(site: Path) -> None:
    entry = store(site, NOW_MS - 91 * DAY_MS)
    purge(site, entry.path)
    seal(site)
    with pytest.raises(ArchiveError, match="is still there, though line 2 purged it"):
        verify(site)


def test_only_a_purge_takes_away_and_only_what_was_listed(site: Path) -> None:
    entry = store(site, NOW_MS - 91 * DAY_MS)
    remove(site, entry.path)
    purge(site, entry.path, kind="admin")
    seal(site)
    with pytest.raises(ArchiveError, match="line 2 removes segments but is no purge"):
        verify(site)


def test_what_was_never_listed_cannot_be_purged(site: Path) -> None:
    purge(site, "admin/never.parquet")
    seal(site)
    with pytest.raises(ArchiveError, match="was purged by line 1 before it was listed"):
        verify(site)


def test_a_purge_that_nobody_sealed_yet_counts(site: Path) -> None:
    entry = store(site, NOW_MS - 91 * DAY_MS)
    seal(site)
    purge(site, entry.path)
    remove(site, entry.path)
    assert verify(site, NOW_MS).unsealed == 1


def test_a_purged_segment_can_still_be_proven(site: Path) -> None:
    entry = store(site, NOW_MS - 91 * DAY_MS)
    purge(site, entry.path)
    remove(site, entry.path)
    seal(site)
    _, proven = prove(site / "archive", site / "keys", entry.path)
    assert (proven.seq, proven.sealed_seq) == (1, 2)


def test_the_end_is_sealed_again_when_nothing_came(site: Path) -> None:
    store(site)
    seal(site)
    seal(site, NOW_MS + HEARTBEAT_MS - 1)
    assert len(read_seals(site / "archive")) == 1
    seal(site, NOW_MS + HEARTBEAT_MS)
    first, second = read_seals(site / "archive")
    assert (first.seq, first.root) == (second.seq, second.root)
    assert verify(site, NOW_MS + HEARTBEAT_MS).seals == 2


def test_a_day_and_an_hour_without_a_seal_fails(site: Path) -> None:
    store(site)
    seal(site)
    verify(site, NOW_MS + 25 * HOUR_MS)
    with pytest.raises(ArchiveError, match="nothing was sealed for 25 hours"):
        verify(site, NOW_MS + 25 * HOUR_MS + 1)


def test_a_seal_of_the_future_fails(site: Path) -> None:
    store(site)
    seal(site)
    verify(site, NOW_MS - 120_000)
    with pytest.raises(ArchiveError, match="lies in the future"):
        verify(site, NOW_MS - 120_001)


def test_a_clock_that_is_behind_makes_no_seal(site: Path) -> None:
    store(site)
    seal(site)
    seal(site, NOW_MS - 119_000)
    with pytest.raises(ArchiveError, match="the clock is 121 s behind the last seal"):
        seal(site, NOW_MS - 121_000)
    seal(site, NOW_MS - HOUR_MS, "the clock ran ahead")
    (declared,) = verify(site).declared
    assert (declared.seal, declared.reason) == (2, "the clock ran ahead")


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_line_by_another_clock_than_its_seals_is_named(
    site: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    store(site)
    seal(site)
    at(monkeypatch, NOW_MS + hours * HOUR_MS)
    store(site)
    with pytest.raises(ArchiveError) as caught:
        verify(site, NOW_MS) if hours < 0 else seal_and_verify(site)
    assert "line 2" in str(caught.value)
    if hours < 0:
        seal_quietly(site)
        with pytest.raises(ArchiveError, match="line 2 was written by another clock"):
            verify(site)


def seal_and_verify(site: Path) -> None:
    seal_quietly(site)
    verify(site)


def seal_quietly(site: Path) -> None:
    seal(site, NOW_MS + 1000)


def test_a_span_without_seals_is_listed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(site)
    seal(site)
    later = at(monkeypatch, NOW_MS + 3 * DAY_MS)
    store(site)
    seal(site, later)
    (silence,) = verify(site, later).silences
    assert (silence.from_ms, silence.to_ms) == (NOW_MS, later)


def old_seal(site: Path, prev: str = GENESIS) -> str:
    """A seal as releases before the tree head made it."""
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex((site / "keys" / "seal.key").read_text())
    )
    last = Manifest(site / "archive").last()
    assert last is not None
    tree: dict[str, Any] = {"seq": last.seq, "hash": last.hash, "at_ms": NOW_MS, "prev": prev}
    tree["signature"] = key.sign(b"yuenyan-seal-1\n" + canonical(tree)).hex()
    with (site / "archive" / "seals.jsonl").open("ab") as stream:
        stream.write(canonical(tree) + b"\n")
    return seal_hash(read_seals(site / "archive")[-1])


def test_old_seals_stay_valid_and_new_ones_cover_their_lines(site: Path) -> None:
    first = store(site)
    old_seal(site)
    assert verify(site).seals == 1
    store(site)
    seal(site)
    assert [bool(one.root) for one in read_seals(site / "archive")] == [False, True]
    assert verify(site).seals == 2
    _, proven = prove(site / "archive", site / "keys", first.path)
    assert proven.sealed_seq == 2


def test_an_old_seal_behind_a_new_one_is_none(site: Path) -> None:
    store(site)
    seal(site)
    store(site)
    old_seal(site, seal_hash(read_seals(site / "archive")[0]))
    with pytest.raises(ArchiveError, match="seal 2 has no tree head"):
        verify(site)


def test_a_tree_head_signed_over_other_lines_is_named(site: Path) -> None:
    store(site)
    seal(site)
    key = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex((site / "keys" / "seal.key").read_text())
    )
    (true,) = read_seals(site / "archive")
    bare = replace(true, root="ab" * 32, signature="")
    forged = {**asdict(bare), "signature": key.sign(message(bare)).hex()}
    del forged["note"]
    (site / "archive" / "seals.jsonl").write_bytes(canonical(forged) + b"\n")
    with pytest.raises(ArchiveError, match="is not the list whose tree head seal 1 signs"):
        verify(site)


def test_half_a_seal_of_a_full_disk_does_not_stop_sealing(site: Path) -> None:
    store(site)
    seal(site)
    path = site / "archive" / "seals.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:50])
    with pytest.raises(ArchiveError, match="line 2 is cut short"):
        verify(site)
    store(site)
    seal(site)
    assert verify(site).seals == 2


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(json.dumps, id="spaces"),
        pytest.param(lambda tree: json.dumps(dict(reversed(tree.items()))), id="order"),
        pytest.param(lambda tree: canonical({**tree, "note": ""}).decode(), id="empty note"),
        pytest.param(lambda tree: canonical({**tree, "seq": True}).decode(), id="boolean"),
        pytest.param(lambda tree: canonical({**tree, "seq": 1.0}).decode(), id="float"),
    ],
)
def test_a_seal_has_one_form(site: Path, write: Callable[[dict[str, Any]], str]) -> None:
    store(site)
    seal(site)
    path = site / "archive" / "seals.jsonl"
    path.write_text(write(json.loads(path.read_bytes())) + "\n")
    with pytest.raises(ArchiveError, match="line 1 is damaged"):
        read_seals(site / "archive")


def test_a_line_has_one_form(site: Path) -> None:
    store(site)
    seal(site)
    path = site / "archive" / "manifest.jsonl"
    path.write_text(json.dumps(json.loads(path.read_bytes())) + "\n")
    with pytest.raises(ArchiveError, match="line 1 was altered"):
        verify(site)
