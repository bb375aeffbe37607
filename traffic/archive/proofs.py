"""Does this segment belong to that signed seal? Checked with nothing but the standard library.

Pure, and imports nothing of ours: this one file can be carried to a bare Python and asked
there. The tree over the manifest's lines is that of RFC 6962 section 2.1; signatures are
Ed25519 (RFC 8032). Knows nothing of where proofs are made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FORMAT = "yuenyan-proof-1"
SEAL_PREFIX = b"yuenyan-seal-2\n"
"""Goes before what a seal's signature covers; seals of version 1 have no tree and prove nothing."""


class ProofError(ValueError):
    """The proof does not hold; the message says at which step."""


@dataclass(frozen=True)
class Proven:
    """What a proof that holds has shown."""

    path: str
    seq: int
    sealed_seq: int
    sealed_at_ms: int
    seal_hash: str
    """Look this up with a witness: whoever holds the key alone can make another seal."""


def check_proof(proof: Mapping[str, Any], sha256: str, public_key: bytes) -> Proven:
    """What `proof` shows about the file with that SHA-256 (hex).

    Args:
        public_key: the site's 32 octets, from somewhere other than the proof.

    Raises:
        ProofError: any step fails, or the proof is not one.
    """
    try:
        if proof["format"] != FORMAT:
            raise ProofError(f"is no {FORMAT}")
        line = proof["entry"].encode()
        entry = json.loads(line)
        seal = dict(proof["seal"])
        signature = bytes.fromhex(seal.pop("signature"))
        path = [bytes.fromhex(step) for step in proof["path"]]
        seq, size = _whole(entry["seq"]), _whole(seal["seq"])
        named, told = str(entry["path"]), str(entry["sha256"])
        at_ms, root = _whole(seal["at_ms"]), bytes.fromhex(seal["root"])
    except ProofError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ProofError(f"the proof is damaged: {error!r}") from error
    if told != sha256.lower():
        raise ProofError("the SHA-256 of the file is not the one in its line of the manifest")
    if root_from_path(leaf_hash(line), seq - 1, size, path) != root:
        raise ProofError("the line is not among those that the seal covers")
    if not verify_ed25519(public_key, SEAL_PREFIX + _canonical(seal), signature):
        raise ProofError("the seal has no valid signature of this key")
    whole = _canonical({**seal, "signature": signature.hex()})
    return Proven(named, seq, size, at_ms, hashlib.sha256(whole).hexdigest())


def leaf_hash(line: bytes) -> bytes:
    """The leaf of one line of the manifest, without its line feed (RFC 6962 section 2.1)."""
    return hashlib.sha256(b"\0" + line).digest()


class Tree:
    """Grows leaf by leaf and knows its root; keeps one hash for each bit of its size."""

    def __init__(self, peaks: Iterable[tuple[int, bytes]] = ()) -> None:
        """Begin with nothing, or where another tree has stopped."""
        self.peaks: list[tuple[int, bytes]] = list(peaks)
        """(height, hash) of each whole subtree, the tallest first."""
        self.size = sum(1 << height for height, _ in self.peaks)

    def append(self, leaf: bytes) -> None:
        """Add the next leaf."""
        self.size += 1
        height = 0
        while self.peaks and self.peaks[-1][0] == height:
            leaf = _node(self.peaks.pop()[1], leaf)
            height += 1
        self.peaks.append((height, leaf))

    def root(self) -> bytes:
        """The tree head of what was added so far."""
        if not self.peaks:
            return hashlib.sha256(b"").digest()
        root = self.peaks[-1][1]
        for _, peak in reversed(self.peaks[:-1]):
            root = _node(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The tree head of these leaves."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root, lowest first."""
    level, path = list(leaves), []
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        above = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            above.append(level[-1])
        level, index = above, index // 2
    return path


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that `path` leads to (RFC 9162 section 2.1.3.2).

    Raises:
        ProofError: a path of this length cannot belong to that leaf of a tree of that size.
    """
    if not 0 <= index < size:
        raise ProofError("the line is not among those that the seal covers")
    place, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise ProofError("the path is too long")
        if place % 2 or place == last:
            found = _node(step, found)
            while place % 2 == 0 and place:
                place, last = place // 2, last // 2
        else:
            found = _node(found, step)
        place, last = place // 2, last // 2
    if last:
        raise ProofError("the path is too short")
    return found


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _canonical(tree: object) -> bytes:
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ProofError("the proof is damaged: a number is none")
    return value


# Ed25519, RFC 8032 section 5.1. Only verifies: nothing in it is secret, so nothing needs to
# take equal time. Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_MINUS_1 = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """True when the key made the signature over the message (RFC 8032 section 5.1.7)."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key = _decode_point(public_key)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= _L:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _L
    x, y, z, t = key
    minus_key = (-x % _P, y, z, -t % _P)
    found = _add(_multiply(scalar, _BASE), _multiply(challenge, minus_key))
    return _encode_point(found) == signature[:32]


def _add(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _multiply(scalar: int, point: _Point) -> _Point:
    found = _NEUTRAL
    while scalar:
        if scalar & 1:
            found = _add(found, point)
        point = _add(point, point)
        scalar >>= 1
    return found


def _recover_x(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if square == 0:
        return None if sign else 0
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _SQRT_MINUS_1 % _P
    if (x * x - square) % _P:
        return None
    return x if x & 1 == sign else _P - x


def _decode_point(octets: bytes) -> _Point | None:
    number = int.from_bytes(octets, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % _P)


def _encode_point(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _base() -> _Point:
    y = 4 * pow(5, -1, _P) % _P
    x = _recover_x(y, 0)
    assert x is not None
    return (x, y, 1, x * y % _P)


_BASE = _base()
