"""What ends soon, in an officer's words: certificates, the CA, revocation lists."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flask_babel import gettext, lazy_gettext

from captive_portal.web.dates import format_date
from captive_portal.web.i18n import current_language
from common.config import Config
from identity.pki.endings import Ending, Item, Urgency, find_endings

_ = lazy_gettext

_WHAT = {
    Item.SERVER: _("The server's certificate"),
    Item.RADSEC: _("The RadSec certificate"),
    Item.COLLECTOR: _("The certificate for syslog and IPFIX over TLS"),
    Item.CA: _("The certificate authority"),
    Item.CRL: _("The list of revoked certificates"),
}
_COMMANDS = {
    Item.SERVER: "yuenyan cert server",
    Item.RADSEC: "yuenyan cert server --for radsec",
    Item.COLLECTOR: "yuenyan doctor",
    Item.CA: "yuenyan cert rollover",
    Item.CRL: "yuenyan cert crl",
}
_GRAVE = frozenset({Urgency.NOW, Urgency.ENDED, Urgency.UNREADABLE})


def ending_warnings(config: Config, now: datetime) -> list[tuple[bool, str]]:
    """(is grave, words) for each thing that ends within 60 days, the grave ones first."""
    return sorted(_warnings(config, now), key=lambda warning: not warning[0])


def _warnings(config: Config, now: datetime) -> Iterator[tuple[bool, str]]:
    for ending in find_endings(config):
        urgency = ending.urgency(now)
        if urgency is not Urgency.FINE:
            yield urgency in _GRAVE, _say(config, ending, urgency, now)


def _say(config: Config, ending: Ending, urgency: Urgency, now: datetime) -> str:
    what, command = str(_WHAT[ending.item]), _COMMANDS[ending.item]
    if ending.ends_at is None:
        return str(
            gettext(
                "%(what)s cannot be read; see: %(command)s", what=what, command="yuenyan doctor"
            )
        )
    day = format_date(ending.ends_at, current_language(), config.site.timezone)
    if urgency is Urgency.ENDED:
        return str(
            gettext("%(what)s ended on %(day)s: %(command)s", what=what, day=day, command=command)
        )
    return str(
        gettext(
            "%(what)s ends in %(days)s days, on %(day)s: %(command)s",
            what=what,
            days=ending.days_left(now),
            day=day,
            command=command,
        )
    )
