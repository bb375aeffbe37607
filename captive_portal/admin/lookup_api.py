"""Look-ups for programs: the same questions, records and rules as on the pages, in JSON.

A token (captive_portal.admin.bearer) is needed or a session of the admin portal; with a session
what changes or reveals something also needs its form token in the header X-CSRFToken.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import generate_csrf

from captive_portal.admin.answers import ask as ask_hidden
from captive_portal.admin.answers import reveal
from captive_portal.admin.away_words import for_programs
from captive_portal.admin.desk import office, officer
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.unlocks import find_request, request_unlock, use_request
from common.clock import to_rfc3339
from common.errors import BackendUnavailable, NetAccessError, NotFound, Refused, UsageError
from db.models import UnlockRequest
from identity.services import unlocking
from traffic.lookup.asking import NAMED, Asked, Kind, read_asked

blueprint = Blueprint("lookup_api", __name__, url_prefix="/api")


def _answering(view: Callable[..., ResponseReturnValue]) -> Callable[..., ResponseReturnValue]:
    """Refusals as JSON: 422 makes no sense, 403 not allowed, 404 nothing of that name."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> ResponseReturnValue:
        try:
            return view(*args, **kwargs)
        except BackendUnavailable as error:
            return jsonify(error=for_programs(error)), 503
        except NotFound as error:
            return jsonify(error=str(error)), 404
        except Refused as error:
            return jsonify(error=str(error)), 403
        except NetAccessError as error:
            return jsonify(error=str(error)), 422

    return guarded


@blueprint.get("/session")
@requires(Permission.OVERVIEW)
def session() -> ResponseReturnValue:
    """Who is signed in, and what posts need beside a session's cookie."""
    who, bearer = officer(), officer().bearer
    told: dict[str, Any] = {
        "username": who.username,
        "levels": [level.value for level in who.levels],
    }
    if bearer is None:
        return jsonify(csrf_token=generate_csrf(), **told)
    return jsonify(token=bearer.name, names=bearer.names, **told)


@blueprint.post("/lookup")
@requires(Permission.LOOK_UP)
@_answering
def lookup() -> ResponseReturnValue:
    """An address or a device at a time; the answer has pseudonyms."""
    asked = _asked()
    if asked.kind in NAMED:
        raise UsageError("who is asked about by name has no pseudonym: POST /api/unlocks")
    return jsonify(ask_hidden(asked))


@blueprint.post("/unlocks")
@requires(Permission.REVEAL)
@_answering
def unlock() -> ResponseReturnValue:
    """Ask for the names: 200 with the answer, or 202 when a second officer has to agree."""
    asked = _asked()
    number, is_open = request_unlock(asked)
    if not is_open:
        return jsonify(id=number, state=unlocking.WAITING), 202
    answer = reveal(asked, number, officer().username)
    return jsonify(id=number, state=unlocking.APPROVED, answer=answer)


@blueprint.get("/unlocks/<int:request_id>")
@requires(Permission.REVEAL)
@_answering
def state(request_id: int) -> ResponseReturnValue:
    """How a request stands."""
    with office().database.read() as reading:
        return jsonify(_tree(find_request(reading, request_id)))


@blueprint.post("/unlocks/<int:request_id>/names")
@requires(Permission.REVEAL)
@_answering
def names(request_id: int) -> ResponseReturnValue:
    """The names of an approved request of one's own; each time is on record."""
    _kind, answer = use_request(request_id)
    return jsonify(id=request_id, state=unlocking.APPROVED, answer=answer)


def _asked() -> Asked:
    tree = request.get_json(silent=True)
    if not isinstance(tree, dict):
        raise UsageError("send a JSON object with kind, case, reason and the question")
    kind = tree.get("kind", Kind.ADDRESS.value)
    if not isinstance(kind, str) or kind not in set(Kind):
        raise UsageError(f"{kind!r} is not one of {', '.join(one.value for one in Kind)}")
    _check(tree)
    _require(Kind(kind), tree)
    return read_asked(Kind(kind), tree, office().config.site.timezone, office().database)


_NEEDED = {
    Kind.ADDRESS: {"address": "the address that was seen", "at": "when it was seen"},
    Kind.MAC: {"mac": "the device", "at": "when it was seen"},
    Kind.PERSON: {"user": "the user name", "from": "the begin", "to": "the end"},
    Kind.FLOWS: {"from": "the begin", "to": "the end"},
}
_PURPOSE = {"case": "the case this is for", "reason": "why you ask"}


def _require(kind: Kind, tree: dict[str, Any]) -> None:
    """Name the first field that is missing as a program knows it."""
    needed = dict(_NEEDED[kind])
    if kind is Kind.FLOWS and tree.get("session") and not (tree.get("from") or tree.get("to")):
        needed = {}  # the session's own period
    for field, meaning in {**needed, **_PURPOSE}.items():
        if not str(tree.get(field) or "").strip():
            raise UsageError(f"{field} is missing: {meaning}")


def _check(tree: dict[str, Any]) -> None:
    """Refuse values no question has; PostgreSQL stores no NUL."""
    for key, value in tree.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not is_number and not isinstance(value, str):
            raise UsageError(f"{key}: give a text or a number")
        if isinstance(value, str) and ("\0" in value or len(value) > 500):
            raise UsageError(f"{key}: at most 500 characters, none of them NUL")
        if key in ("port", "limit", "offset") and is_number and not isinstance(value, int):
            raise UsageError(f"{key}: give a whole number")
        if key in ("port", "limit", "offset", "tolerance_seconds") and isinstance(value, str):
            raise UsageError(f"{key}: give a number, not a text")


def _tree(found: UnlockRequest) -> dict[str, Any]:
    zone = office().config.site.timezone
    return {
        "id": found.id,
        "state": found.state,
        "kind": found.kind,
        "question": unlocking.question_of(found),
        "case": found.case_reference,
        "reason": found.reason,
        "asker": found.asker,
        "decided_by": found.decided_by,
        "note": found.note,
        "expires_at": to_rfc3339(found.expires_at, zone) if found.expires_at else None,
    }
