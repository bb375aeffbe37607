"""Finds what never arrived by watching the sequence numbers of each exporter.

RFC 3954 section 5.1: version 9 counts datagrams a Source ID; version 5 counts flows an engine.
RFC 7011 section 3.1: IPFIX counts data records a domain of a transport session. Numbers wrap at
2**32. Does not know what the missing records held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traffic.decoders.counting import Counting

REORDER_WINDOW = 64
"""A number this little behind is a late or repeated datagram, not a restarted exporter."""

LARGEST_LOSS = 1 << 24
"""A jump beyond this is a restart: no exporter loses sixteen million between two datagrams."""

MAX_STREAMS = 20_000
"""Over all exporters; a forger could otherwise fill the memory with Source IDs."""

UPTIME_SLACK_MS = 60_000
"""sysUptime falling by more than this is a reboot; less is two datagrams out of order."""

MAX_GAPS = 1000
"""Gaps told apart in one batch. Each is kept for good, and datagrams cost a forger nothing."""

SEVERAL = "several exporters"
"""The source of gaps that were put together because there were too many."""

UNCOUNTED = -1
"""Expected of a stream whose last message could not be counted."""

StreamKey = tuple[str, int, int]
"""Who sends, version, domain."""

_MODULUS = 1 << 32


class GapReason(StrEnum):
    """Why records are missing, as stored."""

    SEQUENCE = "sequence"
    SOCKET = "socket"
    RESTART = "restart"
    UNDECODABLE = "undecodable"
    SILENT = "silent"
    """A sender of log lines that used to send did not for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowGap:
    """Records known to be missing between two moments, in milliseconds since 1970."""

    source: str
    from_ms: int
    to_ms: int
    lost: int
    """Datagrams (version 9, socket) or records (version 5, IPFIX); 0 when nobody can know."""
    reason: GapReason


class GapList:
    """Gaps as they are noticed; never many more than MAX_GAPS, however many are added."""

    def __init__(self) -> None:
        self._gaps: list[FlowGap] = []

    def add(self, gap: FlowGap) -> None:
        """Note one more."""
        self._gaps.append(gap)
        if len(self._gaps) >= 2 * MAX_GAPS:
            self._gaps = condense(self._gaps)

    def take(self) -> list[FlowGap]:
        """The gaps since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps


def condense(gaps: Sequence[FlowGap]) -> list[FlowGap]:
    """At most MAX_GAPS gaps that cover all of `gaps`; a wider gap hides no less.

    Those of one source and reason become one first, then those of one reason.
    """
    if len(gaps) <= MAX_GAPS:
        return list(gaps)
    merged = _together(gaps, lambda gap: gap.source)
    return merged if len(merged) <= MAX_GAPS else _together(merged, lambda _gap: SEVERAL)


def _together(gaps: Sequence[FlowGap], source_of: Callable[[FlowGap], str]) -> list[FlowGap]:
    merged: dict[tuple[str, GapReason], FlowGap] = {}
    for gap in gaps:
        key = (source_of(gap), gap.reason)
        known = merged.get(key)
        merged[key] = FlowGap(
            source=key[0],
            from_ms=min(gap.from_ms, known.from_ms) if known else gap.from_ms,
            to_ms=max(gap.to_ms, known.to_ms) if known else gap.to_ms,
            lost=gap.lost + (known.lost if known else 0),
            reason=gap.reason,
        )
    return list(merged.values())


@dataclass(slots=True)
class Stream:
    """What is expected next from one exporter's domain."""

    source: str
    expected: int
    last_ms: int
    uptime_ms: int
    counting: Counting | None = None
    """Of IPFIX; see traffic.decoders.counting."""


class SequenceWatch:
    """All streams of one collector; `observe` is called once a datagram."""

    def __init__(self) -> None:
        self.streams: dict[StreamKey, Stream] = {}
        self._gaps = GapList()
        self._late: dict[str, int] = {}

    def observe(
        self,
        key: StreamKey,
        number: int,
        step: int,
        received_ms: int,
        uptime_ms: int,
    ) -> None:
        """Note that `number` came on the stream (exporter, version, domain) and covers `step`."""
        following = (number + step) % _MODULUS
        stream = self.streams.get(key)
        if stream is None:
            if len(self.streams) >= MAX_STREAMS:
                # The one heard of longest ago goes, so that a flood of forged ones cannot
                # keep out a real exporter for good.
                del self.streams[next(iter(self.streams))]
            source = f"{key[0]} v{key[1]} domain {key[2]}"
            self.streams[key] = Stream(source, following, received_ms, uptime_ms)
            return
        if len(self.streams) > MAX_STREAMS // 2:
            self.streams[key] = self.streams.pop(key)  # the order matters when some must go
        ahead = (number - stream.expected) % _MODULUS
        if ahead == 0:
            stream.expected = following
        elif self._rebooted(stream, uptime_ms):
            self._add(stream, received_ms, 0, GapReason.RESTART)
            stream.expected = following
        elif ahead < LARGEST_LOSS:
            self._add(stream, received_ms, ahead, GapReason.SEQUENCE)
            stream.expected = following
        elif _MODULUS - ahead <= REORDER_WINDOW * max(step, 1):
            # Late: it was counted as lost when its successor came.
            self._late[stream.source] = self._late.get(stream.source, 0) + step
        else:
            self._add(stream, received_ms, 0, GapReason.RESTART)
            stream.expected = following
        stream.last_ms = max(stream.last_ms, received_ms)
        stream.uptime_ms = uptime_ms

    def add(self, gap: FlowGap) -> None:
        """Note a gap that somebody else found in a stream."""
        self._gaps.add(gap)

    def take_gaps(self) -> list[FlowGap]:
        """The gaps since the last call, less what came late after all."""
        kept = []
        for gap in self._gaps.take():
            late = 0
            if gap.reason is GapReason.SEQUENCE:
                late = min(self._late.get(gap.source, 0), gap.lost)
            if late:
                self._late[gap.source] -= late
            if late == 0:
                kept.append(gap)
            elif late < gap.lost:
                kept.append(replace(gap, lost=gap.lost - late))
        self._late = {}
        return kept

    @staticmethod
    def _rebooted(stream: Stream, uptime_ms: int) -> bool:
        fallen = (stream.uptime_ms - uptime_ms) % _MODULUS
        return UPTIME_SLACK_MS < fallen < _MODULUS // 2

    def _add(self, stream: Stream, received_ms: int, lost: int, reason: GapReason) -> None:
        first, last = sorted((stream.last_ms, received_ms))
        self._gaps.add(
            FlowGap(source=stream.source, from_ms=first, to_ms=last, lost=lost, reason=reason)
        )
