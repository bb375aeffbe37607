"""What the first page says when somebody guesses voucher codes."""

from __future__ import annotations

from datetime import datetime

from flask import url_for
from flask_babel import gettext
from sqlalchemy.orm import Session

from captive_portal.admin import words
from captive_portal.admin.desk import office, officer
from captive_portal.admin.duties import Due
from captive_portal.admin.permissions import Permission
from captive_portal.web.dates import format_moment
from captive_portal.web.i18n import current_language
from db.models import NasClient
from identity.services import voucher_guard


def guess_warnings(session: Session, now: datetime) -> list[Due]:
    """The lanes that closed in the last day: the site's for who sees all of it, those of network
    devices for who sees the device. Grave while a lane is closed still."""
    found: list[Due] = []
    if not officer().may(Permission.VIEW_VOUCHERS):
        return found
    for alarm in voucher_guard.alarms(session, now):
        when = format_moment(alarm.closed_at, current_language(), office().config.site.timezone)
        lane = words.word(words.GUESS_LANES, alarm.lane)
        if alarm.nas_client_id is None:
            if not officer().reach.is_whole:
                continue
            text = (
                gettext(
                    "A million wrong voucher codes an hour came (%(when)s): only devices that are "
                    "known are let in by code.",
                    when=when,
                )
                if alarm.is_ceiling
                else gettext(
                    "Somebody guesses voucher codes (%(lane)s), last noticed %(when)s.",
                    lane=lane,
                    when=when,
                )
            )
        else:
            nas = session.get(NasClient, alarm.nas_client_id)
            if nas is None or not officer().reach.covers(nas.organisation_id):
                continue
            text = gettext(
                "Somebody guesses voucher codes (%(lane)s) behind %(nas)s, last noticed %(when)s.",
                lane=lane,
                nas=nas.name,
                when=when,
            )
        found.append(Due(text=text, url=url_for("vouchers.listing"), grave=alarm.is_closed))
    return found
