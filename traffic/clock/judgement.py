"""Which of several servers to believe, and what a measurement amounts to.

Pure. A server that is wrong, or lies about its stratum, cannot be recognised by what it says,
only by the others: the true time lies where the intervals of most of them meet (Marzullo's
algorithm, as in RFC 5905 section 11.2.1). That rests on one assumption: those that agree are
not all wrong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from traffic.clock.ntp import Measurement

NEEDED = 2
"""One server alone can be wrong without anybody noticing."""


class State(StrEnum):
    """The `state` of a clock row in the archive."""

    SYNCHRONISED = "synchronised"
    UNSYNCHRONISED = "unsynchronised"
    STEP = "step"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How right this machine's clock is."""

    state: State
    method: str
    """chrony | sntp | none"""
    source: str = ""
    offset_us: int | None = None
    """Ours minus the true time."""
    error_us: int | None = None
    stratum: int | None = None
    root_distance_us: int | None = None
    reason: str = ""
    """Why it is not known to be right; a short code."""
    believed: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    """Servers that the others outvote."""
    others: Mapping[str, str] = field(default_factory=dict)
    """Servers that were of no use, and why."""

    @property
    def bound_us(self) -> int | None:
        """The clock is at most so wrong; None when that is not known."""
        if self.offset_us is None or self.error_us is None:
            return None
        return abs(self.offset_us) + self.error_us

    def is_within(self, limit_us: float) -> bool:
        """Whether it is proven to be right to `limit_us`. Never for a clock on its own."""
        return (
            self.state is State.SYNCHRONISED
            and self.bound_us is not None
            and self.bound_us <= limit_us
        )


def agree(measured: Mapping[str, Measurement], others: Mapping[str, str] | None = None) -> Verdict:
    """What several servers together say about our clock.

    Args:
        measured: server -> how our clock stands against it.
        others: server -> why it was of no use.
    """
    silent = dict(others or {})
    if not measured:
        local = bool(silent) and all(why == "local_clock" for why in silent.values())
        return Verdict(
            state=State.UNSYNCHRONISED if silent else State.UNREACHABLE,
            method="sntp",
            reason="local_clock" if local else "no_server_answered",
            others=silent,
        )
    low, high, most = _intersect(list(measured.values()))
    believed = tuple(
        sorted(
            name
            for name, one in measured.items()
            if one.offset_us - one.error_us <= high and one.offset_us + one.error_us >= low
        )
    )
    wrong = tuple(sorted(set(measured) - set(believed)))
    enough = most >= NEEDED and 2 * most > len(measured)
    best = min((measured[name] for name in believed), key=lambda one: one.root_distance_us)
    # Half up, so that the interval stays inside offset ± error.
    offset, error = (low + high) // 2, (high - low + 1) // 2
    return Verdict(
        state=State.SYNCHRONISED if enough else State.UNSYNCHRONISED,
        method="sntp",
        source=believed[0] if enough else "",
        offset_us=offset if enough else None,
        error_us=error + 1 if enough else None,
        stratum=best.stratum + 1 if enough else None,
        root_distance_us=best.root_distance_us if enough else None,
        reason="" if enough else ("one_server_only" if len(measured) == 1 else "servers_disagree"),
        believed=believed if enough else (),
        wrong=wrong if enough else tuple(sorted(measured)),
        others=silent,
    )


def _intersect(measured: Sequence[Measurement]) -> tuple[int, int, int]:
    """(low, high, how many): the hull of what lies in the greatest number of intervals."""
    edges = sorted(
        [(one.offset_us - one.error_us, -1) for one in measured]
        + [(one.offset_us + one.error_us, +1) for one in measured]
    )
    inside = most = 0
    low = high = edges[0][0]
    for place, kind in edges:
        if kind > 0 and inside == most:
            high = place
        inside -= kind
        if inside > most:
            most, low = inside, place
    return low, high, most
