"""`/voucher/devices`: whoever holds a code for one device takes that device off it, once a day.

Both steps are forms that carry the code, because it proves who asks; nothing of it is in an
address. Devices are shown by the end of their address and when they came, no more. The holders
of a code for several devices are several people: whoever gave it out takes one off.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, make_response, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public.login import stale_form_text
from captive_portal.public.messages import refusal_text
from captive_portal.public.site import form_is_ours, portal
from captive_portal.public.voucher_guesses import examine_here, wait_text
from captive_portal.web.i18n import gettext
from common.errors import NotFound, Refused
from identity.domain.access import Denied, Method, Reason
from identity.domain.admission import find_code
from identity.services import voucher_changes, vouchers
from identity.services.shared_vouchers import is_for_several

pages = Blueprint("released", __name__)

_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Shown:
    """A device as its code's holder sees it."""

    choice: str
    tail: str
    since: datetime


@pages.post("/voucher/devices")
def devices() -> Response:
    """The devices of a code that is full."""
    return _page(*_read())


@pages.post("/voucher/devices/release")
def release() -> Response:
    """Take one of them off."""
    code, problem, status = _read()
    if not problem:
        try:
            _release(code, request.form.get("device", "")[:_LONGEST])
        except NotFound:
            problem, status = gettext("This device no longer uses the code."), 422
        except Refused:
            problem, status = (
                gettext(
                    "A device was taken off this code in the last 24 hours. Please ask for help."
                ),
                422,
            )
        else:
            return _page(code, "", 200, done=True)
    return _page(code, problem, status)


def offers_release(code: str) -> bool:
    """Whether the holder of this code may take a device off it without asking anybody."""
    office = portal().office
    with office.database.read() as session:
        voucher = vouchers.find(session, office, code)
        return voucher is not None and not is_for_several(session, voucher)


def _read() -> tuple[str, str, int]:
    """The code of this form when it may be asked about, else why not, and the status for it."""
    typed = request.form.get("code", "").strip()[:_LONGEST]
    if not form_is_ours():
        return "", stale_form_text(), 400
    code = find_code(typed)
    decision = (
        examine_here(code) if code is not None else Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
    )
    if decision is None or decision.reason is Reason.VOUCHER_DEVICES:
        if not offers_release(code or ""):
            return "", _ask_the_issuer(), 403
        return code or "", "", 200
    if decision.reason is Reason.THROTTLED:
        return "", wait_text(code or ""), 429
    return "", refusal_text(decision), 422


def _ask_the_issuer() -> str:
    return gettext(
        "This code is for several devices. Ask whoever gave it to you to take one of them off."
    )


def _release(code: str, choice: str) -> None:
    office = portal().office
    with office.database.write() as session:
        voucher = vouchers.find(session, office, code)
        if voucher is None:
            raise NotFound("there is no such voucher")
        for device in vouchers.devices_of(session, voucher.id):
            if _choice(code, device.mac) == choice:
                voucher_changes.release_own_device(session, office, voucher, device.mac)
                return
    raise NotFound("this device does not use the voucher")


def _choice(code: str, mac: str) -> str:
    """A device in a form: its address is not shown to whoever found a slip."""
    return portal().office.vault.lookup_hash(f"device of {code} {mac}")[:24]


def _page(code: str, problem: str, status: int, *, done: bool = False) -> Response:
    office, shown = portal().office, []
    if code:
        with office.database.read() as session:
            voucher = vouchers.find(session, office, code)
            if voucher is not None:
                shown = [
                    Shown(_choice(code, one.mac), one.mac[-4:], one.first_seen_at)
                    for one in vouchers.devices_of(session, voucher.id)
                ]
    return make_response(
        render_template(
            "voucher_devices.html", code=code, problem=problem, devices=shown, done=done
        ),
        status,
    )
