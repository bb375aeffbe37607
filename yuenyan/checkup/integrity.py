"""Can the archive still prove that nobody changed it? Sealing, witnesses, the daily self-test."""

from __future__ import annotations

from collections.abc import Iterator

from common.clock import unix_nanoseconds
from common.config import Config
from common.counting import counted
from common.errors import NetAccessError
from traffic.archive.seals import read_seals
from traffic.archive.selftest import last_result
from traffic.archive.set_aside import set_aside
from traffic.archive.status import time_text
from traffic.integrity import Alarm, Trouble, find_alarms
from traffic.witnesses.delivery import standing
from yuenyan.checkup.finding import Finding, Level, ok, warn

_CHECKS = {
    Trouble.SEALING_STOPPED: "seals",
    Trouble.CLOCK_BACK: "seals",
    Trouble.SELF_TEST_MISSED: "self-test",
    Trouble.SELF_TEST_FAILED: "self-test",
    Trouble.SELF_TEST_LATE: "self-test",
}
_ADVICE = {
    Trouble.SEALING_STOPPED: "see that the housekeeper runs, then: yuenyan archive seal",
    Trouble.CLOCK_BACK: "set the clock right; if it ran ahead before: "
    "yuenyan archive seal --clock-went-back REASON",
    Trouble.WITNESS_DISAGREES: "the archive was written anew or cut back: stop, keep this machine "
    "and the witness's copy as they are, and call whoever answers for the records",
    Trouble.WITNESS_AWAY: "bring it back; it is shown what it missed within the hour, or at once: "
    "yuenyan archive witness",
    Trouble.SELF_TEST_MISSED: "this program no longer sees tampering: install it anew from a "
    "source you trust, then: yuenyan archive self-test",
    Trouble.SELF_TEST_FAILED: "run: yuenyan archive verify, then: yuenyan archive self-test",
    Trouble.SELF_TEST_LATE: "see that the housekeeper runs, or: yuenyan archive self-test",
    Trouble.NO_WITNESS: "set [archive] witnesses: a folder on a disk that the director keeps, or a "
    "mailbox (docs/integrity.md)",
}


def check_integrity(config: Config) -> Iterator[Finding]:
    """Everything that would keep a change of the records from being noticed."""
    archive, zone = config.data_dir / "archive", config.site.timezone
    try:
        alarms = find_alarms(config, unix_nanoseconds() // 1_000_000)
        seals, witnesses = read_seals(archive), standing(config)
    except NetAccessError as problem:
        yield Finding(Level.ERROR, "seals", str(problem), "run: yuenyan archive verify")
        return
    wrong = {_CHECKS.get(alarm.trouble, f"witness {alarm.who}".strip()) for alarm in alarms}
    for alarm in alarms:
        check = _CHECKS.get(alarm.trouble, f"witness {alarm.who}".strip())
        level = Level.ERROR if alarm.grave else Level.WARN
        yield Finding(level, check, describe(alarm), _ADVICE[alarm.trouble])
    aside = set_aside(archive)
    if aside:
        yield warn(
            "set aside",
            f"{counted(len(aside), 'segment')} that no line of the manifest names; the first:"
            f" {aside[0]}",
            "run: yuenyan archive verify; when it finds nothing missing, their rows are kept "
            "elsewhere and the files may be deleted",
        )
    if seals and "seals" not in wrong:
        yield ok("seals", f"{len(seals)}, the last at {time_text(seals[-1].at_ms, zone)}")
    for witness in witnesses:
        check = f"witness {witness.address.shown}"
        if check not in wrong:
            at = time_text(witness.state.delivered_at_ms or None, zone)
            yield ok(
                check, f"shown {counted(witness.state.delivered, 'seal')}, last at {at or 'never'}"
            )
    last = last_result(archive)
    if last is not None and "self-test" not in wrong:
        yield ok(
            "self-test",
            f"{counted(last.ways, 'tampering')} caught at {time_text(last.at_ms, zone)}",
        )


def describe(alarm: Alarm) -> str:
    """The alarm in an operator's words."""
    match alarm.trouble:
        case Trouble.SEALING_STOPPED:
            return f"nothing was sealed for {counted(alarm.hours, 'hour')}"
        case Trouble.CLOCK_BACK:
            hours = counted(alarm.hours, "hour")
            return f"the clock is {hours} behind the last seal; nothing is sealed"
        case Trouble.WITNESS_DISAGREES:
            return f"it saw other seals than the archive has: {alarm.detail}"
        case Trouble.WITNESS_AWAY:
            return f"not reached for {counted(alarm.hours, 'hour')}: {alarm.detail}"
        case Trouble.SELF_TEST_MISSED:
            return f"these tamperings are not noticed any more: {alarm.detail}"
        case Trouble.SELF_TEST_FAILED:
            return alarm.detail
        case Trouble.SELF_TEST_LATE:
            return f"not made for {counted(alarm.hours, 'hour')}"
        case Trouble.NO_WITNESS:
            return "none: whoever has this machine and its key can write the archive anew"
