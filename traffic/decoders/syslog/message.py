"""The header of one syslog message: RFC 5424, RFC 3164, and what equipment sends in their place.

Pure, and never an error: what has no header is a message that is all text. The time in the
header is what the device claims; the time of record is always ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

LONGEST = 8192
"""Characters that are looked at; RFC 5424 section 6.1 asks receivers for 2048."""

_PRIORITY = re.compile(r"<(\d{1,3})>")
_NEW = re.compile(r"1 (\S+) (\S+) (\S+) (\S+) (\S+) ")
_OLD_TIME = re.compile(
    r"(?:\*|\.)?([A-Z][a-z]{2}) {1,2}(\d{1,2})(?: (\d{4}))? (\d\d):(\d\d):(\d\d)"
)
_NEW_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_FRACTION = re.compile(r"\.(\d+)")
_TAG = re.compile(r"([A-Za-z0-9_./()-]{1,64})(?:\[(\d{1,10})\])?: ?")
_ELEMENT = re.compile(r'\[([^\s=\]"]{1,64})((?: [^\s=\]"]{1,64}="(?:[^"\\\]]|\\.)*")*) ?\]')
_PARAMETER = re.compile(r' ([^\s=\]"]{1,64})="((?:[^"\\\]]|\\.)*)"')
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, its header taken apart."""

    host: str = ""
    """What the device calls itself; whoever sent it is told by the network instead."""
    app: str = ""
    """The program: APP-NAME, or TAG without its process number."""
    name: str = ""
    """MSGID of RFC 5424."""
    text: str
    """What follows the header and the tag."""
    rest: str
    """What follows the header, the tag included."""
    parameters: dict[str, str]
    """Structured data, the elements' names left out."""
    told_ms: int | None = None
    """The header's time in milliseconds since 1970; None when there is none."""


def parse_message(octets: bytes, received_ms: int, zone: ZoneInfo) -> Message:
    """The message in `octets`.

    Args:
        received_ms: when it came; an RFC 3164 time has no year and takes the nearest.
        zone: of devices whose time names no offset.
    """
    line = octets.decode("utf-8", "replace")[:LONGEST].rstrip("\r\n\0 ")
    priority = _PRIORITY.match(line)
    body = line[priority.end() :] if priority else line
    new = _NEW.match(body) if priority else None
    if new is not None:
        return _new_message(body, new, zone)
    return _old_message(body, received_ms, zone)


def _new_message(body: str, head: re.Match[str], zone: ZoneInfo) -> Message:
    """RFC 5424 section 6."""
    told, host, app, _, name = ("" if part == "-" else part for part in head.groups())
    rest = body[head.end() :]
    parameters: dict[str, str] = {}
    if rest.startswith("-"):
        rest = rest[1:]
    else:
        while element := _ELEMENT.match(rest):
            for key, value in _PARAMETER.findall(element[2]):
                parameters.setdefault(key, re.sub(r'\\(["\\\]])', r"\1", value))
            rest = rest[element.end() :]
    # rsyslog puts a second space there, because the text of RFC 3164 begins with one.
    text = rest.lstrip(" ").removeprefix("\ufeff")
    return Message(
        host=host,
        app=app,
        name=name,
        text=text,
        rest=text,
        parameters=parameters,
        told_ms=_new_time(told, zone),
    )


def _old_message(body: str, received_ms: int, zone: ZoneInfo) -> Message:
    """RFC 3164 section 4.1, with the time of RFC 5424 that rsyslog puts there, or with neither."""
    told_ms, host, rest = None, "", body
    if found := _NEW_TIME.match(body):
        told_ms, rest = _new_time(found[0], zone), body[found.end() :].lstrip(" ")
    elif found := _OLD_TIME.match(body):
        told_ms, rest = _old_time(found, received_ms, zone), body[found.end() :].lstrip(" :")
    if found is not None:
        first, _, after = rest.partition(" ")
        # Some leave the host out: then the tag with its colon stands in its place.
        if first and not first.endswith(":") and not first.startswith("%"):
            host, rest = first, after.lstrip(" ")
            rest = rest.removeprefix(": ")
    tag = _TAG.match(rest)
    return Message(
        host=host,
        app=tag[1] if tag else "",
        text=rest[tag.end() :] if tag else rest,
        rest=rest,
        parameters={},
        told_ms=told_ms,
    )


def _new_time(text: str, zone: ZoneInfo) -> int | None:
    # Python 3.11 wants no more than six digits of a second's fraction.
    text = _FRACTION.sub(lambda digits: f".{digits[1][:6]:0<6}", text, count=1)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return _milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def _old_time(found: re.Match[str], received_ms: int, zone: ZoneInfo) -> int | None:
    month, day, year, hour, minute, second = found.groups()
    if month not in _MONTHS:
        return None
    received = datetime.fromtimestamp(received_ms / 1000, UTC)
    years = [int(year)] if year else [received.year + step for step in (-1, 0, 1)]
    moments = []
    for one in years:
        try:
            moments.append(
                datetime(
                    *(one, _MONTHS.index(month) + 1, int(day)),
                    *(int(hour), int(minute), min(int(second), 59)),
                    tzinfo=zone,
                )
            )
        except ValueError:
            continue  # 29 February of another year, or nonsense
    if not moments:
        return None
    return _milliseconds(min(moments, key=lambda moment: abs(moment - received)))


def _milliseconds(moment: datetime) -> int | None:
    try:
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except OverflowError:
        return None
