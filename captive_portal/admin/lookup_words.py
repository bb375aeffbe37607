"""The words of look-ups: why a time, a device or a wish to unlock is refused."""

from __future__ import annotations

import re

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from traffic.lookup.sentences import LEFT_OUT
from traffic.lookup.service import CUT, EARLY, LATER, NO_DESTINATIONS, NO_PORT, UNPROVEN
from traffic.lookup.stations import MADE_UP

_ = lazy_gettext

UNLOCK_STATES: dict[str, LazyString] = {
    "waiting": _("waits for a second officer"),
    "approved": _("agreed to"),
    "refused": _("refused"),
}

LOOKUP_KINDS: dict[str, LazyString] = {
    "address": _("An address"),
    "mac": _("A device"),
    "person": _("A person"),
    "flows": _("Traffic"),
}

LOOKUP_WARNINGS: dict[str, LazyString] = {
    NO_PORT: _("Without a port, everyone behind this public address is a candidate."),
    LATER: _(
        "A gap after the time asked for counts too: equipment reports a flow up to 30 minutes after"
        " it took place."
    ),
    EARLY: _(
        "Not told yet is not nobody: equipment reports a connection when it ends, or up to 30"
        " minutes after it took place. Ask again then."
    ),
    UNPROVEN: _(
        "The stop of a session never came: after its last report the device may have left, and"
        " another may have had the address."
    ),
    NO_DESTINATIONS: _(
        "Of some senders the outside ends of connections are not kept; who shared an outside port"
        " at the same time cannot be told apart there."
    ),
    LEFT_OUT: _(
        "Where an end of a connection is missing, its sender did not tell it or the site keeps no"
        " outside ends of what that sender tells."
    ),
    MADE_UP: _("The device made this MAC address up; another device can have the same one."),
    CUT: _("There are more candidates than are shown; ask with a port, protocol or shorter time."),
}

QUESTION_FIELDS: dict[str, LazyString] = {
    "address": _("Address"),
    "port": _("Port"),
    "protocol": _("Protocol"),
    "destination": _("Destination"),
    "mac": _("MAC address"),
    "user": _("User name"),
    "session": _("Connection"),
    "at": _("Date and time"),
    "from": _("From"),
    "to": _("To"),
    "tolerance_seconds": _("Give or take, seconds"),
}
"""What a question can hold, in the order in which it is read out."""

MOMENTS = frozenset({"at", "from", "to"})

STATION_OUTCOMES: dict[str, LazyString] = {
    "single": _("One account used this device"),
    "ambiguous": _("Several accounts could have used this device"),
    "none": _("Nobody used this device at that time"),
    "gap": _("Records are missing for that time; nobody can say"),
}

REFUSALS: tuple[tuple[re.Pattern[str], LazyString], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (
            r"the year (?P<year>\d\d) could be B\.E\. (?P<be>\d+) \((?P<be_common>\d+) C\.E\.\) or"
            r" (?P<common>\d+) C\.E\. \(B\.E\. (?P<common_be>\d+)\)",
            _(
                "The year %(year)s could be B.E. %(be)s (%(be_common)s C.E.) or %(common)s C.E."
                " (B.E. %(common_be)s); write all four digits."
            ),
        ),
        (
            r"contradicts itself: .+ is a \w+ \(วัน(?P<day>\w+)\)",
            _("The day of the week does not belong to the date, which is a วัน%(day)s."),
        ),
        (
            r"(?P<month>\w+) (?P<year>\d+) \(B\.E\. (?P<be>\d+)\) has (?P<days>\d+) days",
            _("%(month)s %(year)s (B.E. %(be)s) has %(days)s days."),
        ),
        (
            r"there is no month (?P<month>\d+)",
            _("There is no month %(month)s; the day comes first."),
        ),
        (
            r"the hour and minute are missing",
            _("The time of day is missing; write it like 15 ม.ค. 2568 14.30 น."),
        ),
        (
            r"'(?P<value>.+)' is not understood",
            _("“%(value)s” is not understood; write it like 15 ม.ค. 2568 14.30 น."),
        ),
        (
            r"'(?P<value>.+)' is not a MAC address",
            _("%(value)s is not a MAC address; write it like 3c:22:fb:01:02:03."),
        ),
        (r"'(?P<value>.+)' is not a port", _("%(value)s is not a port; ports are 0 to 65535.")),
        (r"the period ends before it begins", _("The period ends before it begins.")),
        (
            r"give one of --address, --user and --session",
            _("Fill in one: connection, user or address."),
        ),
        (r"give the user name", _("Enter the user name that is asked about.")),
        (
            r"nobody is called|nobody and no session|there is no session",
            _("There is nobody and no connection of that name within your reach."),
        ),
        (
            r"an address may be anybody's",
            _("Ask for the traffic of a connection or a person; an address may be anybody's."),
        ),
        (
            r"nobody agrees to the own wish",
            _("Nobody agrees to the own request; another officer has to."),
        ),
        (
            r"may be one person: the asker",
            _(
                "You and the asker may be one person: the asker gave you a level, or one of you"
                " made the other's account or password lately. Another officer has to decide."
            ),
        ),
        (
            r"lets somebody approve everywhere",
            _("Only who sees every organisation lets somebody approve everywhere."),
        ),
        (
            r"overlaps equipment of another organisation",
            _(
                "These addresses overlap equipment of another organisation; ask the area office to"
                " register the device."
            ),
        ),
        (r"has decided request", _("Somebody has decided this request already.")),
        (r"waits for a second officer", _("This request waits for a second officer.")),
        (r"approval \d+ has ended", _("The approval has ended; ask for a new one.")),
        (r"was refused by", _("This request was refused.")),
        (r"was given (to|for)", _("This approval is for something else.")),
        (
            r"sees more than you do",
            _(
                "This level sees more than you do; it is given at the console:"
                " yuenyan officer grant."
            ),
        ),
        (
            r"may see what you may not",
            _(
                "This account may see what you may not; it is changed at the console: yuenyan user"
                " disable, enable, password."
            ),
        ),
        (r"only administrator", _("This is the only administrator; make another one first.")),
        (
            r"belongs to no organisation, so there is no school",
            _("An officer of a school needs an account of that school."),
        ),
        (r"only people can be officers", _("Only the account of a person can be an officer's.")),
    )
)
