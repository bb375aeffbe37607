"""Fields, checks and choices that several forms share, with messages in the officer's language.

CSRF is checked for every POST of the application (app.py), so forms here carry no token field.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext, lazy_gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from wtforms import Form as PlainForm
from wtforms import SelectChoice  # type: ignore[attr-defined]  # its types lag behind
from wtforms.form import BaseForm
from wtforms.meta import DefaultMeta
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from captive_portal.admin import words
from captive_portal.admin.officers import Officer
from common.errors import UsageError
from common.thai_time import read_bound
from db.models import Account, Organisation, Role
from identity.office import Office
from identity.services import approval
from identity.services.reach import Reach

EXPIRY_DAYS = {"1": 1, "7": 7, "30": 30}


class _OwnWords:
    """What the library says by itself, in words for people and in their language."""

    def gettext(self, text: str) -> str:
        known = {
            "Not a valid integer value.": gettext("Enter a whole number."),
            "Not a valid float value.": gettext("Enter a number."),
            "Not a valid decimal value.": gettext("Enter a number."),
            "Not a valid choice.": gettext("Choose one of the list."),
            "Invalid Choice: could not coerce.": gettext("Choose one of the list."),
            "This field is required.": gettext("Please fill this in."),
        }
        return str(known.get(text) or gettext("This cannot be used; please correct it."))

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        return self.gettext(singular if count == 1 else plural)


class Form(PlainForm):
    """Every form of the portal: no message is the library's own."""

    class Meta(DefaultMeta):
        def get_translations(self, form: BaseForm) -> Any:
            return _OwnWords()


def needed() -> DataRequired:
    """The text must be more than white space."""
    return DataRequired(message=lazy_gettext("Please fill this in."))


def needed_number() -> InputRequired:
    """The number must be given; 0 is one."""
    return InputRequired(message=lazy_gettext("Please fill this in."))


def at_most(length: int) -> Length:
    """The text is no longer than `length`."""
    return Length(max=length, message=lazy_gettext("At most %(count)s characters.", count=length))


def between(low: int, high: int) -> NumberRange:
    """The number lies in the range."""
    return NumberRange(
        low, high, lazy_gettext("A number from %(low)s to %(high)s.", low=low, high=high)
    )


def offer(choices: Iterable[tuple[str, object]]) -> list[Any]:
    """Choices in the form a select field wants."""
    return [SelectChoice(value, label) for value, label in choices]


def granted_choices(session: Session, officer: Officer) -> list[tuple[str, str]]:
    """The roles this officer may grant, with their names in words."""
    account = session.get_one(Account, officer.account_id)
    names = approval.grantable(session, account)
    return [(name, words.word(words.ROLES, name)) for name in names]


def role_choices(session: Session, *, devices: bool = False) -> list[tuple[str, str]]:
    """Every role a person can get, with its name in words."""
    names = session.scalars(select(Role.name).order_by(Role.name))
    return [(name, words.word(words.ROLES, name)) for name in names if devices or name != "device"]


def organisation_choices(session: Session, reach: Reach) -> list[tuple[str, str]]:
    """Every organisation in reach, after 'none' (which only who sees everything may choose)."""
    rows = session.execute(
        select(Organisation.code, Organisation.name)
        .where(reach.within(Organisation.id))
        .order_by(Organisation.code)
    )
    choices = [(code, f"{code} · {name}") for code, name in rows]
    return [("", gettext("(none)")), *choices] if reach.is_whole else choices


def expiry_choices() -> list[tuple[str, str]]:
    """How long an approval may last."""
    return [
        ("1", gettext("1 day")),
        ("7", gettext("7 days")),
        ("30", gettext("30 days")),
        ("date", gettext("until the date…")),
        ("role", gettext("as the role says")),
    ]


def read_expiry(office: Office, choice: str, date: str) -> datetime | None:
    """The end of an approval; None leaves it to the role.

    Raises:
        UsageError: the date is missing, unreadable or over; the message is for the officer.
    """
    if choice == "role":
        return None
    if choice in EXPIRY_DAYS:
        return office.clock() + timedelta(days=EXPIRY_DAYS[choice])
    return read_last_day(office, date)


def read_last_day(office: Office, text: str) -> datetime:
    """The end of the day `text` names, Thai or Western year."""
    try:
        day = read_bound(text, office.config.site.timezone, now=office.clock())
    except (UsageError, ValueError, OverflowError) as error:
        raise UsageError(gettext("Write the date like 30/11/2569 or 2026-11-30.")) from error
    zone = ZoneInfo(office.config.site.timezone)
    end = datetime.combine(day.astimezone(zone).date(), time(23, 59, 59), zone)
    if end <= office.clock():
        raise UsageError(gettext("That date is over."))
    return end
