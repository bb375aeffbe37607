"""Every way to tamper with the archive must be noticed and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.clock import unix_nanoseconds
from common.config import Config
from common.errors import ArchiveError, Refused
from common.metrics import Counters
from tests.vectors.flows.datagrams import Flow
from tests.vectors.flows.spools import flow_datagram, record, write_spool
from traffic.archive.entries import canonical, decode_entry, encode_entry, entry_hash
from traffic.archive.seals import make_seal, read_seals
from traffic.archive.verification import mark_verified, verified_at_ms, verify_archive
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.spool import closed_files
from traffic.collectors.tail import check_tail


def now_ms() -> int:
    return unix_nanoseconds() // 1_000_000


def make_keys(keys: Path) -> None:
    keys.mkdir(exist_ok=True)
    key = Ed25519PrivateKey.generate()
    seed = keys / "seal.key"
    seed.write_text(key.private_bytes_raw().hex())
    seed.chmod(0o600)
    (keys / "seal.pub").write_text(key.public_key().public_bytes_raw().hex() + "\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Three sealed segments; the last two were sealed together."""
    paths = CollectorPaths(tmp_path / "spool", tmp_path / "state", tmp_path / "archive", "node")
    paths.make()
    make_keys(tmp_path / "keys")
    archivist = Archivist(Config(), paths, Counters())
    archivist.recover()
    for number in (1, 2, 3):
        flows = [Flow(src_port=100 * number + row) for row in range(20)]
        write_spool(paths.spool, number, record(flow_datagram(flows, number)))
        archivist.consume(closed_files(paths.spool))
        if number != 2:
            make_seal(paths.archive, tmp_path / "keys", now_ms() + number)
    return tmp_path


def verify(site: Path) -> str:
    """The complaint, or nothing when the archive is whole."""
    try:
        verify_archive(site / "archive", site / "keys")
    except ArchiveError as error:
        return str(error)
    return ""


def segments(site: Path) -> list[Path]:
    return sorted((site / "archive").rglob("*.parquet"))


def manifest_lines(site: Path) -> list[bytes]:
    return (site / "archive" / "manifest.jsonl").read_bytes().splitlines(keepends=True)


def write_lines(site: Path, lines: list[bytes]) -> None:
    (site / "archive" / "manifest.jsonl").write_bytes(b"".join(lines))


def flip_octet(site: Path) -> None:
    path = segments(site)[1]
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


def truncate_segment(site: Path) -> None:
    path = segments(site)[0]
    path.write_bytes(path.read_bytes()[:-1])


def swap_segments(site: Path) -> None:
    first, second, _ = segments(site)
    aside = first.with_suffix(".x")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def copy_segment(site: Path) -> None:
    shutil.copy(segments(site)[0], segments(site)[0].with_name("extra.parquet"))


def alter_line(site: Path) -> None:
    lines = manifest_lines(site)
    lines[1] = lines[1].replace(b'"records":20', b'"records":21')
    write_lines(site, lines)


def forge_line(site: Path) -> None:
    """A forger who knows the format recomputes the hash of the line, and of those after it."""
    entries = [decode_entry(line, 0) for line in manifest_lines(site)]
    lines, prev = [], ""
    for entry in entries:
        changes = {name: getattr(entry, name) for name in type(entry).__slots__}
        changes["node"] = "forged"
        changes["prev"] = prev or entry.prev
        forged = type(entry)(**changes)
        forged = type(entry)(**{**changes, "hash": entry_hash(forged)})
        prev = forged.hash
        lines.append(encode_entry(forged))
    write_lines(site, lines)


def drop_middle_line(site: Path) -> None:
    lines = manifest_lines(site)
    write_lines(site, [lines[0], lines[2]])


def drop_last_line_and_its_segment(site: Path) -> None:
    write_lines(site, manifest_lines(site)[:-1])
    segments(site)[-1].unlink()


def swap_lines(site: Path) -> None:
    lines = manifest_lines(site)
    write_lines(site, [lines[1], lines[0], lines[2]])


def cut_manifest(site: Path) -> None:
    write_lines(site, [*manifest_lines(site)[:2], manifest_lines(site)[2][:50]])


def junk_line(site: Path) -> None:
    write_lines(site, [*manifest_lines(site), b"{}\n"])


def drop_seals(site: Path) -> None:
    (site / "archive" / "seals.jsonl").unlink()


def drop_first_seal(site: Path) -> None:
    path = site / "archive" / "seals.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])


def alter_seal(site: Path) -> None:
    path = site / "archive" / "seals.jsonl"
    first, second = path.read_bytes().splitlines()
    tree = json.loads(second)
    tree["at_ms"] += 1
    path.write_bytes(first + b"\n" + canonical(tree) + b"\n")


def another_key(site: Path) -> None:
    make_keys(site / "keys")


TAMPERINGS: list[tuple[Callable[[Path], object], str]] = [
    (flip_octet, "node-000000000002.parquet: was altered"),
    (truncate_segment, "node-000000000001.parquet: has"),
    (swap_segments, "node-000000000001.parquet: "),
    (lambda site: segments(site)[2].unlink(), "node-000000000003.parquet: is missing"),
    (copy_segment, "extra.parquet: is not in the manifest"),
    (alter_line, "line 2 was altered"),
    (forge_line, "is not the one that seal 1 covers"),
    (drop_middle_line, "line 2 says it is entry 3"),
    (drop_last_line_and_its_segment, "ends at line 2, but line 3 was sealed"),
    (swap_lines, "line 1 says it is entry 2"),
    (cut_manifest, "line 3 is cut short"),
    (junk_line, "line 4 is damaged"),
    (drop_seals, "nothing was ever sealed"),
    (drop_first_seal, "seal 1 does not follow"),
    (alter_seal, "seal 2 has no valid signature"),
    (another_key, "seal 1 has no valid signature"),
]


def test_a_whole_archive_is_told_so(site: Path) -> None:
    verified = verify_archive(site / "archive", site / "keys")
    assert (verified.segments, verified.records, verified.seals) == (3, 60, 2)
    assert verified.unsealed == 0
    mark_verified(site / "archive", 5000, verified)
    assert verified_at_ms(site / "archive") == 5000


@pytest.mark.parametrize(
    ("tamper", "complaint"), TAMPERINGS, ids=[text.split(":")[-1] for _, text in TAMPERINGS]
)
def test_tampering_is_named(site: Path, tamper: Callable[[Path], object], complaint: str) -> None:
    assert verify(site) == ""
    tamper(site)
    assert complaint in verify(site)


def test_every_octet_of_the_manifest_counts(site: Path) -> None:
    whole = (site / "archive" / "manifest.jsonl").read_bytes()
    for position in range(0, len(whole), 37):
        octets = bytearray(whole)
        octets[position] ^= 1
        (site / "archive" / "manifest.jsonl").write_bytes(octets)
        assert verify(site), position


def test_an_empty_archive_is_whole_but_cannot_be_sealed(tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    assert verify(tmp_path) == ""
    with pytest.raises(Refused):
        make_seal(tmp_path / "archive", tmp_path / "keys", 1)


def test_sealing_twice_seals_once(site: Path) -> None:
    before = read_seals(site / "archive")
    assert make_seal(site / "archive", site / "keys", now_ms()) == before[-1]
    assert read_seals(site / "archive") == before


def test_an_end_that_was_cut_off_is_noticed_by_the_decoders_state(site: Path) -> None:
    paths = CollectorPaths(site / "spool", site / "state", site / "archive", "node")
    check_tail(paths)
    manifest = site / "archive" / "manifest.jsonl"
    whole = manifest.read_bytes()
    manifest.write_bytes(b"".join(whole.splitlines(keepends=True)[:1]))
    with pytest.raises(ArchiveError, match="ends at spool 1, but spool 3 was archived"):
        check_tail(paths)
    manifest.unlink()
    with pytest.raises(ArchiveError, match="ends at spool 0"):
        check_tail(paths)
    manifest.write_bytes(whole)
    # A commit that was cut by a crash: its spool is still there to be done again.
    (site / "state" / "state-000000000004.json").write_text("{}")
    write_spool(site / "spool", 4, record(flow_datagram([Flow()], 4)))
    check_tail(paths)


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        pytest.param(
            "seals.jsonl", b'{"seq":1,"hash":"","at_ms":1,"prev":"","signature":[]}', id="a"
        ),
        pytest.param("seals.jsonl", b"[" * 100_000, id="deep-seal"),
        pytest.param("manifest.jsonl", b"[" * 100_000, id="deep-line"),
        pytest.param("manifest.jsonl", b"5", id="a-number"),
    ],
)
def test_what_is_not_ours_is_an_answer_not_a_crash(site: Path, name: str, octets: bytes) -> None:
    (site / "archive" / name).write_bytes(octets + b"\n")
    with pytest.raises(ArchiveError):
        verify_archive(site / "archive", site / "keys")
