"""What every page of somebody's own shares: who it is, their forms, proving it once more.

There may be no cookie: the signed sign-in is in each address and form. A form's token is
bound to the device's address and to the sign-in, so that no other page and nobody else behind
the same address can send it.
"""

from __future__ import annotations

from flask import redirect, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from captive_portal.public import throttle
from captive_portal.public.messages import refusal_text
from captive_portal.public.sign_ins import FIELD, Holder, holder, sign_in_text
from captive_portal.public.site import client_address, page, portal
from captive_portal.web import csrf
from captive_portal.web.i18n import gettext
from captive_portal.web.origin import is_from_elsewhere
from db.models import Credential, Voucher
from identity.domain.access import Granted, Method, Unavailable
from identity.domain.admission import find_code
from identity.domain.contacts import Channel
from identity.services.forgotten import can_send
from identity.services.login import check_password


def need_sign_in() -> Response | None:
    """Send whoever is not signed in to the login page; for `before_request`."""
    if holder() is None:
        return redirect(page("login.form"), 303 if request.method == "POST" else 302)
    return None


def current() -> Holder:
    """Who is signed in; only behind `need_sign_in`."""
    found = holder()
    assert found is not None
    return found


def own_page(endpoint: str, **values: str) -> str:
    """The address of a page that keeps the sign-in, the visit and the language."""
    return page(endpoint, **{FIELD: sign_in_text(), **values})


def own_token() -> str:
    """The hidden token of a form on this page, for this sign-in alone."""
    return portal().form_tokens.make(_bound_to())


def form_is_mine() -> bool:
    """Whether the form came from a page made for this device and this sign-in."""
    if is_from_elsewhere():
        return False
    return portal().form_tokens.is_good(request.form.get(csrf.FIELD, ""), _bound_to())


def _bound_to() -> str:
    return f"{client_address()} {current().sign_in.key}"


def page_values() -> dict[str, object]:
    """What the templates of these pages get beside what all get."""
    return {
        "own_page": own_page,
        "own_token": own_token,
        "own_sign_in": sign_in_text,
        "has_sms": can_send(portal().office, Channel.SMS),
    }


def came_by_voucher() -> bool:
    """Whether what this sign-in was begun with is a voucher's code."""
    return current().sign_in.method == Method.VOUCHER


def can_prove() -> bool:
    """Whether the holder has something to prove themselves with once more."""
    account = current().account
    if came_by_voucher() or account.origin is not None:
        return True
    with portal().office.database.read() as session:
        return session.get(Credential, account.id) is not None


def prove_again(typed: str) -> str:
    """The empty text when `typed` is the holder's password or voucher code; else what to say.

    Counted like a login: a sign-in that somebody left open is no way to guess without end.
    """
    account = current().account
    if not typed:
        return (
            gettext("Enter the code on your slip.")
            if came_by_voucher()
            else gettext("Enter your password.")
        )
    checks = throttle.login_checks(account.username)
    wait = throttle.wait_text(checks)
    if wait:
        return wait
    if came_by_voucher():
        if _is_own_voucher(typed):
            return ""
        portal().limits.count(*checks)
        return gettext("This is not the code you signed in with.")
    decision = check_password(portal().office, account.username, typed)
    if isinstance(decision, Unavailable):
        return refusal_text(decision)
    if isinstance(decision, Granted) and decision.account.account_id == account.id:
        return ""
    portal().limits.count(*checks)
    return gettext("This is not your password. Please try again.")


def _is_own_voucher(typed: str) -> bool:
    office, code = portal().office, find_code(typed)
    if code is None:
        return False
    with office.database.read() as session:
        owner = session.scalar(
            select(Voucher.account_id).where(Voucher.code_hmac == office.vault.lookup_hash(code))
        )
    return owner == current().account.id
