"""Statistics that tell of groups and never of somebody: small cells are left out (R75).

Pure. A count is told in steps of k, and below k not at all, and a total is the sum of what is
told: whatever is subtracted from whatever else, the difference is 0 or at least k.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

K = 5
"""Fewer people than this are not told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is known of one group."""

    group: tuple[str, ...]
    people: int
    sessions: int = 0
    octets: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of it; None: fewer than k people."""

    group: tuple[str, ...]
    people: int | None
    sessions: int | None
    gigaoctets: int | None


def in_steps(count: int, k: int = K) -> int | None:
    """`count` rounded down to a multiple of k; None below k."""
    return None if count < k else count // k * k


def tell(cells: Iterable[Cell], k: int = K) -> list[Told]:
    """Every group as it may be told, in the order of their names."""
    return [_tell(cell, k) for cell in sorted(cells, key=lambda cell: cell.group)]


def total(told: Iterable[Told]) -> int:
    """The sum of what is told: the true one would give a hidden cell away."""
    return sum(one.people or 0 for one in told)


def _tell(cell: Cell, k: int) -> Told:
    people = in_steps(cell.people, k)
    if people is None:
        return Told(group=cell.group, people=None, sessions=None, gigaoctets=None)
    return Told(
        group=cell.group,
        people=people,
        sessions=in_steps(cell.sessions, k) or 0,
        gigaoctets=cell.octets // 1_000_000_000,
    )
