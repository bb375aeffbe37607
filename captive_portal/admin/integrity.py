"""What is wrong with the proof that records were not changed, in an officer's words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flask_babel import gettext

from common.config import Config
from common.errors import NetAccessError
from traffic.integrity import Alarm, Trouble, find_alarms


def integrity_warnings(config: Config, now: datetime) -> Iterator[tuple[bool, str]]:
    """(is grave, words) for each alarm, the grave ones first."""
    try:
        alarms = find_alarms(config, int(now.timestamp() * 1000))
    except (NetAccessError, OSError):
        return  # that the archive cannot be read is said by the page already
    for alarm in alarms:
        yield alarm.grave, str(_say(alarm))


def _say(alarm: Alarm) -> object:
    match alarm.trouble:
        case Trouble.SEALING_STOPPED:
            return gettext(
                "The records have not been sealed for %(hours)s hours; look whether the "
                "housekeeper runs, then: yuenyan archive seal.",
                hours=alarm.hours,
            )
        case Trouble.CLOCK_BACK:
            return gettext(
                "This server's clock is behind the last seal, so nothing is sealed; set it right."
            )
        case Trouble.WITNESS_DISAGREES:
            return gettext(
                "The witness %(who)s saw other seals than the archive has: records were changed or "
                "removed. Leave this server and the copy as they are and report it.",
                who=alarm.who,
            )
        case Trouble.WITNESS_AWAY:
            return gettext(
                "The witness %(who)s could not be shown the seals for %(hours)s hours.",
                who=alarm.who,
                hours=alarm.hours,
            )
        case Trouble.SELF_TEST_MISSED:
            return gettext(
                "The daily self-test found tampering that is not noticed any more: %(ways)s. "
                "Install the program anew.",
                ways=alarm.detail,
            )
        case Trouble.SELF_TEST_FAILED:
            return gettext(
                "The daily test of the archive failed; run: yuenyan archive verify. %(detail)s",
                detail=alarm.detail,
            )
        case Trouble.SELF_TEST_LATE:
            return gettext(
                "The daily self-test of the archive has not been made for %(hours)s hours.",
                hours=alarm.hours,
            )
        case Trouble.NO_WITNESS:
            return gettext(
                "No witness is shown the seals: whoever runs this server could change old records "
                "unnoticed. Set archive.witnesses."
            )
