"""What was counted up to a seal is counted once, and is believed only where everything agrees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import ArchiveError
from tests.unit.traffic.archive.test_verification import make_keys
from traffic.archive.checkpoint import NAME, read_checkpoint
from traffic.archive.entries import Entry, GapNote, canonical
from traffic.archive.lines import Lines
from traffic.archive.manifest import Manifest
from traffic.archive.proofs import leaf_hash, root_of
from traffic.archive.seals import make_seal, read_public_key, read_seals
from traffic.archive.status import archive_status

NOON = 1_795_000_000_000
HOUR_MS = 3_600_000


class World:
    """An archive of lines without segments, and its keys."""

    def __init__(self, folder: Path) -> None:
        self.archive, self.keys = folder / "archive", folder / "keys"
        self.manifest = Manifest(self.archive)
        self.archive.mkdir()
        make_keys(self.keys)
        self.number = 0

    def add(self, lines: int) -> None:
        for _ in range(lines):
            self.number += 1
            gap = GapNote(source="x", from_ms=1, to_ms=2, lost=self.number, reason="sequence")
            entry = Entry(
                kind="flow" if self.number % 3 else "lease",
                node="node",
                path=f"flow/{self.number}.parquet",
                records=self.number,
                octets=10 * self.number,
                received_min_ms=NOON + self.number,
                received_max_ms=NOON + 2 * self.number,
                gaps=(gap,) if self.number % 5 == 0 else (),
                written_ms=NOON,
            )
            self.manifest.append([entry])

    def purge(self, *numbers: int) -> None:
        paths = tuple(f"flow/{number}.parquet" for number in numbers)
        self.manifest.append([Entry(kind="purge", node="n", removed=paths, written_ms=NOON)])

    def seal(self, hours: int) -> None:
        make_seal(self.archive, self.keys, NOON + hours * HOUR_MS)

    def known(self) -> bool:
        lines = self.manifest.committed()
        key = read_public_key(self.keys)
        return read_checkpoint(self.archive, lines, read_seals(self.archive), key) is not None

    def status(self, keys: Path | None) -> dict[str, object]:
        return archive_status(self.archive, "UTC", keys)


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.add(20)
    made.seal(0)
    made.add(7)
    return made


def test_a_seal_signs_the_same_head_with_and_without_what_was_counted(world: World) -> None:
    assert world.known()
    world.seal(1)
    leaves = [leaf_hash(line) for line in world.manifest.lines()]
    assert read_seals(world.archive)[-1].root == root_of(leaves).hex()
    (world.archive / NAME).unlink()
    world.add(3)
    world.seal(2)
    leaves = [leaf_hash(line) for line in world.manifest.lines()]
    assert read_seals(world.archive)[-1].root == root_of(leaves).hex()


def test_the_status_is_the_same_with_and_without_what_was_counted(world: World) -> None:
    assert world.status(world.keys) == world.status(None)
    world.purge(2, 9)
    assert world.status(world.keys) == world.status(None)
    world.seal(1)
    world.add(4)
    assert world.status(world.keys) == world.status(None)
    assert world.status(None)["purged_segments"] == 2


def test_lines_before_the_last_seal_are_not_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    raw = Lines.raw

    def watched(lines: Lines) -> object:
        begun.append(lines.before)
        return raw(lines)

    monkeypatch.setattr(Lines, "raw", watched)
    world.status(world.keys)
    world.seal(1)
    assert begun
    assert set(begun) == {20}


def test_a_line_that_was_altered_under_a_seal_is_not_signed_as_it_is_now(world: World) -> None:
    before = [leaf_hash(line) for line in world.manifest.lines()]
    octets = world.manifest.path.read_bytes()
    world.manifest.path.write_bytes(octets.replace(b'"records":3,', b'"records":4,', 1))
    world.seal(1)
    assert read_seals(world.archive)[-1].root == root_of(before).hex()


def alter(name: str, value: object) -> Callable[[World], None]:
    def act(world: World) -> None:
        path = world.archive / NAME
        path.write_bytes(canonical(json.loads(path.read_bytes()) | {name: value}))

    return act


def of_another_site(world: World) -> None:
    make_keys(world.keys)


def without_its_seal(world: World) -> None:
    (world.archive / "seals.jsonl").write_bytes(b"")


def with_another_line_there(world: World) -> None:
    octets = world.manifest.path.read_bytes()
    *_, last = octets.split(b"\n")[:20]
    world.manifest.path.write_bytes(octets.replace(last, last.replace(b'"hash":"', b'"hash":"0')))


def behind_the_end(world: World) -> None:
    octets = world.manifest.path.read_bytes()
    world.manifest.path.write_bytes(b"".join(octets.splitlines(keepends=True)[:19]))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(alter("seq", 19), id="another line"),
        pytest.param(alter("octets", 0), id="another place"),
        pytest.param(alter("peaks", []), id="another tree"),
        pytest.param(alter("summary", {}), id="other sums"),
        pytest.param(alter("signature", "00" * 64), id="no signature"),
        pytest.param(of_another_site, id="another key"),
        pytest.param(without_its_seal, id="no seal"),
        pytest.param(with_another_line_there, id="another line there"),
        pytest.param(behind_the_end, id="behind the end"),
    ],
)
def test_what_does_not_agree_counts_for_nothing(
    world: World, spoil: Callable[[World], None]
) -> None:
    assert world.known()
    spoil(world)
    assert not world.known()


def test_an_earlier_checkpoint_is_as_true_as_a_later_one(world: World) -> None:
    earlier = (world.archive / NAME).read_bytes()
    world.seal(1)
    (world.archive / NAME).write_bytes(earlier)
    assert world.known()
    assert world.status(world.keys) == world.status(None)


def test_a_full_disk_costs_the_checkpoint_and_not_the_seal(world: World) -> None:
    (world.archive / NAME).unlink()
    (world.archive / NAME).mkdir()
    world.seal(1)
    assert read_seals(world.archive)[-1].seq == 27
    assert not world.known()
    with pytest.raises(ArchiveError, match="behind the last seal"):
        world.seal(0)


def test_a_damaged_line_does_not_keep_the_end_from_being_sealed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic.archive.manifest._TAIL_OCTETS", 2_000)
    (world.archive / NAME).unlink()
    octets = world.manifest.path.read_bytes()
    world.manifest.path.write_bytes(octets.replace(b'{"active', b"{#active", 1))
    world.seal(1)
    assert read_seals(world.archive)[-1].seq == 27
    assert not world.known()
