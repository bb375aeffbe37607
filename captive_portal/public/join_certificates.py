"""`/join/certificates`: certificates in place of the password, one for each device.

The password of a certificate's file is on one page, once. That page is the answer to the form
itself and no redirect leads to it, because a password in an address would stay in histories.
"""

from __future__ import annotations

import secrets

from flask import Blueprint, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import join, throttle
from captive_portal.public.login import stale_form_text
from captive_portal.public.own.desk import form_is_mine
from captive_portal.public.sign_ins import Holder, holder, sign_in_text
from captive_portal.public.site import page, portal, public_root
from captive_portal.web import qr
from captive_portal.web.i18n import gettext
from captive_portal.web.join_tokens import JoinToken
from captive_portal.web.limits import Limit
from common.errors import NetAccessError, NotFound, Refused
from common.logging import get_logger
from identity.services import own_certificates
from identity.services.own_certificates import MadeBefore

pages = Blueprint("join_certificates", __name__)

_EACH_DAY = Limit.of("own-certificate", "20 per 1 day", shared=True)
"""So that nobody fills the records and the revocation list by taking and giving back."""
_KEY_LETTERS = range(16, 65)


@pages.get("/join/certificates")
def show() -> Response:
    """The certificates of whoever is signed in, and the form for another."""
    return _page(200)


@pages.post("/join/certificates")
def issue() -> Response:
    """Make a certificate and tell its file's password, this once."""
    current = _holder()
    if not form_is_mine():
        return _page(400, problem=stale_form_text())
    key = request.form.get("key", "")
    if len(key) not in _KEY_LETTERS:
        return _page(400, problem=stale_form_text())
    office, checks = portal().office, ((_EACH_DAY, str(current.account.id)),)
    if throttle.wait_text(checks):
        return _page(429, problem=gettext("That were enough certificates for one day."))
    try:
        made = own_certificates.issue_own(office, current.account, key)
    except MadeBefore:
        told = gettext("This certificate has been made. Its password was shown once; make another.")
        return _page(409, problem=told)
    except Refused:
        return _page(422, problem=gettext("You have as many certificates as you may. Revoke one."))
    except NetAccessError as error:
        get_logger(__name__).error("certificate_not_issued", reason=str(error))
        abort(503)
    portal().limits.count(*checks)
    token = JoinToken(current.account.id, key)
    joining = join.joining_of(token)
    address = f"{public_root()}{join.page_without_visit(joining.token)}"
    return make_response(
        render_template(
            "join_certificate.html",
            made=made,
            code=qr.svg(address, gettext("The address of this page for another device")),
            onward=page("join.show", **{join.TOKEN: joining.token}),
            **join.page_parts(joining),
        )
    )


@pages.post("/join/certificates/revoke")
def revoke() -> Response:
    """Take back one of one's own."""
    current = _holder()
    if not form_is_mine():
        return _page(400, problem=stale_form_text())
    try:
        own_certificates.revoke_own(
            portal().office, current.account, request.form.get("serial", "")
        )
    except NotFound:
        return _page(404, problem=gettext("That certificate is not in force any more."))
    return redirect(page("join_certificates.show", s=sign_in_text(), revoked="1"), 303)


def _holder() -> Holder:
    current = holder()
    if current is None or not own_certificates.may_have(portal().office, current.account):
        abort(404)
    if join.why_not_of(current):
        # A certificate is in place of a password; who has none comes by a voucher.
        abort(404)
    return current


def _page(status: int, problem: str = "") -> Response:
    current, office = _holder(), portal().office
    with office.database.read() as session:
        rows = own_certificates.list_own(session, current.account.id, office.clock())
    return make_response(
        render_template(
            "join_certificates.html",
            rows=rows,
            room=max(0, office.config.onboarding.certificates - len(rows)),
            key=secrets.token_urlsafe(18),
            s=sign_in_text(),
            problem=problem,
            revoked=request.args.get("revoked") == "1",
        ),
        status,
    )
