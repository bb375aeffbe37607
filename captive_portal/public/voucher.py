"""`/voucher`: the code on a slip. `/v?c=CODE` fills it in and never uses it up."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import sign_ins
from captive_portal.public.login import stale_form_text
from captive_portal.public.messages import has_thai_letters, keyboard_hint, refusal_text
from captive_portal.public.open_visits import adopt_open_visit, detour_address
from captive_portal.public.released import offers_release
from captive_portal.public.site import form_is_ours, page, portal, visit
from captive_portal.public.visits import lets_in_by_name, nas_of_visit
from captive_portal.public.voucher_guesses import redeem_here, wait_text
from captive_portal.web.i18n import gettext
from identity.domain.access import Denied, Granted, Method, Reason, Unavailable
from identity.domain.admission import find_code
from identity.services.login import record_decision

pages = Blueprint("voucher", __name__)

_LONGEST = 40


@pages.get("/v")
def scan() -> Response:
    """Where the QR code on a slip leads; link previewers open it too, so it only fills in.

    A camera opens it in a browser that knows of no visit: the one that a gateway has begun for
    this address is found again. Where that is none or not the only one, the form offers the way
    through the gateway (`scanned`).
    """
    code = request.args.get("c", "")[:_LONGEST]
    if not visit().nas:
        adopt_open_visit(lets_in_by_name)
    return redirect(page("voucher.form", c=code, scanned="" if visit().nas else "1"), 302)


@pages.get("/voucher")
def form() -> Response:
    """The form, with the code from a scanned slip when there is one."""
    code = request.args.get("c", "")[:_LONGEST]
    detour = ""
    if request.args.get("scanned") and not visit().nas and find_code(code) is not None:
        detour = detour_address(code)
    return _page(200, code=code, detour=detour)


@pages.post("/voucher")
def submit() -> Response:
    """Check the code; the first use starts its clock."""
    typed = request.form.get("code", "").strip()[:_LONGEST]
    if not form_is_ours():
        return _page(400, code=typed, problem=stale_form_text())
    if not typed:
        return _page(422, errors={"code": gettext("Enter the code on your slip.")})
    if has_thai_letters(typed):
        return _page(422, code=typed, errors={"code": keyboard_hint()})
    code = find_code(typed)
    if code is None:
        # It can be nobody's, so it is no guess.
        unknown = Denied(Reason.VOUCHER_UNKNOWN, Method.VOUCHER)
        return _page(422, code=typed, problem=refusal_text(unknown))
    decision = (
        # Before the first use starts the clock of a code that lets nobody in now.
        Denied(Reason.DISK_FULL, Method.VOUCHER) if portal().gate.is_closed() else redeem_here(code)
    )
    if isinstance(decision, Unavailable):
        return _page(503, code=typed, problem=refusal_text(decision))
    if isinstance(decision, Denied) and decision.reason is Reason.THROTTLED:
        return _page(429, code=typed, problem=wait_text(code))
    # The code itself is as good as a password and stays out of the log.
    name = decision.account.username if isinstance(decision, Granted) else "voucher"
    nas = nas_of_visit()
    mac = visit().mac or None
    record_decision(portal().office, decision, name, mac, nas.id if nas else None)
    if isinstance(decision, Granted):
        return sign_ins.begin(decision)
    return _page(
        422,
        code=typed,
        problem=refusal_text(decision),
        can_release=decision.reason is Reason.VOUCHER_DEVICES and offers_release(code),
    )


def _page(status: int, **values: object) -> Response:
    return make_response(render_template("voucher.html", **{"errors": {}, **values}), status)
