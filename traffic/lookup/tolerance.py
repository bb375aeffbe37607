"""How an answer changes with the tolerance: how narrow it has to be to be single (R31).

Pure. A wider window only adds candidates, so each limit is found by halving.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from traffic.lookup.attribution import Attribution, Binding, Holder, Outcome, Window

Judge = Callable[[Window], Attribution]

_ZERO = timedelta(0)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Tolerances around one moment; None: not up to `looked_to`."""

    found_from: timedelta | None
    """The least at which there is any candidate."""
    ambiguous_from: timedelta | None
    """The least at which the answer is not single any more."""
    looked_to: timedelta


def find_limits(
    at: datetime, judge: Judge, edges: Iterable[timedelta], looked_to: timedelta
) -> Limits:
    """Where the answer around `at` changes.

    Args:
        judge: the answer for a window around `at`.
        edges: the tolerances at which something new can come in (`edges_of`).
        looked_to: what `judge` has the evidence for.
    """
    steps = sorted({_ZERO, *(edge for edge in edges if _ZERO < edge <= looked_to)})
    judged: dict[int, Attribution] = {}

    def at_step(number: int) -> Attribution:
        if number not in judged:
            judged[number] = judge(Window(at - steps[number], at + steps[number]))
        return judged[number]

    def first(holds: Callable[[Attribution], bool]) -> timedelta | None:
        numbers: Sequence[int] = range(len(steps))
        number = bisect_left(numbers, True, key=lambda one: holds(at_step(one)))
        return steps[number] if number < len(steps) else None

    return Limits(
        found_from=first(lambda one: one.outcome in (Outcome.SINGLE, Outcome.AMBIGUOUS)),
        ambiguous_from=first(lambda one: one.outcome is Outcome.AMBIGUOUS),
        looked_to=looked_to,
    )


def edges_of(
    at: datetime,
    holders: Iterable[Holder],
    bindings: Iterable[Binding],
    margin: timedelta,
) -> list[timedelta]:
    """Tolerances at which the window, widened by `margin`, reaches an end of a span."""
    ends: list[datetime] = []
    for holder in holders:
        ends += [holder.from_at] if holder.to_at is None else [holder.from_at, holder.to_at]
    for binding in bindings:
        ends += [binding.from_at - margin, binding.to_at + margin]
    return [abs(end - at) - margin for end in ends]


def seconds(span: timedelta | None) -> float | None:
    """For an answer: in seconds, to the microsecond."""
    return None if span is None else span / _MICROSECOND / 1_000_000
