"""What the clock samples of the archive say."""

from __future__ import annotations

from collections.abc import Iterator

from common.clock import to_rfc3339, utc_now
from common.config import Config
from common.errors import ArchiveError
from traffic.clock.equipment import SENTENCE
from traffic.clock.history import ClockStatus, read_status
from yuenyan.checkup.finding import Finding, error, ok, warn
from yuenyan.checkup.rights import is_denied

CHECK = "clock samples"
EQUIPMENT = "equipment clocks"
_NAMES = 5

ADVICE = {
    "never_measured": "let the housekeeper run, or: yuenyan clock sample",
    "not_measured_lately": "is the housekeeper running? Then look for clock_sample in its log",
    "local_clock": "the time comes from a machine's own clock only: give chrony real servers",
    "nobody_to_ask": "install chrony, or name three servers in [clock] servers",
    "no_server_answered": "let NTP (UDP 123) out, or install chrony with servers that answer",
    "one_server_only": "one server alone can be wrong unnoticed: name more in [clock] servers",
    "servers_disagree": "see which server is wrong: yuenyan clock status; replace it",
    "chrony_unsynchronised": "give chrony servers that answer: chronyc sources",
    "beyond_limit": "servers nearer by have a smaller error; install chrony",
}
"""Alarm -> what to do about it."""


def check_clocks(config: Config) -> Iterator[Finding]:
    """The clock is measured, within its limit, and not set by hand; the equipment's besides."""
    try:
        status = read_status(config, utc_now())
    except (ArchiveError, OSError) as problem:
        if is_denied(problem):
            raise  # yuenyan.checkup.rights says so
        yield error(CHECK, f"cannot be read: {problem}", "run: yuenyan archive verify")
        return
    yield own_finding(config, status)
    if status.steps:
        at, step_us = status.steps[-1]
        yield warn(
            CHECK,
            f"{len(status.steps)} steps of this machine's clock in 24 hours, the last by"
            f" {step_us / 1000:.0f} ms at {to_rfc3339(at, config.site.timezone)}",
            "let chrony lead the clock instead of setting it; look-ups around it are widened",
        )
    unproven = [
        f"{one['source']} ({one.get('judged') or one.get('reason') or 'beyond the limit'})"
        for one in status.equipment
        if not equipment_is_proven(one, status.limit_us)
    ]
    if unproven:
        more = len(unproven) - _NAMES
        yield warn(
            EQUIPMENT,
            "not proven to be right: "
            + ", ".join(unproven[:_NAMES])
            + (f" and {more} more" if more > 0 else "")
            + f". {SENTENCE}",
            "give equipment NTP servers; where it answers NTP, name it in [clock] equipment",
        )
    elif status.equipment:
        yield ok(EQUIPMENT, f"{len(status.equipment)} proven by NTP")


def own_finding(config: Config, status: ClockStatus) -> Finding:
    """How this machine's clock stands."""
    alarm = status.alarm
    own = status.own
    if alarm is None and own is not None and own.bound_us is not None:
        return ok(
            CHECK,
            f"at most {own.bound_us / 1000:.3f} ms wrong ({own.method}: {own.source},"
            f" stratum {own.stratum})",
        )
    at = "" if status.at is None else f", {to_rfc3339(status.at, config.site.timezone)}"
    bound = "" if own is None or own.bound_us is None else f": {own.bound_us / 1000:.1f} ms"
    return warn(
        CHECK,
        f"not shown to be right to {config.clock.limit_ms:g} ms"
        f" ({(alarm or '').replace('_', ' ')}{bound}{at})",
        ADVICE.get(alarm or "", "see: yuenyan clock status"),
    )


def equipment_is_proven(one: dict[str, object], limit_us: int) -> bool:
    """Whether an equipment row was measured by NTP and lies within the limit."""
    offset, error = one.get("offset_us"), one.get("error_us")
    return (
        one.get("by") == "ntp"
        and isinstance(offset, int)
        and isinstance(error, int)
        and abs(offset) + error <= limit_us
    )
