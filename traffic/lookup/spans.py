"""Spans of time: the window of a question, the gaps of records, and what no run covered.

Pure, and written out where a dataclass would do: making one takes a command that is over in a
blink as long as finding what it prints.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta


CLOCK_ERROR_MS = 1000
"""Assumed, not measured: devices tell time in whole seconds, so ours and theirs may differ
by one even when both are right. traffic.lookup.clock_error adds what was measured."""

LET_GO = "let_go"
"""Reason of a gap: records were let go when their time was over, but for what a hold covers."""

SAMPLED = "sampled"
"""Reason of a gap: equipment lists its translations now and then."""


class _Value:
    """Equal when every part is; never changed once it is made."""

    __slots__: tuple[str, ...] = ()

    def _parts(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is not changed once it is made")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[object, ...]:
        return _made, (type(self), self._parts())


def _set(value: _Value, name: str, part: object) -> None:
    object.__setattr__(value, name, part)


def _made(kind: type[_Value], parts: Sequence[object]) -> _Value:
    value = object.__new__(kind)
    for name, part in zip(kind.__slots__, parts, strict=True):
        _set(value, name, part)
    return value


class Window(_Value):
    """Both ends belong to it."""

    __slots__ = ("from_at", "to_at")

    from_at: datetime
    to_at: datetime

    def __init__(self, from_at: datetime, to_at: datetime) -> None:
        _set(self, "from_at", from_at)
        _set(self, "to_at", to_at)

    def overlaps(self, from_at: datetime, to_at: datetime | None) -> bool:
        """True when a span, open at its end when `to_at` is None, shares a moment with this."""
        return from_at <= self.to_at and (to_at is None or to_at >= self.from_at)

    def widened(self, margin: timedelta) -> Window:
        """This window, `margin` longer at both ends."""
        return Window(self.from_at - margin, self.to_at + margin)

    def without(self, spans: Sequence[tuple[datetime, datetime | None]]) -> list[Window]:
        """The parts of this window in none of `spans`; a span without an end goes on."""
        left, reached = [], self.from_at
        for from_at, to_at in sorted(spans, key=lambda span: span[0]):
            if from_at > self.to_at:
                break
            if from_at > reached:
                left.append(Window(reached, from_at))
            if to_at is None:
                return left
            reached = max(reached, to_at)
        if reached < self.to_at or not any(self.overlaps(*span) for span in spans):
            left.append(Window(reached, self.to_at))
        return left

    def within(self, from_at: datetime, to_at: datetime | None) -> Window:
        """The part of this window inside a span that overlaps it."""
        begins = max(self.from_at, from_at)
        return Window(begins, self.to_at if to_at is None else min(self.to_at, to_at))


class GapSpan(_Value):
    """A span for which records are, or may be, missing; `kind` is flow, syslog or radius."""

    __slots__ = ("kind", "source", "reason", "from_at", "to_at", "lost")  # noqa: RUF023

    kind: str
    source: str
    reason: str
    from_at: datetime
    to_at: datetime
    lost: int

    def __init__(
        self,
        *,
        kind: str,
        source: str,
        reason: str,
        from_at: datetime,
        to_at: datetime,
        lost: int = 0,
    ) -> None:
        for name, part in zip(
            self.__slots__, (kind, source, reason, from_at, to_at, lost), strict=True
        ):
            _set(self, name, part)


def uncovered(
    window: Window, runs: Sequence[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """The parts of `window` in none of `runs`."""
    missing = []
    reached = window.from_at
    for from_at, to_at in sorted(runs):
        if from_at > window.to_at:
            break
        if from_at > reached:
            missing.append((reached, from_at))
        reached = max(reached, to_at)
    if reached < window.to_at or (reached == window.from_at and not _touches(window, runs)):
        missing.append((reached, window.to_at))
    return missing


def _touches(window: Window, runs: Sequence[tuple[datetime, datetime]]) -> bool:
    return any(window.overlaps(from_at, to_at) for from_at, to_at in runs)
