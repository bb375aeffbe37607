"""One question to an NTP server and what its answer is worth (SNTP, RFC 5905 section 14).

Pure: octets in, values out. The question carries a random number instead of our time, so that
an answer that nobody asked for is known (RFC 5905 section 8, the origin timestamp), which the
usual client libraries do not look at. Speaks no authentication (NTS).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from common.errors import MalformedPacket, NotAuthentic

PORT = 123
PACKET_OCTETS = 48

_PACKET = struct.Struct("!BBbbIII8s8s8s8s")
_NTP_TO_UNIX_SECONDS = 2_208_988_800
_ERA_SECONDS = 1 << 32
_ERA_1_BEGINS = 1 << 31
"""NTP seconds below this belong to the era that begins in 2036 (RFC 4330 section 3)."""
_VERSION = 4

MAXIMUM_DISTANCE_US = 1_000_000
"""A server farther from its own reference than one second is not used (MAXDIST)."""

_DRIFT_PPM = 15
"""How much two good clocks may run apart while a question is under way (PHI)."""

LOCAL_REFERENCES = frozenset({"LOCL", "LCL"})
"""A stratum 1 server with these has no reference but its own clock."""


class _Mode(IntEnum):
    CLIENT = 3
    SERVER = 4


class Leap(IntEnum):
    NONE = 0
    ADD_SECOND = 1
    DROP_SECOND = 2
    UNSYNCHRONISED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said; times in nanoseconds since 1970 UTC."""

    leap: int
    stratum: int
    """0: it declines to answer (kiss-of-death); 1: it has a reference clock."""
    precision: int
    """log2 of seconds."""
    root_delay_us: int
    root_dispersion_us: int
    reference: str
    """A reference clock's or kiss code's letters, or four numbers."""
    received_ns: int
    sent_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Our clock against one server's."""

    offset_us: int
    """Ours minus theirs: positive when ours is fast."""
    error_us: int
    """The true offset lies at most so far from it, if the server tells the truth."""
    delay_us: int
    root_distance_us: int
    """How far the server itself may be from its reference, by its own word."""
    stratum: int
    reference: str


def encode_question(nonce: bytes) -> bytes:
    """The datagram that asks; `nonce` (8 octets, random) must come back."""
    head = _VERSION << 3 | _Mode.CLIENT
    return _PACKET.pack(head, 0, 0, 0, 0, 0, 0, bytes(8), bytes(8), bytes(8), nonce)


def decode_answer(datagram: bytes, nonce: bytes) -> Answer:
    """The answer in `datagram`; extension fields behind it are ignored.

    Raises:
        MalformedPacket: it is no answer of an NTP server.
        NotAuthentic: it answers another question than the one with `nonce`.
    """
    if len(datagram) < PACKET_OCTETS:
        raise MalformedPacket("too short for NTP", len(datagram))
    head, stratum, _poll, precision, delay, dispersion, reference, _, origin, received, sent = (
        _PACKET.unpack_from(datagram)
    )
    if head & 7 != _Mode.SERVER:
        raise MalformedPacket(f"mode {head & 7} is not a server's", 0)
    if origin != nonce:
        raise NotAuthentic("origin timestamp")
    letters = reference.to_bytes(4, "big")
    return Answer(
        leap=head >> 6,
        stratum=stratum,
        precision=precision,
        root_delay_us=_short_us(delay),
        root_dispersion_us=_short_us(dispersion),
        reference=_reference(stratum, letters),
        received_ns=_unix_ns(received),
        sent_ns=_unix_ns(sent),
    )


def find_refusal(answer: Answer) -> str | None:
    """Why an answer says nothing about the time, as a short code; None when it does."""
    if answer.stratum == 0:
        return f"kiss_of_death:{answer.reference}"
    if answer.leap == Leap.UNSYNCHRONISED or answer.stratum >= 16:
        return "server_unsynchronised"
    if (answer.stratum == 1 and answer.reference in LOCAL_REFERENCES) or is_local(answer.reference):
        return "local_clock"
    if answer.sent_ns <= 0 or answer.sent_ns < answer.received_ns:
        return "impossible_times"
    if answer.root_delay_us / 2 + answer.root_dispersion_us > MAXIMUM_DISTANCE_US:
        return "too_far_from_its_reference"
    return None


def measure(answer: Answer, asked_ns: int, told_ns: int) -> Measurement:
    """Our clock against the server's, asked at `asked_ns` and told at `told_ns` by our clock.

    RFC 5905 section 8. The error is half the way there and back, for nobody knows how much of
    it was the way there, and what the server may be wrong itself.
    """
    there = answer.received_ns - asked_ns
    back = answer.sent_ns - told_ns
    elapsed_us = max(0, told_ns - asked_ns) // 1000
    delay_us = max(0, (told_ns - asked_ns) - (answer.sent_ns - answer.received_ns)) // 1000
    root_us = answer.root_delay_us // 2 + answer.root_dispersion_us
    precision_us = min(1_000_000, int(2.0 ** max(-30, min(0, answer.precision)) * 1e6) + 1)
    drift_us = elapsed_us * _DRIFT_PPM // 1_000_000
    return Measurement(
        offset_us=-(there + back) // 2000,
        error_us=delay_us // 2 + root_us + precision_us + drift_us + 1,
        delay_us=delay_us,
        root_distance_us=root_us,
        stratum=answer.stratum,
        reference=answer.reference,
    )


def is_local(reference: str) -> bool:
    """Whether `reference` is the address that stands for a machine's own clock (127.127.1.x)."""
    return reference.startswith("127.127.")


def _short_us(value: int) -> int:
    return (value * 1_000_000) >> 16


def _unix_ns(timestamp: bytes) -> int:
    seconds = int.from_bytes(timestamp[:4], "big")
    fraction = int.from_bytes(timestamp[4:], "big")
    if not seconds and not fraction:
        return 0
    if seconds < _ERA_1_BEGINS:
        seconds += _ERA_SECONDS
    return (seconds - _NTP_TO_UNIX_SECONDS) * 1_000_000_000 + (fraction * 1_000_000_000 >> 32)


def _reference(stratum: int, letters: bytes) -> str:
    text = letters.rstrip(b"\0")
    if stratum <= 1 and text and all(33 <= octet < 127 for octet in text):
        return text.decode("ascii")
    return ".".join(str(octet) for octet in letters)
