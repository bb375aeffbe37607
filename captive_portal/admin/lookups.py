"""Who used this address? The form, and the answer in plain words.

The look-up itself, its record and its rules are traffic.lookup's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from wtforms import Form, IntegerField, SelectField, StringField
from wtforms.validators import Optional

from captive_portal.admin.answers import Answer, run
from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import at_most, between, needed, offer
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import explain
from captive_portal.web.dates import BUDDHIST_ERA
from common.errors import BackendUnavailable, NetAccessError
from common.net import parse_address
from traffic.lookup.question import MAX_TOLERANCE_SECONDS, read_moment

blueprint = Blueprint("lookups", __name__, url_prefix="/lookup")

_ = lazy_gettext
_THAI_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
_DAY_FIRST = re.compile(
    r"(?P<day>\d{1,2})[/.\-](?P<month>\d{1,2})[/.\-](?P<year>\d{4})[ T,]+"
    r"(?P<clock>\d{1,2}[:.]\d{2}.*)"
)
"""How letters write it: 22/11/2569 14:05."""


class Question(Form):
    """What a lawful request asks."""

    address = StringField(_("Address"), [needed(), at_most(60)])
    port = IntegerField(_("Port"), [Optional(), between(0, 65535)])
    protocol = SelectField(
        _("Protocol"),
        choices=offer(
            [("", _("(not known)")), *((name, name.upper()) for name in ("tcp", "udp", "icmp"))]
        ),
    )
    at = StringField(_("Date and time"), [needed(), at_most(60)])
    tolerance = IntegerField(
        _("Give or take, seconds"), [Optional(), between(0, MAX_TOLERANCE_SECONDS)]
    )
    case = StringField(_("Case number"), [needed(), at_most(200)])
    reason = StringField(_("Reason"), [needed(), at_most(500)])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTime:
    """A moment as the asker wrote it, in both calendars, so that a slip is seen."""

    moment: datetime
    thai: str
    western: str


@blueprint.route("/", methods=["GET", "POST"])
@requires(Permission.LOOK_UP)
def ask() -> ResponseReturnValue:
    """The form; with POST also the answer. Every look-up is recorded by the service."""
    form = Question(request.form)
    if request.method == "GET":
        return render_template("lookup.html", form=form, error=None, answer=None, time=None)
    error: str | None = gettext("Please correct the marked fields.")
    answer: Answer | None = None
    time: ReadTime | None = None
    if form.validate():
        try:
            time = read_time(form.at.data or "", office().config.site.timezone)
            answer = run(
                office(),
                address=str(parse_address(form.address.data or "")),
                port=form.port.data,
                protocol=form.protocol.data or None,
                at=time.moment,
                tolerance_seconds=form.tolerance.data or 0,
                case=form.case.data or "",
                reason=form.reason.data or "",
                actor=officer().username,
            )
            error = None
        except BackendUnavailable:
            raise
        except NetAccessError as refusal:
            error = explain(refusal)
    status = 422 if error else 200
    page = render_template("lookup.html", form=form, error=error, answer=answer, time=time)
    return page, status


def read_time(text: str, zone: str) -> ReadTime:
    """The moment in `text`, and how it reads in both calendars.

    Raises:
        UsageError: the text is not a time.
    """
    moment = read_moment(_iso(text), zone)
    local = moment.astimezone(ZoneInfo(zone))
    rest = f"{local:%m-%d %H:%M:%S}"
    return ReadTime(
        moment=moment,
        thai=f"{local.year + BUDDHIST_ERA}-{rest}",
        western=f"{local.year}-{rest}",
    )


def _iso(text: str) -> str:
    """A day-first date as `YYYY-MM-DD HH:MM`; anything else as it is."""
    cleaned = text.translate(_THAI_DIGITS).strip().removesuffix("น.").strip()
    match = _DAY_FIRST.fullmatch(cleaned)
    if match is None:
        return cleaned
    day, month, year, clock = match.group("day", "month", "year", "clock")
    hour, _colon, rest = clock.replace(".", ":").partition(":")
    return f"{year}-{int(month):02}-{int(day):02} {int(hour):02}:{rest}"
