"""How values look in a page: times, octets, MAC addresses, and the menu an officer sees."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Flask, g, request
from flask_babel import gettext, lazy_gettext, ngettext
from flask_babel.speaklater import LazyString
from flask_login import current_user
from sqlalchemy import func, select

from captive_portal.admin import voucher_words, words
from captive_portal.admin.permissions import Permission
from captive_portal.web.dates import format_date, format_duration, format_moment
from captive_portal.web.i18n import current_language
from common.net import find_mac, format_mac, is_randomised_mac, split_called_station_id
from db.models import Account, Registration
from identity.domain.admission import format_code
from identity.office import Office
from identity.services import approval

_ = lazy_gettext


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuItem:
    """One line of the menu."""

    endpoint: str
    label: LazyString
    permission: Permission
    also: tuple[str, ...] = ()
    """Other parts of the portal that belong to this line."""

    @property
    def is_here(self) -> bool:
        here = (request.endpoint or "").split(".")[0]
        return here == self.endpoint.split(".")[0] or here in self.also


MENU = (
    MenuItem(endpoint="dashboard.show", label=_("Overview"), permission=Permission.OVERVIEW),
    MenuItem(
        endpoint="registrations.queue",
        label=_("Registrations"),
        permission=Permission.DECIDE_REGISTRATIONS,
    ),
    MenuItem(endpoint="people.listing", label=_("People"), permission=Permission.VIEW_PEOPLE),
    MenuItem(
        endpoint="consents.listing",
        label=_("Consent of guardians"),
        permission=Permission.KEEP_CONSENTS,
    ),
    MenuItem(
        endpoint="roles.listing",
        label=_("Roles"),
        permission=Permission.VIEW_ROLES,
        also=("registration_ways",),
    ),
    MenuItem(endpoint="vouchers.listing", label=_("Vouchers"), permission=Permission.VIEW_VOUCHERS),
    MenuItem(
        endpoint="sessions.listing", label=_("Connections"), permission=Permission.VIEW_SESSIONS
    ),
    MenuItem(endpoint="messages.listing", label=_("Messages"), permission=Permission.VIEW_MESSAGES),
    MenuItem(endpoint="logins.listing", label=_("Login log"), permission=Permission.VIEW_LOGINS),
    MenuItem(
        endpoint="nas_clients.listing",
        label=_("Network devices"),
        permission=Permission.VIEW_NAS,
        also=("nas_settings",),
    ),
    MenuItem(
        endpoint="lookups.ask", label=_("Who used this address?"), permission=Permission.LOOK_UP
    ),
    MenuItem(endpoint="unlocks.listing", label=_("Unlocking"), permission=Permission.REVEAL),
    MenuItem(
        endpoint="custody.listing",
        label=_("Evidence given out"),
        permission=Permission.VIEW_CUSTODY,
    ),
    MenuItem(
        endpoint="registers.first", label=_("Registers"), permission=Permission.VIEW_REGISTERS
    ),
    MenuItem(
        endpoint="hold_orders.listing",
        label=_("Orders to keep records"),
        permission=Permission.VIEW_HOLDS,
    ),
    MenuItem(
        endpoint="texts.listing", label=_("Rules and notices"), permission=Permission.VIEW_PEOPLE
    ),
    MenuItem(endpoint="tokens.listing", label=_("API tokens"), permission=Permission.HOLD_TOKENS),
    MenuItem(
        endpoint="audit_trail.listing", label=_("Audit trail"), permission=Permission.VIEW_AUDIT
    ),
)


def init_presentation(app: Flask, office: Office) -> None:
    """Give the templates of `app` their filters and the things every page shows."""
    zone = office.config.site.timezone
    environment = app.jinja_env

    def moment(value: datetime | None) -> str:
        return format_moment(value, current_language(), zone) if value else "–"

    def second(value: datetime | None) -> str:
        return format_second(value, current_language(), zone) if value else "–"

    def date(value: datetime | None) -> str:
        return format_date(value, current_language(), zone) if value else "–"

    def ago(value: datetime | None) -> str:
        return since(office.clock() - value) if value else "–"

    environment.filters.update(
        moment=moment, second=second, date=date, ago=ago, octets=format_octets,
        ssid=lambda text: split_called_station_id(text or "")[1],
        mac=show_mac, is_randomised=is_randomised, from_json=read_json,
        minutes=lambda value: format_duration(int(value) * 60, current_language()),
        minutes_in=lambda value, language: format_duration(int(value) * 60, language),
        reference=format_code, named=voucher_words.in_words,
        who=show_actor, result_for=words.login_result,
        word=lambda code, table: words.word(getattr(words, table), code),
    )  # fmt: skip
    app.before_request(lambda: _count_pending(office))
    app.context_processor(
        lambda: {
            "site_name": office.config.site.name,
            "officer": current_user,
            "menu": [item for item in MENU if current_user.may(item.permission)],
            "pending_count": g.get("pending_count", 0),
            "language_link": _language_link,
        }
    )


def _count_pending(office: Office) -> None:
    """Count the queue before the view opens its own session: one connection a request."""
    if request.endpoint in (None, "static") or not current_user.may(
        Permission.DECIDE_REGISTRATIONS
    ):
        return
    with office.database.read() as session:
        account = session.get_one(Account, current_user.account_id)
        mine = approval.scope_of(session, account).registrations()
        statement = select(func.count()).where(Registration.state == "pending", mine)
        g.pending_count = session.scalar(statement) or 0


def _language_link(language: str) -> str:
    """The present page in another language; a refused form goes back to its first page."""
    arguments = request.args.to_dict() if request.method == "GET" else {}
    arguments["lang"] = language
    return f"{request.path}?{urlencode(arguments)}"


def format_second(moment: datetime, language: str, zone: str) -> str:
    """Day and second, for ledgers: `22 พ.ย. 2569 14:05:09`."""
    return f"{format_date(moment, language, zone)} {moment.astimezone(ZoneInfo(zone)):%H:%M:%S}"


def since(span: timedelta) -> str:
    """How long ago something was, in one unit."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return str(ngettext("%(num)d second ago", "%(num)d seconds ago", seconds))
    if seconds < 3600:
        return str(ngettext("%(num)d minute ago", "%(num)d minutes ago", seconds // 60))
    if seconds < 86400:
        return str(ngettext("%(num)d hour ago", "%(num)d hours ago", seconds // 3600))
    return str(ngettext("%(num)d day ago", "%(num)d days ago", seconds // 86400))


def format_octets(count: int | None) -> str:
    """`1.5 GB`, in powers of a thousand as network people count."""
    value = float(count or 0)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if value >= 100 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def show_mac(text: str | None) -> str:
    """A station as `aa:bb:…` when it is a MAC address, else as it was sent."""
    found = find_mac(text or "")
    return format_mac(found) if found else text or "–"


def show_actor(name: str | None) -> str:
    """Who did something; what is no person's name in words."""
    known = {
        "command-line": gettext("the server's command line"),
        "housekeeper": gettext("the system itself"),
    }
    return str(known.get(name or "", name or ""))


def is_randomised(text: str | None) -> bool:
    """Whether the station made its MAC address up."""
    found = find_mac(text or "")
    return found is not None and is_randomised_mac(found)


def read_json(text: str) -> dict[str, Any]:
    """The detail of an audit event; empty when it cannot be read."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
