"""`/rules`: the rules of use in force; `/rules/accept`: agreeing to them before the network opens.

Once a version. One line and a link, no box to scroll; who has agreed to an earlier version reads
what has changed.
"""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public import steps
from captive_portal.public.login import stale_form_text
from captive_portal.public.own.desk import current, form_is_mine, need_sign_in, own_page
from captive_portal.public.sign_ins import holder
from captive_portal.public.site import client_address, page, portal, visit
from captive_portal.web import plain_text
from captive_portal.web.i18n import current_language, gettext
from identity.services import published
from identity.services.published import Kind, Reader

pages = Blueprint("rules", __name__, url_prefix="/rules")


@pages.get("")
def show() -> Response:
    """The rules in force, for anybody; while there are none the page says so."""
    with portal().office.database.read() as session:
        text = published.in_force(session, Kind.ACCEPTABLE_USE, current_language())
    back = own_page("rules.ask") if holder() is not None else page("login.form")
    shown = None if text is None else plain_text.render(text.text)
    return make_response(render_template("rules.html", text=text, shown=shown, back=back))


@pages.get("/accept")
def ask() -> Response:
    """What is still to be agreed to; whoever has agreed to everything goes on."""
    return need_sign_in() or _page(200)


@pages.post("/accept")
def accept() -> Response:
    """Write down what was agreed to, and go on to the network."""
    away = need_sign_in()
    if away is not None:
        return away
    if not form_is_mine():
        return _page(400, problem=stale_form_text())
    account, office = current().account, portal().office
    seen = set(request.form.getlist("version"))
    with office.database.write() as session:
        waiting = published.not_accepted(session, account.id, current_language())
        # A version that came while the page lay open has not been read yet.
        if {f"{text.kind} {text.version}" for text in waiting} - seen:
            return _page(409, problem=gettext("There is a newer version. Please read it first."))
        reader = Reader(
            account=account,
            language=current_language(),
            client_address=client_address(),
            client_mac=visit().mac or None,
        )
        for text in waiting:
            published.accept(session, office, reader, text)
    return redirect(own_page(steps.next_page(account.id)), 303)


def _page(status: int, problem: str = "") -> Response:
    account = current().account
    with portal().office.database.read() as session:
        waiting = published.not_accepted(session, account.id, current_language())
        before = {
            text.kind: published.has_accepted_before(session, account.id, text.kind)
            for text in waiting
        }
    if not waiting and not problem:
        return redirect(own_page(steps.next_page(account.id)), 302)
    text = render_template("own/accept.html", waiting=waiting, before=before, problem=problem)
    return make_response(text, status)
