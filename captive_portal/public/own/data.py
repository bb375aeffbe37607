"""`/me/data`: what is kept about me and for how long, who was shown it; a copy; a request."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from captive_portal.public.belongings import belongings
from captive_portal.public.login import stale_form_text
from captive_portal.public.own.desk import (
    came_by_voucher,
    can_prove,
    current,
    form_is_mine,
    need_sign_in,
    own_page,
    prove_again,
)
from captive_portal.public.own.words import KINDS, MEANS, REQUEST_STATES, RIGHTS
from captive_portal.public.site import client_address, portal
from captive_portal.web.i18n import gettext
from captive_portal.web.origin import is_from_elsewhere
from common.clock import to_rfc3339
from common.errors import Refused, UsageError
from identity.domain.registers import Right, State
from identity.services import disclosures, my_data, notices, published, registers, subject_files
from identity.services.my_data import ASKABLE, Kept
from identity.services.subjects import kept_until_of

pages = Blueprint("own_data", __name__, url_prefix="/me/data")
pages.before_request(need_sign_in)

_LONGEST_SCOPE = 2000
_NOTE = (
    'สำเนานี้มีเฉพาะข้อมูลในฐานข้อมูล ข้อมูลที่เก่ากว่า 7 วันอยู่ในคลังข้อมูลจราจร ขอสำเนาได้ที่หน้า "ข้อมูลของฉัน" · '
    "This copy holds what is in the database. Records older than a week are in the archive of "
    'traffic data; ask for a copy of them on the page "My data". No content of communication '
    "is kept."
)


@pages.get("")
def show() -> Response:
    """Everything by kind, with how long; who was shown it; what was accepted and asked for."""
    return _page(200)


@pages.post("")
def submit() -> Response:
    """What the form that was sent asks for; one address, so that its answer can be shown again."""
    steps = {"copy": _copy, "ask": _ask}
    step = steps.get(request.form.get("do", ""))
    if step is None or not form_is_mine():
        return _page(400, problem=stale_form_text())
    return step()


def _copy() -> Response:
    """The copy as a file; the password is needed, and it is on record."""
    if _is_shared():
        return _page(403, problem=_not_for_one_holder())
    wrong = prove_again(request.form.get("copy_password", ""))
    if wrong:
        return _page(422, errors={"copy_password": wrong})
    office, account = portal().office, current().account
    try:
        with office.database.write() as session:
            held = my_data.download(session, office, account)
            until = kept_until_of(session, office, account)
    except Refused:
        return _page(
            429,
            problem=gettext(
                "You have had %(count)s copies today. Please try again tomorrow.",
                count=my_data.DOWNLOADS_A_DAY,
            ),
        )
    tree = subject_files.make_tree(
        account.username, office.clock(), until, held, _NOTE, office.config.site.timezone
    )
    as_zip = request.form.get("form") == "zip"
    response = make_response(subject_files.as_zip(tree) if as_zip else subject_files.as_json(tree))
    response.content_type = "application/zip" if as_zip else "application/json"
    name = "my-data.zip" if as_zip else "my-data.json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _ask() -> Response:
    """Enter a request in the office's register; the page shows its number and when it is due."""
    scope = request.form.get("scope", "").strip()
    chosen = request.form.get("right", "")
    errors: dict[str, str] = {}
    if chosen not in set(ASKABLE):
        errors["right"] = gettext("Please choose what you ask for.")
    if not scope:
        errors["scope"] = gettext("Write in a sentence or two what it is about.")
    elif len(scope) > _LONGEST_SCOPE:
        errors["scope"] = gettext("Please shorten this.")
    if not errors:
        wrong = prove_again(request.form.get("ask_password", ""))
        if wrong:
            errors["ask_password"] = wrong
    if errors:
        return _page(422, errors=errors)
    office, account = portal().office, current().account
    what = "voucher code" if came_by_voucher() else "password"
    moment = to_rfc3339(office.clock().replace(microsecond=0), office.config.site.timezone)
    checked = f"signed in on the portal and proved the {what} again, {moment}, {client_address()}"
    try:
        with office.database.write() as session:
            entry = my_data.ask(session, office, account, Right(chosen), scope, checked)
    except Refused:
        return _page(
            429,
            problem=gettext(
                "%(count)s of your requests are still open. The office answers them first.",
                count=my_data.OPEN_REQUESTS,
            ),
        )
    except UsageError:
        return _page(422, errors={"scope": gettext("Please shorten this.")})
    return redirect(own_page("own_data.show", asked=entry.number), 303)


def _is_shared() -> bool:
    with portal().office.database.read() as session:
        return belongings(session, current().account).is_shared


def _not_for_one_holder() -> str:
    return gettext(
        "Several people may use this code, so what is kept of it is shown to none of them here. "
        "Ask the office below; it finds out what is yours."
    )


def _page(
    status: int,
    *,
    problem: str = "",
    errors: dict[str, str] | None = None,
) -> Response:
    """The page; after a form that was not carried out with what was typed in it."""
    office, account = portal().office, current().account
    days = office.config.archive.retention_days
    with office.database.read() as session:
        shared = belongings(session, account).is_shared
        held = () if shared else my_data.held(session, account)
        requests = [
            {
                "number": entry.number,
                "right": str(RIGHTS[Right(registers.read_facts(entry)["right"])]),
                "state": str(REQUEST_STATES[State(entry.state)]),
                "received_at": entry.received_at,
                "due_at": entry.due_at,
                "reason": entry.reason,
            }
            for entry in my_data.own_requests(session, account.id)
        ]
        shown = [
            {
                "at": row.at,
                "means": str(MEANS.get(row.means, row.means)),
                "recipient": row.recipient,
            }
            for row in (() if shared else disclosures.told_to(session, account.id, office.clock()))
        ]
        accepted = () if shared else published.accepted_by(session, account.id)
        given = () if shared else notices.given_to(session, account)
    kept = {
        Kept.IDENTITY: gettext("until 90 days after the account ends, then deleted"),
        Kept.TRAFFIC: gettext("%(days)s days (Computer-Related Crime Act s.26)", days=days),
        Kept.PROOF: gettext("as long as it must be shown"),
        Kept.QUOTA: gettext("some weeks, until the quota begins anew"),
    }
    asked = request.args.get("asked", "") if not (problem or errors) else ""
    text = render_template(
        "own/data.html",
        held=[(str(KINDS[one.kind]), one.rows, kept[one.kept]) for one in held],
        shared=_not_for_one_holder() if shared else "",
        requests=() if shared else requests,
        asked=next((one for one in requests if one["number"] == asked), None),
        disclosures=shown,
        accepted=accepted,
        given=given,
        rights=[(right.value, str(RIGHTS[right])) for right in ASKABLE],
        chosen="" if is_from_elsewhere() else request.form.get("right", ""),
        scope="" if is_from_elsewhere() else request.form.get("scope", "").strip(),
        days=days,
        can_prove=can_prove(),
        by_voucher=came_by_voucher(),
        contact=office.config.office.data_contact,
        problem=problem,
        errors=errors or {},
    )
    return make_response(text, status)
