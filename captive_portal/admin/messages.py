"""Letters and short messages: whom they were for, whether they went, one more try.

What they say is never shown: it holds codes.
"""

from __future__ import annotations

import re

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from sqlalchemy import select

from captive_portal.admin.desk import note_reading, office, officer
from captive_portal.admin.message_words import describe_failure
from captive_portal.admin.paging import fetch_page
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.words import MESSAGE_STATES, explain
from common.errors import BackendUnavailable, NetAccessError
from db.models import Message
from identity.services import message_queue

blueprint = Blueprint("messages", __name__, url_prefix="/messages")


_ABOUT = (
    (re.compile(r"registration (.+)"), lazy_gettext("Registration %(what)s")),
    (re.compile(r"password reset of (.+)"), lazy_gettext("Another password for %(what)s")),
    (re.compile(r"password of (.+) changed"), lazy_gettext("Password of %(what)s changed")),
    (re.compile(r"mailbox of (.+) changed"), lazy_gettext("E-mail of %(what)s changed")),
    (re.compile(r"mailbox of (.+)"), lazy_gettext("E-mail of %(what)s to confirm")),
)


@blueprint.get("/")
@requires(Permission.VIEW_MESSAGES)
def listing() -> ResponseReturnValue:
    """Messages of the last 30 days, newest first."""
    state, wanted = request.args.get("state", ""), request.args.get("q", "").strip()
    # By column: the content stays where it is.
    columns = (
        Message.id,
        Message.channel,
        Message.recipient,
        Message.about,
        Message.state,
        Message.created_at,
        Message.next_try_at,
        Message.sent_at,
        Message.attempts,
        Message.last_error,
    )
    statement = select(*columns).order_by(Message.id.desc())
    if state in MESSAGE_STATES:
        statement = statement.where(Message.state == state)
    if wanted:
        statement = statement.where(message_queue.matching(wanted))
        note_reading("messages:searched", wanted[:200])
    with office().database.read() as session:
        page = fetch_page(session, statement)
    states = [("", gettext("(all)")), *MESSAGE_STATES.items()]
    return render_template(
        "messages.html",
        page=page,
        state=state,
        q=wanted,
        states=states,
        in_words=_in_words,
        why=describe_failure,
    )


def _in_words(about: str) -> str:
    """What a message is for, in the language of the page; as it is stored where that is new."""
    about = message_queue.shown_about(about)
    for pattern, words in _ABOUT:
        if found := pattern.fullmatch(about):
            return str(words) % {"what": found[1]}
    return about


@blueprint.post("/<int:message_id>/retry")
@requires(Permission.SEND_MESSAGES)
def retry(message_id: int) -> ResponseReturnValue:
    """Have a message tried at once."""
    try:
        with office().database.write() as session:
            message_queue.retry(session, office(), message_id, officer().username)
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        flash(explain(refusal), "error")
    else:
        flash(gettext("The message is tried at once."), "done")
    return redirect(url_for("messages.listing"))
