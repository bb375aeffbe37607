"""Watches who sends lines: a sender that falls silent, and numbers that are missing.

Pure. Only senders of translations and leases count: nobody can tell whether a web server that
is silent was asked for nothing. RFC 5424 section 7.3.1: sequenceId counts the messages of a
sender and begins anew at 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from traffic.decoders.sequences import LARGEST_LOSS, FlowGap, GapList, GapReason
from traffic.decoders.syslog.prefix import PREFIX as PREFIX

MAX_SOURCES = 2000
FORGOTTEN_MS = 30 * 86_400_000
"""A sender that is silent for so long has been taken away, and is no gap any more."""

_HIGHEST = 2_147_483_647


@dataclass(slots=True)
class Source:
    """One sender."""

    last_ms: int
    kinds: set[str] = field(default_factory=set)
    """Kinds of record it has ever sent, of `nat` and `lease`."""
    numbers: dict[str, int] = field(default_factory=dict)
    """Host name in the header -> its last sequenceId: a relay sends for several."""


class SourceWatch:
    """All senders of one collector."""

    def __init__(self, silent_ms: int) -> None:
        self._silent_ms = silent_ms
        self._sources: dict[str, Source] = {}
        self._gaps = GapList()

    def observe(
        self, address: str, received_ms: int, kind: str | None, host: str, number: int | None
    ) -> None:
        """Note a line of `address`; `kind` is nat, lease or None."""
        source = self._sources.get(address)
        if source is None:
            if kind is None and number is None:
                return
            if len(self._sources) >= MAX_SOURCES:
                del self._sources[next(iter(self._sources))]
            source = self._sources[address] = Source(received_ms)
        if kind is not None:
            source.kinds.add(kind)
        if received_ms - source.last_ms > self._silent_ms and source.kinds:
            self._add(address, source, received_ms, 0, GapReason.SILENT)
        if number is not None:
            self._count(address, source, host, number, received_ms)
        source.last_ms = max(source.last_ms, received_ms)

    def take_gaps(self, now_ms: int) -> list[FlowGap]:
        """The gaps since the last call; senders silent for too long are forgotten with one."""
        for address, source in list(self._sources.items()):
            if now_ms - source.last_ms > FORGOTTEN_MS:
                if source.kinds:
                    self._add(address, source, now_ms, 0, GapReason.SILENT)
                del self._sources[address]
        return self._gaps.take()

    def dump(self) -> list[list[Any]]:
        """What must be remembered over a restart, JSON-ready."""
        return [
            [address, source.last_ms, sorted(source.kinds), source.numbers]
            for address, source in self._sources.items()
        ]

    def load(self, tree: Any) -> None:
        """Go on where `dump` left off; what is not ours is left out."""
        self._sources = {}
        for address, source in read_sources(tree).items():
            self._sources[address] = source

    def _count(
        self, address: str, source: Source, host: str, number: int, received_ms: int
    ) -> None:
        before = source.numbers.get(host)
        if before is None and len(source.numbers) >= MAX_SOURCES:
            return
        source.numbers[host] = number
        if before is None:
            return
        missing = (number - before - 1) % _HIGHEST
        if number > before or before - number > LARGEST_LOSS:
            if 0 < missing < LARGEST_LOSS:
                self._add(address, source, received_ms, missing, GapReason.SEQUENCE)
        elif number == 1:
            self._add(address, source, received_ms, 0, GapReason.RESTART)
        else:
            source.numbers[host] = before  # late: it was counted when its successor came

    def _add(
        self, address: str, source: Source, until_ms: int, lost: int, reason: GapReason
    ) -> None:
        self._gaps.add(
            FlowGap(
                source=source_name(address, source.kinds),
                from_ms=source.last_ms,
                to_ms=max(until_ms, source.last_ms),
                lost=lost,
                reason=reason,
            )
        )


def source_name(address: str, kinds: set[str]) -> str:
    """The source of a gap: `syslog 10.0.0.1 lease,nat`."""
    return f"{PREFIX}{address} {','.join(sorted(kinds))}".rstrip()


def read_sources(tree: Any) -> dict[str, Source]:
    """The senders in what `SourceWatch.dump` gave; nothing of what is not."""
    found: dict[str, Source] = {}
    try:
        for address, last_ms, kinds, numbers in tree or ():
            counted = {str(host): int(number) for host, number in dict(numbers).items()}
            found[str(address)] = Source(int(last_ms), {str(kind) for kind in kinds}, counted)
    except (TypeError, ValueError):
        return {}
    return found
