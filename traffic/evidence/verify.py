"""Checks a bundle of evidence: this one file, Python 3.8 or newer, and nothing else.

    python3 -I verify.py BUNDLE.zip [--public-key KEY] [--json]

Exit codes: 0 the bundle is whole; 1 it was altered or is none, and the first bad item is named;
2 it could not be checked (no such file, wrong usage). It opens the bundle for reading, unpacks
nothing, and asks no network and no database.

Take this file from somebody you trust, not out of the bundle you check with it: whoever alters
a bundle can alter the copy inside. The key inside says only that whoever holds it has signed;
that it is the office's shows its fingerprint, printed in the signed cover letter, or --public-key.
"""

# long file: it must stand alone, so that a court can run it without this project.
# Written for old interpreters: no syntax and no library call that Python 3.8 does not have.
from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import io
import json
import re
import struct
import sys
from datetime import datetime, timedelta, timezone
from typing import IO, Any, NamedTuple

FORMAT = "yuenyan-evidence-1"
MANIFEST, SIGNATURE, KEY, SUMS = "MANIFEST.json", "MANIFEST.sig", "evidence-key.pem", "SHA256SUMS"
UNLISTED = (MANIFEST, SIGNATURE, KEY)
"""Items that the manifest cannot list: itself, and what proves it."""

SEGMENTS, LINES, SEALS, SEAL_KEY = (
    "proofs/segments.json",
    "proofs/manifest.jsonl",
    "proofs/seals.jsonl",
    "proofs/seal-key.pem",
)
SEAL_PREFIXES = (b"yuenyan-seal-1\n", b"yuenyan-seal-2\n")
"""What is signed before the seal itself; the second of seals that have a `root`."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
_CITED = re.compile(r"[a-z]+:(.+\.parquet)#\d+")
_BLOCK = 1 << 20
_END_OCTETS = 22


class Altered(Exception):  # noqa: N818 - says what happened
    """The bundle is not as it was signed; `item` is the first bad one."""

    def __init__(self, item: str, reason: str) -> None:
        super().__init__(f"{item}: {reason}")
        self.item = item
        self.reason = reason


class Unusable(Exception):  # noqa: N818
    """The check could not be made; says what to do."""


class Entry(NamedTuple):
    """One item as the directory of the container tells it."""

    name: str
    crc: int
    octets: int
    offset: int


# --- the container: a ZIP file with exactly one way to write it ---


def dos_time(created_ms: int) -> int:
    """The time every item carries: when the bundle was made, UTC, to two seconds."""
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=created_ms)  # noqa: UP017
    day = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return day << 16 | moment.hour << 11 | moment.minute << 5 | moment.second // 2


def local_header(entry: Entry, stamp: int) -> bytes:
    """What stands before the octets of an item."""
    name = entry.name.encode("ascii")
    fields = (20, 0, 0, stamp & 0xFFFF, stamp >> 16, entry.crc, entry.octets, entry.octets)
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", *fields, len(name), 0) + name


def central_header(entry: Entry, stamp: int) -> bytes:
    """What stands in the directory for an item."""
    name = entry.name.encode("ascii")
    fields = (0x0314, 20, 0, 0, stamp & 0xFFFF, stamp >> 16, entry.crc, entry.octets, entry.octets)
    rest = (len(name), 0, 0, 0, 0, 0o100644 << 16, entry.offset)
    return struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fields, *rest) + name


def end_record(count: int, octets: int, offset: int) -> bytes:
    """What ends the file."""
    return struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, octets, offset, 0)


def read_directory(stream: IO[bytes]) -> list[Entry]:
    """The items of the container, in its order; nothing but their names is believed yet."""
    size = stream.seek(0, 2)
    if size < _END_OCTETS:
        raise Altered("the file", "is no bundle: it is too short")
    stream.seek(size - _END_OCTETS)
    end = stream.read(_END_OCTETS)
    count, octets, offset = struct.unpack("<10xH2I2x", end)
    if end != end_record(count, octets, offset) or offset + octets + _END_OCTETS != size:
        raise Altered("the file", "is no bundle, is cut short or was added to")
    stream.seek(offset)
    directory = stream.read(octets)
    entries: list[Entry] = []
    at = 0
    while at < len(directory):
        head = directory[at : at + 46]
        if len(head) < 46 or head[:4] != b"PK\x01\x02":
            raise Altered(entries[-1].name if entries else "the file", "its directory is damaged")
        crc, stored, length = struct.unpack("<16xI4xIH16x", head)
        (begin,) = struct.unpack("<42xI", head)
        name = directory[at + 46 : at + 46 + length].decode("ascii", "replace")
        if not _NAME.fullmatch(name):
            raise Altered(repr(name), "is not the name of an item")
        if entries and name <= entries[-1].name:
            raise Altered(name, "stands twice or in the wrong place")
        entries.append(Entry(name, crc, stored, begin))
        at += 46 + length
    if len(entries) != count:
        raise Altered("the file", f"has {len(entries)} items but says {count}")
    return entries


class _Bundle:
    """An open container and what its manifest says about it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.entries = read_directory(stream)
        self.places = {
            entry.name: entry.offset + 30 + len(entry.name.encode("ascii", "replace"))
            for entry in self.entries
        }
        self.sizes = {entry.name: entry.octets for entry in self.entries}
        self.directory_at = (
            stream.seek(0, 2) - _END_OCTETS - sum(46 + len(entry.name) for entry in self.entries)
        )

    def read(self, name: str) -> bytes:
        if name not in self.places:
            raise Altered(name, "is missing")
        self.stream.seek(self.places[name])
        octets = self.stream.read(self.sizes[name])
        if len(octets) != self.sizes[name]:
            raise Altered(name, "is cut short")
        return octets

    def check_entry(self, entry: Entry, begin: int, stamp: int, sha256: str | None) -> int:
        """Compare header, octets and directory line of one item; where the next one begins."""
        header = local_header(entry._replace(offset=begin), stamp)
        self.stream.seek(begin)
        found = self.stream.read(len(header))
        digest, crc, left = hashlib.sha256(), 0, entry.octets
        self.stream.seek(begin + len(header))
        while left:
            block = self.stream.read(min(left, _BLOCK))
            if not block:
                raise Altered(entry.name, "is cut short")
            digest.update(block)
            crc = binascii.crc32(block, crc)
            left -= len(block)
        if sha256 is not None and digest.hexdigest() != sha256:
            raise Altered(entry.name, "was altered: its SHA-256 is not the one in the manifest")
        if found != header or entry.offset != begin or crc != entry.crc:
            raise Altered(entry.name, "what the container says about it was altered")
        return begin + len(header) + entry.octets


# --- Ed25519, RFC 8032 section 5.1 ---

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_Point = Any
"""(X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z."""


def _add(a: _Point, b: _Point) -> _Point:
    one = (a[1] - a[0]) * (b[1] - b[0]) % _P
    two = (a[1] + a[0]) * (b[1] + b[0]) % _P
    three = 2 * a[3] * b[3] * _D % _P
    four = 2 * a[2] * b[2] % _P
    e, f, g, h = two - one, four - three, four + three, two + one
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _decompress(octets: bytes) -> _Point | None:
    number = int.from_bytes(octets, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


_BASE = _decompress((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little"))


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """True when the holder of the Ed25519 `key` (32 octets) has signed `message`."""
    if len(key) != 32 or len(signature) != 64:
        return False
    point = _decompress(key)
    scalar = int.from_bytes(signature[32:], "little")
    if point is None or scalar >= _L:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    factor = int.from_bytes(digest, "little") % _L
    # R = scalar * base - factor * key, both products in one pass over the bits.
    minus = (_P - point[0], point[1], 1, _P - point[3])
    both = _add(_BASE, minus)
    total = (0, 1, 1, 0)
    for bit in range(253, -1, -1):
        total = _add(total, total)
        chosen = (scalar >> bit & 1) + 2 * (factor >> bit & 1)
        if chosen:
            total = _add(total, (None, _BASE, minus, both)[chosen])
    inverse = pow(total[2], _P - 2, _P)
    x, y = total[0] * inverse % _P, total[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]


# --- keys as files ---

_PEM_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 octets of an Ed25519 key in RFC 8410's SubjectPublicKeyInfo."""


def pem(key: bytes) -> bytes:
    """The file of a public key, as OpenSSL reads it."""
    inner = base64.b64encode(_PEM_PREFIX + key)
    return b"-----BEGIN PUBLIC KEY-----\n" + inner + b"\n-----END PUBLIC KEY-----\n"


def read_key(octets: bytes) -> bytes | None:
    """The 32 octets of a public key in a PEM file, or in a file with 64 hex digits."""
    text = octets.strip()
    if re.fullmatch(rb"[0-9a-fA-F]{64}", text):
        return binascii.unhexlify(text)
    inner = b"".join(line for line in text.split() if b"--" not in line)
    inner = inner.replace(b"PUBLIC", b"").replace(b"KEY-----", b"")
    try:
        der = base64.b64decode(inner)
    except (binascii.Error, ValueError):
        return None
    return der[-32:] if len(der) == 44 and der[:12] == _PEM_PREFIX else None


def fingerprint(key: bytes) -> str:
    """The name of a public key on paper: SHA-256 of its 32 octets, in groups of eight digits."""
    digits = hashlib.sha256(key).hexdigest()
    return " ".join(digits[at : at + 8] for at in range(0, 64, 8))


# --- what the manifest, the records and the proofs say ---


def canonical(tree: Any) -> bytes:
    """JSON with sorted keys and no spaces, as lines of the archive are hashed and signed."""
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _parse(item: str, octets: bytes) -> Any:
    try:
        return json.loads(octets.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Altered(item, "is not JSON") from None


def _parse_lines(item: str, octets: bytes) -> list[dict[str, Any]]:
    lines = [_parse(item, line) for line in octets.split(b"\n")[:-1]]
    if not all(isinstance(line, dict) for line in lines):
        raise Altered(item, "a line of it is no object")
    return lines


def check(path: str, public_key: bytes | None = None) -> dict[str, Any]:
    """Check everything that can be checked of the bundle; what it is.

    Raises:
        Altered: naming the first bad item.
        Unusable: the file cannot be read.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - stands alone
            return _check(_Bundle(stream), public_key)
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError,
            struct.error) as error:  # fmt: skip
        raise Altered(MANIFEST, f"does not say what it must: {error!r}") from error
    except OSError as error:
        raise Unusable(f"{path}: cannot be read: {error.strerror}") from error


def _check(bundle: _Bundle, public_key: bytes | None) -> dict[str, Any]:
    key_file, written = bundle.read(KEY), bundle.read(MANIFEST)
    key = read_key(key_file)
    if key is None or pem(key) != key_file:
        raise Altered(KEY, "holds no Ed25519 key")
    if public_key is not None and key != public_key:
        raise Altered(KEY, "is another key than the one given: somebody else signed this bundle")
    if not is_signed(key, written, bundle.read(SIGNATURE)):
        raise Altered(MANIFEST, f"was altered: {SIGNATURE} does not fit it and {KEY}")
    manifest = _parse(MANIFEST, written)
    if manifest["format"] != FORMAT:
        raise Altered(MANIFEST, "is of a format that this check does not know; take a newer one")
    if manifest["public_key"] != key.hex():
        raise Altered(MANIFEST, f"names another key than {KEY}")
    items = {item["path"]: item for item in manifest["items"]}
    _check_items(bundle, items, dos_time(manifest["created_ms"]))
    proven = _check_proofs(bundle, manifest) if SEGMENTS in items else set()
    cited = _check_records(bundle, items, proven)
    return {
        "ok": True,
        "case": manifest["case"],
        "created_at": manifest["created_at"],
        "items": len(bundle.entries),
        "records": sum(cited.values()),
        "records_under_seal": cited[True],
        "records_of_the_database": cited[False],
        "segments_proven": len(proven),
        "key": key.hex(),
        "fingerprint": fingerprint(key),
        "key_was_given": public_key is not None,
    }


def _check_items(bundle: _Bundle, items: dict[str, Any], stamp: int) -> None:
    expected = sorted([*items, *UNLISTED])
    present = [entry.name for entry in bundle.entries]
    for name in sorted(set(expected) ^ set(present)):
        raise Altered(name, "is missing" if name in expected else "is not in the manifest")
    begin = 0
    for entry in bundle.entries:
        listed = items.get(entry.name)
        if listed is not None and entry.octets != listed["octets"]:
            raise Altered(
                entry.name, "has {} octets instead of {}".format(entry.octets, listed["octets"])
            )
        sha256 = None if listed is None else str(listed["sha256"])
        begin = bundle.check_entry(entry, begin, stamp, sha256)
    bundle.stream.seek(begin)
    for entry in bundle.entries:
        header = central_header(entry, stamp)
        if bundle.stream.read(len(header)) != header:
            raise Altered(entry.name, "what the container says about it was altered")
    if bundle.directory_at != begin:
        raise Altered("the file", "has octets that belong to no item")


def _check_proofs(bundle: _Bundle, manifest: dict[str, Any]) -> set[str]:
    """The segments that a seal is shown to cover."""
    key = read_key(bundle.read(SEAL_KEY))
    if key is None or key.hex() != manifest["seal_key"]:
        raise Altered(SEAL_KEY, "is not the key that the manifest names")
    lines = {line["seq"]: line for line in _parse_lines(LINES, bundle.read(LINES))}
    seals = _parse_lines(SEALS, bundle.read(SEALS))
    for before, after in zip(seals, seals[1:]):  # noqa: B905, RUF007 - stands alone, Python 3.8
        if after["prev"] != hashlib.sha256(canonical(before)).hexdigest():
            raise Altered(SEALS, "the seal of line {} does not follow".format(after["seq"]))
    known = {seal["seq"]: seal for seal in seals}
    first: dict[int, int] = {}
    proven = set()
    for segment in _parse(SEGMENTS, bundle.read(SEGMENTS))["segments"]:
        line, proof = lines.get(segment["seq"]), segment["proof"]
        if line is None or any(line[name] != segment[name] for name in ("path", "sha256", "kind")):
            raise Altered(SEGMENTS, f"{segment['path']} is not what its line says")
        if proof["type"] != "chain":
            raise Altered(SEGMENTS, "has a proof that this check does not know; take a newer one")
        if proof["seal"] not in known or proof["seal"] < segment["seq"]:
            raise Altered(SEALS, f"the seal that covers {segment['path']} is missing")
        first[proof["seal"]] = min(segment["seq"], first.get(proof["seal"], segment["seq"]))
        proven.add(segment["path"])
    for sealed, begin in sorted(first.items()):
        seal = known[sealed]
        bare = {name: value for name, value in seal.items() if name != "signature"}
        signature = binascii.unhexlify(seal["signature"])
        prefix = SEAL_PREFIXES[1 if seal.get("root") else 0]
        if not is_signed(key, prefix + canonical(bare), signature):
            raise Altered(SEALS, f"the seal of line {sealed} is not signed")
        _check_chain(lines, begin, seal)
    return proven


def _check_chain(lines: dict[int, Any], first: int, seal: dict[str, Any]) -> None:
    """From the line of the first segment, each line after it, to the one that was sealed."""
    before = None
    for seq in range(first, seal["seq"] + 1):
        line = lines.get(seq)
        if line is None:
            raise Altered(LINES, f"line {seq} is missing")
        bare = {name: value for name, value in line.items() if name != "hash"}
        if hashlib.sha256(canonical(bare)).hexdigest() != line["hash"]:
            raise Altered(LINES, f"line {seq} was altered")
        if before is not None and line["prev"] != before:
            raise Altered(LINES, f"line {seq} does not follow the one before")
        before = line["hash"]
    if before != seal["hash"]:
        raise Altered(SEALS, f"the seal of line {seal['seq']} covers another line")


def _check_records(bundle: _Bundle, items: dict[str, Any], proven: set[str]) -> dict[bool, int]:
    """How many records cite a segment that is proven (True), and how many none (False)."""
    count = {True: 0, False: 0}
    for name in sorted(items):
        if not name.startswith("records/") or not name.endswith(".jsonl"):
            continue
        for number, line in enumerate(_parse_lines(name, bundle.read(name)), 1):
            cited = _CITED.fullmatch(str(line["record"]))
            if cited is not None and cited.group(1) not in proven:
                raise Altered(name, f"line {number} cites a segment without a proof")
            raw = line.get("raw")
            if raw and items.get(raw, {}).get("sha256") != line["raw_sha256"]:
                raise Altered(name, f"line {number} does not fit {raw}")
            count[cited is not None] += 1
    return count


# --- the command ---


def in_one_line(text: object) -> str:
    """`text` from a bundle for a person: whoever signed it ends no line and moves no cursor."""
    marks = (mark if mark.isprintable() else f"\\u{ord(mark):04x}" for mark in str(text))
    return "".join(marks)


def explain(report: dict[str, Any]) -> list[str]:
    """The lines in which a person reads what was found."""
    told = {name: in_one_line(report[name]) for name in ("case", "created_at")}
    lines = [
        "The bundle is whole: {items} items, {records} records.".format(**report),
        "Case: {case}   made {created_at}".format(**told),
        "{records_under_seal} records lie in {segments_proven} segments of the sealed archive, "
        "{records_of_the_database} came from the database and rest on this signature alone.".format(
            **report
        ),
        "Signed with the key {fingerprint}".format(**report),
    ]
    if not report["key_was_given"]:
        lines.append("Compare it with the printed cover letter, or give the key: --public-key FILE")
    return lines


def load_key(path: str) -> bytes:
    """The public key in a file.

    Raises:
        Unusable: there is none.
    """
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            key = read_key(stream.read(4096))
    except OSError as error:
        raise Unusable(f"{path}: cannot be read: {error.strerror}") from error
    if key is None:
        raise Unusable(f"{path}: holds no Ed25519 key, neither as PEM nor as 64 hex digits")
    return key


def main(arguments: list[str] | None = None) -> int:
    """Check one file and say what was found."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check a bundle of evidence.")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--public-key", metavar="FILE", help="the key it must be signed with")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal, or a file, that has no Thai letters is no reason to call a bundle altered.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        key = None if asked.public_key is None else load_key(asked.public_key)
        report = check(asked.file, key)
    except Unusable as error:
        sys.stderr.write(f"verify.py: {error}\n")
        return 2
    except Altered as error:
        if asked.json:
            answer = {"ok": False, "item": error.item, "error": str(error)}
            sys.stdout.write(json.dumps(answer) + "\n")
        else:
            sys.stderr.write(f"verify.py: NOT whole. {in_one_line(error)}\n")
        return 1
    if asked.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(explain(report)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
