"""Which addresses a segment speaks of, in few octets: one that holds no answer stays unread.

They stand in the segment itself, and its line of the manifest has their place and their SHA-256:
to leave a segment out is to say "nobody", so it rests on the same hash as everything else. What
they do not rule out need not be there. Pure: numbers in, octets out, and back.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b, sha256
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any

import numpy as np

from traffic.archive.about import About, EventsOf, FlowsOf

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

MAGIC = b"YYnames1"
MOST = 1 << 18
"""Numbers in one list; a segment that has more does not tell of them, and is always read. A site
of a hundred thousand devices has fewer; a scan of all addresses has more, and every question
about it finds something in any case."""

MOST_OCTETS = len(MAGIC) + 4 * (12 + 5 * MOST)
"""All of it; nobody takes more into memory because a line says so."""

SIX_BITS, TEXT_BITS = 24, 32
"""Of a folded address, and of a name."""

_LEAST_BITS, _SURPLUS_BITS = 16, 8
"""Told of them: of what is not in a segment, a 256th or less seems to be. A bit less would save the
eighth of an octet for each number and fetch twice as many in vain."""

_COUNT = struct.Struct("<III")
"""Numbers of a list, bits that were dropped of each, octets."""
_UNTOLD = 0xFFFFFFFF
_HIGH, _LOW, _MIX = (
    np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93)
)
_PORT, _NO_PORT = np.uint64(0xA0761D6478BD642F), 1 << 16
_HALF = 1 << 64
_PREFIX = 64
_ENUMERATED = 8
"""Bits of a shorter prefix: a household's 256 networks are looked for one by one."""


@dataclass(frozen=True, slots=True)
class Folds:
    """Numbers without their lowest bits, as far as these tell nothing that is worth an octet."""

    numbers: Array
    dropped: int
    """Bits that are left out."""

    def lack(self, wanted: Array) -> bool:
        """Whether none of `wanted`, in all their bits, is among them."""
        return not np.isin(wanted >> np.uint32(self.dropped), self.numbers).any()


@dataclass(frozen=True, slots=True)
class Mentions:
    """Sorted numbers without repeats; None: the segment does not tell."""

    four: Array | None = None
    """Inside IPv4 addresses on any side of a flow."""
    six: Folds | None = None
    """`fold_six` of inside IPv6 addresses on any side, and of their networks of 64 bits."""
    outside: Folds | None = None
    """`fold_text` of what rows are named (traffic.archive.about)."""
    events: Folds | None = None
    """`fold_outside` of outside addresses in translations made or ended, with and without port."""

    def encode(self) -> bytes:
        """The octets that stand in a segment."""
        four = None if self.four is None else Folds(self.four, 0)
        return MAGIC + b"".join(map(_pack, (four, self.six, self.outside, self.events)))


def rules_out(mentions: Mentions, about: About) -> bool:
    """Whether a segment with these mentions holds nothing of what is asked about."""
    if isinstance(about, FlowsOf):
        if isinstance(about.network, IPv4Network):
            return _lacks_four(mentions.four, about.network)
        return _lacks_six(mentions.six, about.network)
    if isinstance(about, EventsOf):
        high, low = divmod(int(about.address), _HALF)
        if not (high or low):
            return False  # records without an address of its family seem to have this one
        # A record that does not tell its port is a candidate of every port.
        ports = None if about.port is None else _numbers([about.port, 0])
        wanted = fold_outside(_numbers([high]), _numbers([low]), ports)
        return _lacks(mentions.events, wanted)
    return _lacks(mentions.outside, fold_text(about.names))


def _lacks(known: Folds | None, wanted: Array) -> bool:
    return known is not None and known.lack(wanted)


def _lacks_four(known: Array | None, network: IPv4Network) -> bool:
    if known is None:
        return False
    bounds = np.array([int(network[0]), int(network[-1]) + 1], np.uint64)
    first, end = np.searchsorted(known, bounds)
    return bool(first == end)


def _lacks_six(known: Folds | None, network: IPv6Network) -> bool:
    if network.prefixlen < _PREFIX - _ENUMERATED:
        return False
    high, low = divmod(int(network[0]), _HALF)
    if network.prefixlen == network.max_prefixlen:
        wanted = fold_six(_numbers([high]), _numbers([low]))
    else:
        count = 1 << max(0, _PREFIX - network.prefixlen)
        wanted = fold_six(_numbers(range(high, high + count)), np.zeros(count, np.uint64))
    return _lacks(known, wanted)


def thin(numbers: Array, width: int) -> Folds | None:
    """Numbers of `width` bits as they are told, without repeats; None: they are too many."""
    if len(numbers) > MOST:
        return None
    bits = max(_LEAST_BITS, len(numbers).bit_length() + _SURPLUS_BITS)
    dropped = max(0, width - bits)
    return Folds(np.unique(numbers.astype("<u4") >> np.uint32(dropped)), dropped)


def fold_text(names: Iterable[str]) -> Array:
    """A number of 32 bits for each name, sorted, without repeats."""
    digests = b"".join(
        blake2b(name.encode(errors="replace"), digest_size=4).digest() for name in set(names)
    )
    return np.unique(np.frombuffer(digests, "<u4"))


def fold_six(high: Array, low: Array) -> Array:
    """A number of `SIX_BITS` for each IPv6 address, given in halves."""
    mixed = (high * _HIGH) ^ (low * _LOW)
    mixed ^= mixed >> np.uint64(29)
    return ((mixed * _MIX) >> np.uint64(64 - SIX_BITS)).astype(np.uint32)


def fold_outside(high: Array, low: Array, port: Array | int | None) -> Array:
    """A number for each outside address, given in halves (IPv4: the lower), and port; None: all."""
    ports = np.atleast_1d(np.asarray(_NO_PORT if port is None else port, np.uint64))
    return fold_six(high + (ports + np.uint64(1)) * _PORT, low)


def decode(octets: bytes) -> Mentions:
    """What `encode` made into `octets`.

    Raises:
        ValueError: they are none; they were not compared with their hash.
    """
    if not octets.startswith(MAGIC):
        raise ValueError("they are of another form")
    lists, position = [], len(MAGIC)
    for _ in range(4):
        told, position = _unpack(octets, position)
        lists.append(told)
    four, *folds = lists
    return Mentions(None if four is None else four.numbers, *folds)


@dataclass(frozen=True, slots=True)
class Where:
    """Where the mentions stand in a segment, as its line of the manifest has it."""

    at: int
    octets: int
    sha256: str

    @property
    def text(self) -> str:
        """The field of the line."""
        return f"{self.at}:{self.octets}:{self.sha256}"

    def fits(self, octets: bytes) -> bool:
        """Whether these are the ones."""
        return len(octets) == self.octets and sha256(octets).hexdigest() == self.sha256


def read_where(text: str) -> Where | None:
    """What the field of a line says; None: nothing that is understood."""
    at, _, rest = text.partition(":")
    octets, _, digest = rest.partition(":")
    if not (at.isascii() and at.isdigit() and octets.isascii() and octets.isdigit()):
        return None
    return Where(int(at), int(octets), digest) if int(octets) <= MOST_OCTETS else None


def _numbers(values: Iterable[int]) -> Array:
    return np.array(list(values), np.uint64)


def _pack(told: Folds | None) -> bytes:
    """Distances, one octet of all of them behind the other: those of neighbours are small."""
    if told is None:
        return _COUNT.pack(_UNTOLD, 0, 0)
    distances = np.diff(told.numbers.astype("<u4"), prepend=np.uint32(0)).astype("<u4")
    packed = zlib.compress(distances.view(np.uint8).reshape(-1, 4).T.tobytes())
    return _COUNT.pack(len(told.numbers), told.dropped, len(packed)) + packed


def _unpack(octets: bytes, position: int) -> tuple[Folds | None, int]:
    try:
        count, dropped, length = _COUNT.unpack_from(octets, position)
        position += _COUNT.size
        if count == _UNTOLD:
            return None, position
        if count > MOST or dropped >= TEXT_BITS:
            raise ValueError("there are more than there can be")
        plain = zlib.decompressobj().decompress(octets[position : position + length], 4 * count + 1)
    except (struct.error, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(plain) != 4 * count:
        raise ValueError("a list is cut")
    distances = np.frombuffer(plain, np.uint8).reshape(4, -1).T.copy().view("<u4").reshape(-1)
    return Folds(np.cumsum(distances, dtype=np.uint32), dropped), position + length
