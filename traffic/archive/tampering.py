"""Every known way to tamper with an archive, done to a copy: the self-test must catch each.

Each way takes what its adversary has: the files, and for some the sealing key as well. None
has the witness. Refuses to touch anything but a sample it made itself.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import Refused
from common.secret import write_secret_file
from traffic.archive.entries import GENESIS, Entry, encode_entry, entry_hash
from traffic.archive.manifest import NAME as MANIFEST
from traffic.archive.manifest import Manifest
from traffic.archive.proofs import Tree, leaf_hash
from traffic.archive.seals import KEY_FILE, PUBLIC_FILE, encode_seal, message, read_seals, seal_hash
from traffic.archive.seals import NAME as SEALS

MARK = ".sample"
_HOUR_MS = 3_600_000


@dataclass(slots=True)
class Sample:
    """A small archive in a scratch folder, with a key and a witness of its own."""

    folder: Path
    now_ms: int

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def witness(self) -> Path:
        return self.folder / "witness.jsonl"

    def copy(self, folder: Path) -> Sample:
        """The same sample in another folder."""
        shutil.copytree(self.folder, folder)
        return Sample(folder, self.now_ms)


@dataclass(frozen=True, slots=True)
class Tampering:
    """One way, and whether only a witness can tell."""

    do: Callable[[Sample], None]
    witness: bool = False


def tamper(sample: Sample, way: str) -> None:
    """Do it to `sample`.

    Raises:
        Refused: this is no sample.
    """
    if not (sample.folder / MARK).exists():
        raise Refused(f"{sample.folder} is no sample; nothing else is ever tampered with")
    WAYS[way].do(sample)


def make_keys(keys: Path) -> None:
    """A new sealing key in a folder; the one that was there is gone."""
    keys.mkdir(mode=0o700, exist_ok=True)
    (keys / KEY_FILE).unlink(missing_ok=True)
    key = Ed25519PrivateKey.generate()
    write_secret_file(keys / KEY_FILE, key.private_bytes_raw().hex().encode())
    (keys / PUBLIC_FILE).write_text(key.public_key().public_bytes_raw().hex() + "\n")


def rechain(sample: Sample, entries: list[Entry]) -> None:
    """Write the manifest anew with hashes that fit."""
    prev, lines = GENESIS, []
    for seq, entry in enumerate(entries, 1):
        bare = replace(entry, seq=seq, prev=prev)
        whole = replace(bare, hash=entry_hash(bare))
        prev = whole.hash
        lines.append(encode_entry(whole))
    (sample.archive / MANIFEST).write_bytes(b"".join(lines))


def resign(sample: Sample) -> None:
    """Make every seal anew over what the manifest says now, with the true key."""
    seed = bytes.fromhex((sample.keys / KEY_FILE).read_text())
    key = Ed25519PrivateKey.from_private_bytes(seed)
    lines = Manifest(sample.archive).lines()
    hashes = [entry.hash for entry in _entries(sample)]
    prev, made = GENESIS, b""
    for seal in read_seals(sample.archive):
        seq = min(seal.seq, len(lines))
        tree = Tree()
        for line in lines[:seq]:
            tree.append(leaf_hash(line))
        bare = replace(
            seal, seq=seq, hash=hashes[seq - 1], root=tree.root().hex(), prev=prev, signature=""
        )
        forged = replace(bare, signature=key.sign(message(bare)).hex())
        prev = seal_hash(forged)
        made += encode_seal(forged) + b"\n"
    (sample.archive / SEALS).write_bytes(made)


def _entries(sample: Sample) -> list[Entry]:
    return Manifest(sample.archive).entries()


def _segments(sample: Sample) -> list[Path]:
    return [sample.archive / entry.path for entry in _entries(sample) if entry.path]


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def _flip(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


def _flip_segment(sample: Sample) -> None:
    _flip(_segments(sample)[0])


def _cut_segment(sample: Sample) -> None:
    path = _segments(sample)[0]
    path.write_bytes(path.read_bytes()[:-1])


def _lose_segment(sample: Sample) -> None:
    _segments(sample)[0].unlink()


def _swap_segments(sample: Sample) -> None:
    first, second = _segments(sample)[:2]
    octets = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(octets)


def _slip_in_segment(sample: Sample) -> None:
    path = _segments(sample)[0]
    shutil.copy(path, path.with_name("slipped-in.parquet"))


def _link_segment(sample: Sample) -> None:
    path = _segments(sample)[0]
    path.rename(sample.folder / "elsewhere")
    path.symlink_to(sample.folder / "elsewhere")


def _alter_line(sample: Sample) -> None:
    path = sample.archive / MANIFEST
    lines = _lines(path)
    lines[0] = lines[0].replace(b'"records":', b'"records":1', 1)
    path.write_bytes(b"".join(lines))


def _drop_line(sample: Sample) -> None:
    path = sample.archive / MANIFEST
    first, _, *rest = _lines(path)
    path.write_bytes(b"".join([first, *rest]))


def _swap_lines(sample: Sample) -> None:
    path = sample.archive / MANIFEST
    first, second, *rest = _lines(path)
    path.write_bytes(b"".join([second, first, *rest]))


def _tear_manifest(sample: Sample) -> None:
    path = sample.archive / MANIFEST
    path.write_bytes(path.read_bytes()[:-20])


def _rechain(sample: Sample) -> None:
    entries = _entries(sample)
    rechain(sample, [replace(entries[0], node="forged"), *entries[1:]])


def _rewrite_row(sample: Sample) -> None:
    """Another segment in the place of one, with a line that fits it; no key."""
    first, second, *rest = _entries(sample)
    shutil.copy(sample.archive / second.path, sample.archive / first.path)
    forged = replace(first, sha256=second.sha256, octets=second.octets, records=second.records)
    rechain(sample, [forged, second, *rest])


def _cut_manifest(sample: Sample) -> None:
    """The newest segments and their lines are gone, the seals still name them."""
    *kept, last = _entries(sample)
    (sample.archive / last.path).unlink()
    (sample.archive / MANIFEST).write_bytes(b"".join(encode_entry(entry) for entry in kept))


def _cut_both(sample: Sample) -> None:
    """Manifest, seals and segments cut back to an earlier seal: whole in itself, no key needed."""
    _cut_manifest(sample)
    path = sample.archive / SEALS
    kept = len(_entries(sample))
    seals = [seal for seal in read_seals(sample.archive) if seal.seq <= kept]
    path.write_bytes(b"".join(encode_seal(seal) + b"\n" for seal in seals))


def _rewrite_all(sample: Sample) -> None:
    """Segment, manifest and seals made anew with the stolen key."""
    _rewrite_row(sample)
    resign(sample)


def _rewrite_with_another_key(sample: Sample) -> None:
    make_keys(sample.keys)
    resign(sample)


def _alter_seal(sample: Sample) -> None:
    path = sample.archive / SEALS
    first, *rest = _lines(path)
    seal = read_seals(sample.archive)[0]
    forged = encode_seal(replace(seal, at_ms=seal.at_ms - 1)) + b"\n"
    assert forged != first
    path.write_bytes(b"".join([forged, *rest]))


def _drop_seal(sample: Sample) -> None:
    path = sample.archive / SEALS
    first, _, *rest = _lines(path)
    path.write_bytes(b"".join([first, *rest]))


def _drop_seals(sample: Sample) -> None:
    (sample.archive / SEALS).unlink()


def _replace_key(sample: Sample) -> None:
    make_keys(sample.keys)


def _stop_sealing(sample: Sample) -> None:
    sample.now_ms += 26 * _HOUR_MS


def _set_clock_back(sample: Sample) -> None:
    sample.now_ms -= 24 * _HOUR_MS


def _back_date_line(sample: Sample) -> None:
    """A record slipped in under a clock that was set back, sealed with the true key."""
    *kept, last = _entries(sample)
    rechain(sample, [*kept, replace(last, written_ms=last.written_ms - 24 * _HOUR_MS)])
    resign(sample)


def _purge_too_early(sample: Sample) -> None:
    entries = _entries(sample)
    purge = replace(
        entries[-1], kind="purge", path="", sha256="", records=0, removed=(entries[0].path,)
    )
    (sample.archive / entries[0].path).unlink()
    rechain(sample, [*entries, replace(purge, part=1, parts=1)])


WAYS: Mapping[str, Tampering] = {
    "segment-octet-flipped": Tampering(_flip_segment),
    "segment-cut": Tampering(_cut_segment),
    "segment-missing": Tampering(_lose_segment),
    "segments-swapped": Tampering(_swap_segments),
    "segment-slipped-in": Tampering(_slip_in_segment),
    "segment-made-a-link": Tampering(_link_segment),
    "line-altered": Tampering(_alter_line),
    "line-dropped": Tampering(_drop_line),
    "lines-swapped": Tampering(_swap_lines),
    "manifest-torn": Tampering(_tear_manifest),
    "manifest-rechained": Tampering(_rechain),
    "segment-and-manifest-rewritten": Tampering(_rewrite_row),
    "manifest-cut": Tampering(_cut_manifest),
    "manifest-and-seals-cut": Tampering(_cut_both, witness=True),
    "everything-rewritten-and-signed": Tampering(_rewrite_all, witness=True),
    "everything-signed-by-another-key": Tampering(_rewrite_with_another_key, witness=True),
    "seal-altered": Tampering(_alter_seal),
    "seal-dropped": Tampering(_drop_seal),
    "seals-dropped": Tampering(_drop_seals),
    "key-replaced": Tampering(_replace_key),
    "nothing-sealed": Tampering(_stop_sealing),
    "clock-set-back": Tampering(_set_clock_back),
    "line-back-dated": Tampering(_back_date_line),
    "purged-too-early": Tampering(_purge_too_early),
}
"""Name -> way. The names stand in reports and in docs/integrity.md."""
