"""Ending a connection: asked once more, sent to the equipment, and what it answered in words."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString
from sqlalchemy import select
from sqlalchemy.orm import Session

from captive_portal.admin.connections import describe_sessions
from captive_portal.admin.desk import note_reading, office, officer
from captive_portal.admin.permissions import Permission, requires
from common.errors import NotFound, Refused
from common.printable import printable
from db.models import CoaRequest, NetworkSession
from identity.domain.dynamic import State
from identity.services import dynamic, outbox

blueprint = Blueprint("disconnects", __name__, url_prefix="/sessions")

WAIT_SECONDS = 3.0
"""Equipment answers within milliseconds; after this the page says that it is still being tried."""

_POLL_SECONDS = 0.1
_NOTE_LENGTH = 200
_ = lazy_gettext

OUTCOMES: Mapping[str, LazyString] = {
    State.QUEUED: _("being disconnected; the access point has not answered yet"),
    State.ACKED: _("disconnected"),
    State.NAKKED: _("the access point refused to disconnect it"),
    State.TIMED_OUT: _("the access point did not answer; is CoA switched on there?"),
    State.SUPERSEDED: _("it had ended already"),
    State.UNSUPPORTED: _("this equipment cannot be told to disconnect"),
    State.FAILED: _("the request could not be made; the server's log says why"),
}

ERROR_CAUSES: Mapping[int, LazyString] = {
    401: _("it does not know an attribute of the request"),
    402: _("an attribute is missing that it needs"),
    403: _("it takes the request for another device's"),
    404: _("it takes the request for broken"),
    405: _("it does not offer this"),
    501: _("its settings forbid it"),
    503: _("it knows of no such connection"),
    504: _("it cannot end this connection"),
    506: _("it is too busy"),
    508: _("several connections fit and it ends only one at a time"),
}
"""Error-Cause, RFC 5176 section 3.5; others are shown by their number."""


def outcome_in_words(asked: CoaRequest) -> str:
    """What came of a request, as one sentence's worth."""
    text = str(OUTCOMES[State(asked.state)])
    if asked.state == State.NAKKED and asked.error_cause is not None:
        cause = ERROR_CAUSES.get(asked.error_cause, f"Error-Cause {asked.error_cause}")
        text = f"{text}: {cause}"
    return text


def outcomes_of(session: Session, keys: Sequence[str]) -> dict[str, str]:
    """For each session that somebody tried to end, what has come of it."""
    latest = outbox.latest_requests(session, keys)
    return {
        key: outcome_in_words(asked)
        for key, asked in latest.items()
        if asked.state != State.SUPERSEDED
    }


@blueprint.get("/<session_key>/end")
@requires(Permission.END_SESSIONS)
def confirm(session_key: str) -> ResponseReturnValue:
    """Show whose connection it is before anything happens to it.

    Of one that has ended nothing is shown: whose it was is asked by a look-up.
    """
    with office().database.read() as session:
        row = _find(session, session_key)
        if row.stop_seen or row.closed_at is not None:
            return _say_ended()
        (connection,) = describe_sessions(session, [row])
        outcome = outcomes_of(session, [session_key]).get(session_key)
    note_reading(
        "sessions:searched",
        printable(connection.user_name) or "-",
        connection=session_key,
        results=1,
    )
    return render_template("session_end.html", connection=connection, outcome=outcome)


@blueprint.post("/<session_key>/end")
@requires(Permission.END_SESSIONS)
def end(session_key: str) -> ResponseReturnValue:
    """Ask the equipment, wait a moment for its answer and tell it."""
    note = request.form.get("note", "").strip()[:_NOTE_LENGTH]
    try:
        with office().database.write() as session:
            _find(session, session_key)
            number = dynamic.disconnect_session(
                session, office(), session_key, officer().username, note
            )
    except NotFound:
        abort(404)
    except Refused:
        return _say_ended()
    asked = _wait_for(number)
    kind = {State.ACKED: "done", State.QUEUED: "notice", State.SUPERSEDED: "notice"}
    flash(
        gettext("Connection: %(outcome)s.", outcome=outcome_in_words(asked)),
        kind.get(State(asked.state), "error"),
    )
    return redirect(url_for("sessions.listing"))


def _say_ended() -> ResponseReturnValue:
    flash(gettext("This connection has ended already."), "notice")
    return redirect(url_for("sessions.listing"))


def _find(session: Session, session_key: str) -> NetworkSession:
    """The session; 404 when there is none that the officer may see."""
    wanted = select(NetworkSession).where(
        NetworkSession.session_key == session_key, officer().reach.sessions()
    )
    row = session.scalar(wanted)
    if row is None:
        abort(404)
    return row


def _wait_for(number: int) -> CoaRequest:
    """The request once it is finished, or as it is after a moment."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        with office().database.read() as session:
            asked = outbox.find_request(session, number)
        assert asked is not None
        if asked.state != State.QUEUED or time.monotonic() >= deadline:
            return asked
        time.sleep(_POLL_SECONDS)
