"""What is wrong with the proof of the archive's integrity: sealing, witnesses, self-test.

One judgement for `doctor`, `archive status` and the dashboard, which say it in their words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from common.config import Config
from common.errors import ArchiveError
from traffic.archive.entries import decode_entry
from traffic.archive.manifest import Manifest
from traffic.archive.sealed import LATE_MS
from traffic.archive.seals import CLOCK_TOLERANCE_MS, Seal, read_seals
from traffic.archive.selftest import last_result
from traffic.witnesses.delivery import Witnessed, standing

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
SELF_TEST_LATE_MS = 2 * _DAY_MS


class Trouble(StrEnum):
    SEALING_STOPPED = "sealing-stopped"
    CLOCK_BACK = "clock-back"
    WITNESS_DISAGREES = "witness-disagrees"
    WITNESS_AWAY = "witness-away"
    SELF_TEST_MISSED = "self-test-missed"
    SELF_TEST_FAILED = "self-test-failed"
    SELF_TEST_LATE = "self-test-late"
    NO_WITNESS = "no-witness"


GRAVE = frozenset(Trouble) - {Trouble.SELF_TEST_LATE, Trouble.NO_WITNESS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One thing that is wrong."""

    trouble: Trouble
    grave: bool
    hours: int = 0
    """How long already, where that is known."""
    who: str = ""
    """The witness, where it is about one."""
    detail: str = ""


def find_alarms(config: Config, now_ms: int) -> list[Alarm]:
    """Everything that is wrong now, grave things first.

    Raises:
        ArchiveError: seals or manifest cannot be read.
    """
    archive = config.data_dir / "archive"
    seals = read_seals(archive)
    found = [*_sealing(archive, seals, now_ms)]
    for witness in standing(config):
        found += _witness(witness, now_ms)
    if seals and not config.archive.witnesses:
        found.append(Alarm(trouble=Trouble.NO_WITNESS, grave=False))
    found += _self_test(archive, seals, now_ms)
    return sorted(found, key=lambda alarm: not alarm.grave)


def _sealing(archive: Path, seals: list[Seal], now_ms: int) -> Iterator[Alarm]:
    since_ms = seals[-1].at_ms if seals else _first_written_ms(archive)
    if since_ms is None:
        return
    if now_ms - since_ms > LATE_MS:
        yield Alarm(
            trouble=Trouble.SEALING_STOPPED, grave=True, hours=(now_ms - since_ms) // _HOUR_MS
        )
    elif seals and now_ms < since_ms - CLOCK_TOLERANCE_MS:
        yield Alarm(trouble=Trouble.CLOCK_BACK, grave=True, hours=(since_ms - now_ms) // _HOUR_MS)


def _first_written_ms(archive: Path) -> int | None:
    try:
        with Manifest(archive).path.open("rb") as stream:
            line = stream.readline()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ArchiveError("manifest.jsonl", f"cannot be read: {error.strerror}") from error
    return decode_entry(line.removesuffix(b"\n"), 1).written_ms if line.endswith(b"\n") else None


def _witness(witness: Witnessed, now_ms: int) -> Iterator[Alarm]:
    state, who = witness.state, witness.address.shown
    if state.conflict:
        yield Alarm(trouble=Trouble.WITNESS_DISAGREES, grave=True, who=who, detail=state.error)
    elif state.behind_since_ms:
        late = now_ms - state.behind_since_ms
        yield Alarm(
            trouble=Trouble.WITNESS_AWAY,
            grave=late > LATE_MS,
            hours=max(0, late) // _HOUR_MS,
            who=who,
            detail=state.error,
        )


def _self_test(archive: Path, seals: list[Seal], now_ms: int) -> Iterator[Alarm]:
    last = last_result(archive)
    if last is None:
        if seals and now_ms - seals[0].at_ms > SELF_TEST_LATE_MS:
            yield Alarm(
                trouble=Trouble.SELF_TEST_LATE,
                grave=False,
                hours=(now_ms - seals[0].at_ms) // _HOUR_MS,
            )
        return
    if last.missed:
        yield Alarm(trouble=Trouble.SELF_TEST_MISSED, grave=True, detail=", ".join(last.missed))
    elif last.error:
        yield Alarm(trouble=Trouble.SELF_TEST_FAILED, grave=True, detail=last.error)
    if now_ms - last.at_ms > SELF_TEST_LATE_MS:
        yield Alarm(
            trouble=Trouble.SELF_TEST_LATE, grave=False, hours=(now_ms - last.at_ms) // _HOUR_MS
        )
