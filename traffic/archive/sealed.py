"""Whether the seals cover the lines: signatures, order, tree heads, and what the clock says.

Pure. Raises for the first thing that is wrong; what is odd but may be honest is listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from common.errors import ArchiveError
from traffic.archive.entries import GENESIS, Entry
from traffic.archive.manifest import NAME as MANIFEST
from traffic.archive.seals import CLOCK_TOLERANCE_MS, NAME, Seal, check_signature, seal_hash

LATE_MS = 25 * 3_600_000
"""Without a seal for so long, sealing has stopped; a day and one failed try are borne."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A span in which nothing was sealed for more than 25 hours; milliseconds since 1970."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Declared:
    """A seal before which the clock went back, and the operator's reason."""

    seal: int
    at_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of lines that is whole in itself: what seals and witnesses are compared with."""

    size: int
    heads: Mapping[int, tuple[str, bytes]]
    """Number of a line that somebody has sealed -> its hash, and the tree head up to it."""
    written: Sequence[int]
    """When each line says it was written, milliseconds since 1970, in order."""


def check_seals(seals: Sequence[Seal], chain: Chain, public_key: bytes, now_ms: int | None) -> None:
    """Every seal is signed, follows the one before and covers the lines it names.

    Raises:
        ArchiveError: naming the first that does not, or saying that nothing was sealed.
    """
    if not seals:
        raise ArchiveError(NAME, "nothing was ever sealed; run 'yuenyan archive seal'")
    before: Seal | None = None
    for number, seal in enumerate(seals, 1):
        if seal.prev != (seal_hash(before) if before else GENESIS):
            raise ArchiveError(NAME, f"seal {number} does not follow seal {number - 1}")
        if not check_signature(seal, public_key):
            raise ArchiveError(NAME, f"seal {number} has no valid signature")
        if seal.seq > chain.size:
            raise ArchiveError(
                MANIFEST, f"ends at line {chain.size}, but line {seal.seq} was sealed"
            )
        reached = before.seq if before else 0
        if seal.seq < max(reached, 1) or seal.hash != chain.heads[seal.seq][0]:
            raise ArchiveError(
                MANIFEST, f"line {seal.seq} is not the one that seal {number} covers"
            )
        if seal.root:
            if seal.root != chain.heads[seal.seq][1].hex():
                raise ArchiveError(MANIFEST, f"is not the list whose tree head seal {number} signs")
            _check_times(number, seal, before, chain)
        elif before and before.root:
            raise ArchiveError(NAME, f"seal {number} has no tree head, but those before it have")
        before = seal
    assert before is not None
    if now_ms is not None:
        _check_age(before, chain, now_ms)


def purge_moments(
    seals: Sequence[Seal], purges: Sequence[Entry], now_ms: int | None
) -> dict[int, int]:
    """Line of each purge -> the latest moment, milliseconds since 1970, at which it can have been.

    `purges` are the lines that remove something, in their order.

    Its own word counts only as far as no seal at or after it, and not the present, is earlier:
    a clock that was put ahead for a while makes no record old.
    """
    moments: dict[int, int] = {}
    earliest, waiting = now_ms, list(seals)
    for entry in reversed(purges):
        while waiting and waiting[-1].seq >= entry.seq:
            at_ms = waiting.pop().at_ms
            earliest = at_ms if earliest is None else min(earliest, at_ms)
        bound = entry.written_ms if earliest is None else earliest + CLOCK_TOLERANCE_MS
        moments[entry.seq] = min(entry.written_ms, bound)
    return moments


def find_silences(seals: Sequence[Seal]) -> tuple[Silence, ...]:
    """Where more than 25 hours lie between two seals."""
    return tuple(
        Silence(one.at_ms, other.at_ms)
        for one, other in pairwise(seals)
        if other.at_ms - one.at_ms > LATE_MS
    )


def find_declared(seals: Sequence[Seal]) -> tuple[Declared, ...]:
    """Where the operator said that the clock went back."""
    return tuple(
        Declared(number, seal.at_ms, seal.note) for number, seal in enumerate(seals, 1) if seal.note
    )


def _check_times(number: int, seal: Seal, before: Seal | None, chain: Chain) -> None:
    if seal.note:
        # The operator has said that the clock was wrong; verify shows it. What a purge may
        # have taken away by such a clock is `purge_moments`'s to say.
        return
    if before and seal.at_ms < before.at_ms - CLOCK_TOLERANCE_MS:
        raise ArchiveError(NAME, f"seal {number} says it is older than seal {number - 1}")
    earliest = before.at_ms - CLOCK_TOLERANCE_MS if before else 0
    for line in range(before.seq if before else 0, seal.seq):
        if not earliest <= chain.written[line] <= seal.at_ms + CLOCK_TOLERANCE_MS:
            raise ArchiveError(
                MANIFEST,
                f"line {line + 1} was written by another clock than seals {number - 1} and "
                f"{number} around it were made by",
            )


def _check_age(last: Seal, chain: Chain, now_ms: int) -> None:
    if now_ms - last.at_ms > LATE_MS:
        hours = (now_ms - last.at_ms) // 3_600_000
        raise ArchiveError(
            NAME,
            f"nothing was sealed for {hours} hours; see that the housekeeper runs, then: "
            "yuenyan archive seal",
        )
    if now_ms < last.at_ms - CLOCK_TOLERANCE_MS:
        raise ArchiveError(NAME, "the last seal lies in the future: this clock was set back")
    for line in range(last.seq, chain.size):
        if chain.written[line] < last.at_ms - CLOCK_TOLERANCE_MS:
            raise ArchiveError(
                MANIFEST,
                f"line {line + 1} says it was written before the last seal, which does not "
                "cover it: the clock went back; if there is a reason, say it: "
                "yuenyan archive seal --clock-went-back REASON",
            )
