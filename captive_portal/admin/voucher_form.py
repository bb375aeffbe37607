"""The form that a sheet of vouchers is issued with: what everybody needs first, the rest folded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from zoneinfo import ZoneInfo

from flask_babel import gettext, lazy_gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, IntegerField, SelectField, StringField
from wtforms.validators import Optional

from captive_portal.admin import words
from captive_portal.admin.desk import office, officer
from captive_portal.admin.forms import (
    Form,
    at_most,
    between,
    granted_choices,
    needed_number,
    offer,
    organisation_choices,
    read_last_day,
)
from common.errors import UsageError
from common.thai_time import read_bound
from db.models import NasClient
from identity.domain.admission import CODE_LENGTHS
from identity.domain.vouchers import LONGEST_MINUTES, MAXIMUM_BATCH, Terms, Validity

_ = lazy_gettext
_USUAL = {
    "validity": Validity.FROM_FIRST_USE.value,
    "nas": "",
    "organisation": "",
    "code_length": "10",
    "language": "th",
}


class NewBatch(Form):
    """What somebody fills in to issue vouchers."""

    name = StringField(_("For what (names the sheet)"), [at_most(80)])
    count = IntegerField(_("How many"), [needed_number(), between(1, MAXIMUM_BATCH)])
    minutes = IntegerField(_("Minutes"), [Optional(), between(1, LONGEST_MINUTES)])
    validity = SelectField(_("Counted as"))
    devices = IntegerField(_("Devices for one voucher"), [needed_number(), between(1, 100)])
    role = SelectField(_("Role"))
    receiver = StringField(_("Who gets the sheet"), [at_most(120)])

    begin = StringField(_("First day"), [at_most(40)])
    end = StringField(_("Last day"), [at_most(40)])
    hours = StringField(_("Hours"), [at_most(200)])
    uses = IntegerField(_("Sign-ins with one voucher"), [Optional(), between(1, 10_000)])
    quota_mb = IntegerField(_("Data in megabytes"), [Optional(), between(1, 10_000_000)])
    down_kbps = IntegerField(_("kbit/s to the guest"), [Optional(), between(1, 100_000_000)])
    up_kbps = IntegerField(_("kbit/s from the guest"), [Optional(), between(1, 100_000_000)])
    idle_seconds = IntegerField(
        _("Idle seconds until signed out"), [Optional(), between(60, 86400)]
    )
    nas = SelectField(_("Only at this network device"), validate_choice=True)
    organisation = SelectField(_("Only in this organisation"), validate_choice=True)
    ssid = StringField(_("Only on this Wi-Fi (SSID)"), [at_most(32)])
    code_length = SelectField(_("Length of the codes"))
    digits_only = BooleanField(_("Codes of digits only"))
    prefix = StringField(_("Prefix of the codes"), [at_most(4)])
    language = SelectField(_("Language of the cards"))
    note = StringField(_("Note"), [at_most(500)])

    FOLDED = (
        "begin", "end", "hours", "uses", "quota_mb", "down_kbps", "up_kbps", "idle_seconds",
        "nas", "organisation", "ssid", "code_length", "digits_only", "prefix", "language", "note",
    )  # fmt: skip

    @classmethod
    def read(cls, sent: Mapping[str, str]) -> NewBatch:
        """The form as it was sent; what was not is as a first look shows it."""
        return cls(MultiDict({**_USUAL, **sent} if sent else {}))

    def offer_choices(self, session: Session) -> None:
        """Fill the choices with what this officer may choose."""
        reach = officer().reach
        self.role.choices = offer(granted_choices(session, officer()))
        self.validity.choices = offer(
            (one.value, words.word(words.VALIDITIES, one.value)) for one in Validity
        )
        names = session.scalars(select(NasClient.name).where(reach.nas()).order_by(NasClient.name))
        self.nas.choices = offer([("", gettext("(everywhere)")), *((one, one) for one in names)])
        schools = [one for one in organisation_choices(session, reach) if one[0]]
        self.organisation.choices = offer([("", gettext("(everywhere)")), *schools])
        self.code_length.choices = offer((str(one), str(one)) for one in CODE_LENGTHS)
        self.language.choices = offer(
            [("th", gettext("Thai")), ("en", gettext("English")), ("both", gettext("both"))]
        )

    def set_defaults(self) -> None:
        """What a first look shows."""
        self.count.data, self.minutes.data, self.devices.data = 24, 480, 1
        self.role.data, self.validity.data = "guest", Validity.FROM_FIRST_USE.value
        self.code_length.data, self.language.data = "10", "th"

    @property
    def is_unfolded(self) -> bool:
        """Whether a folded field needs to be seen."""
        return any(self[name].errors for name in self.FOLDED)

    def terms(self) -> Terms:
        """The terms that were filled in.

        Raises:
            UsageError: a date cannot be read; the message is for the officer.
        """
        return Terms(
            count=self.count.data or 0,
            role=self.role.data,
            minutes=self.minutes.data or 0,
            devices=self.devices.data or 0,
            name=self.name.data or "",
            receiver=self.receiver.data or "",
            note=self.note.data or "",
            language=self.language.data or "th",
            validity=Validity(self.validity.data or Validity.FROM_FIRST_USE),
            not_before=read_first_moment(self.begin.data or ""),
            hard_expiry=read_last_day(office(), self.end.data) if self.end.data else None,
            uses=self.uses.data,
            quota_mb=self.quota_mb.data,
            down_kbps=self.down_kbps.data,
            up_kbps=self.up_kbps.data,
            idle_seconds=self.idle_seconds.data,
            hours=(self.hours.data or "").strip() or None,
            nas=self.nas.data or "",
            organisation=self.organisation.data or "",
            ssid=(self.ssid.data or "").strip(),
            prefix=(self.prefix.data or "").strip().upper(),
            code_length=int(self.code_length.data or 10),
            digits_only=bool(self.digits_only.data),
        )


def read_first_moment(text: str) -> datetime | None:
    """The begin of the day that `text` names, Thai or Western year; None for no text.

    Raises:
        UsageError: it names none; the message is for the officer.
    """
    if not text.strip():
        return None
    config = office().config
    try:
        day = read_bound(text, config.site.timezone, now=office().clock())
    except (UsageError, ValueError, OverflowError) as error:
        raise UsageError(gettext("Write the date like 30/11/2569 or 2026-11-30.")) from error
    zone = ZoneInfo(config.site.timezone)
    return datetime.combine(day.astimezone(zone).date(), time(), zone)
