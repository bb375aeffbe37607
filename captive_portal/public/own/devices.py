"""`/me/devices`: my devices, registered and seen: name them, take one out, register one."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from captive_portal.public.belongings import belongings
from captive_portal.public.login import stale_form_text
from captive_portal.public.own.desk import (
    current,
    form_is_mine,
    need_sign_in,
    own_page,
)
from captive_portal.public.site import client_address, portal, visit
from captive_portal.web.i18n import gettext
from captive_portal.web.origin import is_from_elsewhere
from common.errors import NotFound, UsageError
from common.net import find_mac
from identity.services import own_devices
from identity.services.own_devices import LONGEST_NAME, NotAdded
from identity.services.own_sessions import SHOWN_DAYS
from identity.services.presence import session_of

pages = Blueprint("own_devices", __name__, url_prefix="/me/devices")
pages.before_request(need_sign_in)

_LONGEST = 80


@pages.get("")
def show() -> Response:
    """The list, and the form for a device without a login where the role allows one."""
    return _page(200)


@pages.post("")
def submit() -> Response:
    """What the form that was sent asks for; one address, so that its answer can be shown again."""
    steps = {"name": _rename, "remove": _remove, "add": _add}
    step = steps.get(request.form.get("do", ""))
    if step is None or not form_is_mine():
        typed, name = ("", "") if is_from_elsewhere() else _new_device()
        return _page(400, problem=stale_form_text(), typed=typed, name=name)
    return step()


def _rename() -> Response:
    """Call a device of one's own something."""
    office = portal().office
    name = request.form.get("name", "")[:_LONGEST]
    try:
        with office.database.write() as session:
            own_devices.rename(
                session,
                office,
                current().account,
                _named(session),
                name,
                office.clock() - SHOWN_DAYS,
            )
    except NotFound:
        return _page(404, problem=_not_mine())
    except UsageError:
        return _page(
            422,
            problem=gettext(
                "Please use a name of at most %(count)s characters.", count=LONGEST_NAME
            ),
        )
    return redirect(own_page("own_devices.show"), 303)


def _remove() -> Response:
    """Take a registered device of one's own out."""
    office = portal().office
    try:
        with office.database.write() as session:
            own_devices.remove(session, office, current().account, _named(session))
    except NotFound:
        return _page(404, problem=_not_mine())
    return redirect(own_page("own_devices.show", done="removed"), 303)


def _named(session: Session) -> str:
    """The device the form names; NotFound when another holder of the account has it."""
    mac = request.form.get("mac", "")[:_LONGEST]
    if not belongings(session, current().account).covers_mac(mac):
        raise NotFound("that is a device of another holder of this code")
    return mac


def _new_device() -> tuple[str, str]:
    """Address and name of a device to be registered, as typed."""
    typed = request.form.get("address", "").strip()[:_LONGEST]
    return typed, " ".join(request.form.get("device_name", "").split())[:LONGEST_NAME]


def _add() -> Response:
    """Register a device without a login."""
    typed, name = _new_device()
    office = portal().office
    with office.database.write() as session:
        outcome = own_devices.add(session, office, current().account, typed, name)
    if not isinstance(outcome, NotAdded):
        return redirect(own_page("own_devices.show", done="added"), 303)
    if outcome is NotAdded.NOT_ALLOWED:
        return _page(403, problem=_why_not(outcome))
    return _page(422, errors={"address": _why_not(outcome)}, typed=typed, name=name)


def _why_not(outcome: NotAdded) -> str:
    return {
        NotAdded.NOT_ALLOWED: gettext("Your group does not register devices itself."),
        NotAdded.LIMIT: gettext(
            "You have registered as many devices as you may. Take one out first."
        ),
        NotAdded.NO_ADDRESS: gettext(
            "This is no device address. It has 12 digits and letters a-f, like 3c:22:fb:01:02:03."
        ),
        NotAdded.PRIVATE: gettext(
            "This is a private address, which the device changes by itself. A phone or a computer "
            "need not be registered: just sign in on it."
        ),
        NotAdded.TAKEN: gettext("This device cannot be registered here. Please ask the staff."),
    }[outcome]


def _not_mine() -> str:
    return gettext("This device is not in your list.")


def _page(
    status: int,
    *,
    problem: str = "",
    errors: dict[str, str] | None = None,
    typed: str = "",
    name: str = "",
) -> Response:
    office, account = portal().office, current().account
    with office.database.read() as session:
        mine = belongings(session, account)
        found = own_devices.list_devices(session, account.id, office.clock() - SHOWN_DAYS)
        devices = [one for one in found if mine.covers_mac(one.mac)]
        room = own_devices.room(session, account)
        address = client_address()
        this = session_of(session, address) if address else None
    done = {
        "removed": gettext("The device is taken out."),
        "added": gettext("The device is registered. Switch it off and on once."),
    }
    text = render_template(
        "own/devices.html",
        devices=devices,
        room=room,
        may_add=account.kind == "person" and account.role.own_devices > 0,
        here=visit().mac or (find_mac(this.mac) if this is not None else None),
        has_private=any(device.is_private for device in devices),
        done=done.get(request.args.get("done", "")) if not (problem or errors) else "",
        problem=problem,
        errors=errors or {},
        typed=typed,
        name=name,
        is_shared=mine.is_shared,
    )
    return make_response(text, status)
