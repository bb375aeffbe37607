"""What officers read when a choice about registering, or a stay, is refused."""

from __future__ import annotations

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

REFUSALS: tuple[tuple[str, LazyString], ...] = (
    (
        r"a guest may stay for (?P<days>\d+) days at most",
        _("A guest may stay for %(days)s days at most."),
    ),
    (r"guests say what they need", _("A guest says what the network is needed for.")),
    (
        r"guests need a sponsor on record",
        _("Name who answers for these guests, or let an officer approve as well."),
    ),
    (
        r"somebody answers for the minutes",
        _("Name who answers for guests in the minutes before the code."),
    ),
    (
        r".+ is no role for guests",
        _(
            "A code or a host proves nobody to be one of the house. "
            "For this role an officer must approve as well."
        ),
    ),
    (r"guests are on no roster", _("Guests are on no roster; choose another way.")),
    (r"nobody registers for the role", _("Nobody registers for this role.")),
    (
        r"minutes to read mail are for",
        _("Minutes before the code are for the ways with a code or a host."),
    ),
    (
        r"(?P<name>\S+) is no active person; name somebody",
        _("%(name)s is no active person; name somebody else."),
    ),
    (r"message \d+ was sent", _("This message was sent.")),
    (
        r"the time of message \d+ is over",
        _("The time of this message is over; let whoever needs it ask again."),
    ),
    (
        r"this person has a password already",
        _("This person has a password already; reject this one."),
    ),
)
