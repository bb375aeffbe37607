"""`/status`: who is signed in here, until when, and on which devices; and signing out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, make_response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from captive_portal.public.belongings import belongings
from captive_portal.public.leaving import leave_network, leaves_network, sign_out_address
from captive_portal.public.sign_ins import COOKIE, Holder, end, holder, sign_in_text
from captive_portal.public.site import client_address, form_is_ours, page, portal, visit
from captive_portal.public.visits import can_hand_over, nas_of_visit
from common.net import find_mac, format_mac
from db.models import Account
from identity.domain.access import Method
from identity.services import hosting, hosts
from identity.services.allowance import allowance
from identity.services.presence import Presence, open_sessions, session_of

pages = Blueprint("status", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Device:
    """One open session as the page shows it."""

    mac: str
    addresses: tuple[str, ...]
    since: datetime
    seconds_left: int | None
    megabytes: int
    is_this_one: bool


@pages.get("/status")
def show() -> Response:
    """The account of whoever is signed in; without a sign-in only whether this device is online."""
    current = holder()
    office = portal().office
    now, here = office.clock(), client_address()
    with office.database.read() as session:
        this = session_of(session, here) if here else None
        mine = belongings(session, current.account) if current else None
        sessions = open_sessions(session, current.account.id) if current else ()
        whose = current.account if current else _account_of(session, this)
        left = allowance(session, office, whose) if whose else None
        receives_guests = current is not None and hosts.may_receive(session, current.account, now)
        waiting = (
            len(hosting.waiting_for(session, current.account)) if current and receives_guests else 0
        )
    values: dict[str, object] = {
        "left": left,
        "now": now,
        "online_since": this.started_at if this else None,
        "ends_at": this.ends_at if this else None,
        "seconds_left": _left(this, now) if this else None,
        "joined": request.args.get("joined") == "1",
        "changed": request.args.get("changed") == "1",
        "return_url": visit().url,
    }
    if current is not None:
        devices = [
            _device(one, now, here)
            for one in sessions
            if mine is not None and mine.covers_session(one.session_key, one.mac)
        ]
        values |= {
            "holder": current,
            "s": sign_in_text(),
            "devices": devices,
            "is_shared": mine is not None and mine.is_shared,
            "account_left": _account_left(current, now),
            "receives_guests": receives_guests,
            "leaves": leaves_network(this, current.account),
            "gateway_sign_out": sign_out_address(),
            "guests_waiting": waiting,
            "by_voucher": current.sign_in.method == Method.VOUCHER,
            "can_connect": this is None and can_hand_over(nas_of_visit()),
        }
    return make_response(render_template("status.html", **values))


@pages.post("/sign-out")
def sign_out() -> Response:
    """End the sign-in to this page; behind our own gateway and openNDS the session as well.

    Other networks are left by the device.
    """
    current = holder()
    if current is not None and form_is_ours():
        leave_network(current.account)
        end(current)
        response = redirect(page("login.form", signed_out="1"), 303)
    elif current is not None:
        response = redirect(page("status.show", s=sign_in_text()), 303)
    else:
        response = redirect(page("login.form"), 303)
    if current is None or "signed_out" in response.location:
        response.delete_cookie(COOKIE)
    return response


def _account_of(session: Session, presence: Presence | None) -> Account | None:
    """Whose session this device has; its own user may see what is left of it."""
    if presence is None or presence.account_id is None:
        return None
    return session.get(Account, presence.account_id)


def _left(presence: Presence, now: datetime) -> int | None:
    if presence.ends_at is None:
        return None
    return max(0, int((presence.ends_at - now).total_seconds()))


def _account_left(current: Holder, now: datetime) -> int | None:
    if current.account.expires_at is None:
        return None
    return max(0, int((current.account.expires_at - now).total_seconds()))


def _device(presence: Presence, now: datetime, here: str) -> _Device:
    mac = find_mac(presence.mac)
    return _Device(
        mac=format_mac(mac) if mac else presence.mac,
        addresses=presence.addresses,
        since=presence.started_at,
        seconds_left=_left(presence, now),
        megabytes=(presence.input_octets + presence.output_octets) // 1_000_000,
        is_this_one=here in presence.addresses or (mac is not None and mac == visit().mac),
    )
