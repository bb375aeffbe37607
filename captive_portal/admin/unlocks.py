"""Unlocking the names behind an answer: the wish, the second officer, the reveal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from sqlalchemy.orm import Session

from captive_portal.admin.answers import reveal
from captive_portal.admin.desk import office, officer
from captive_portal.admin.lookup_words import MOMENTS, QUESTION_FIELDS
from captive_portal.admin.lookups import FORMS, page, read_kind, tree_of
from captive_portal.admin.permissions import Permission, requires
from captive_portal.admin.presentation import format_second
from captive_portal.admin.words import explain
from captive_portal.web.i18n import current_language
from common.errors import BackendUnavailable, NetAccessError, NotFound
from db.models import Account, UnlockRequest
from identity.services import unlocking
from traffic.lookup.asking import Asked, Kind, Value, read_asked

blueprint = Blueprint("unlocks", __name__, url_prefix="/lookup/unlocks")


@blueprint.get("/")
@requires(Permission.REVEAL)
def listing() -> ResponseReturnValue:
    """The officer's own requests, and, for who may agree, everybody's in reach."""
    with office().database.read() as session:
        mine = None if officer().may(Permission.APPROVE_REVEAL) else officer().account_id
        rows = unlocking.list_requests(session, officer().reach, asker_id=mine)
        return render_template("unlocks.html", rows=rows, questions=_questions(rows))


@blueprint.post("/")
@requires(Permission.REVEAL)
def unlock() -> ResponseReturnValue:
    """Ask for the names of one question: shown at once, or when a second officer agreed."""
    kind = read_kind(request.form.get("kind", ""))
    form = FORMS[kind](request.form)
    if not form.validate():
        return page(kind, form, error=gettext("Please correct the marked fields.")), 422
    try:
        zone = office().config.site.timezone
        asked = read_asked(kind, tree_of(form), zone, office().database)
        number, is_open = request_unlock(asked)
        if not is_open:
            flash(gettext("The request waits for a second officer."), "notice")
            return redirect(url_for("unlocks.show", request_id=number))
        answer = reveal(asked, number, officer().username)
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        return page(kind, form, error=explain(refusal)), 422
    return page(kind, form, answer=answer, request_id=number)


@blueprint.get("/<int:request_id>")
@requires(Permission.REVEAL)
def show(request_id: int) -> ResponseReturnValue:
    """One request: what is to be unlocked, why, and how it stands."""
    with office().database.read() as session:
        found = find_request(session, request_id)
    return render_template(
        "unlock_one.html",
        row=found,
        question=in_words(unlocking.question_of(found)),
        is_mine=found.asker_id == officer().account_id,
        is_open=_is_open(found),
    )


@blueprint.post("/<int:request_id>/decide")
@requires(Permission.APPROVE_REVEAL)
def decide(request_id: int) -> ResponseReturnValue:
    """Agree to another officer's request, or refuse it."""
    act = {"approve": unlocking.approve, "refuse": unlocking.refuse}.get(
        request.form.get("decision", "")
    )
    if act is None:
        abort(400)
    try:
        with office().database.write() as session:
            find_request(session, request_id)
            account = session.get_one(Account, officer().account_id)
            act(session, office(), request_id, account, request.form.get("note", ""))
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        flash(explain(refusal), "error")
    else:
        flash(gettext("Decided."), "done")
    return redirect(url_for("unlocks.show", request_id=request_id))


@blueprint.post("/<int:request_id>/names")
@requires(Permission.REVEAL)
def names(request_id: int) -> ResponseReturnValue:
    """The names, to who asked for them and nobody else; each time is on record."""
    try:
        kind, answer = use_request(request_id)
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        flash(explain(refusal), "error")
        return redirect(url_for("unlocks.show", request_id=request_id))
    return page(kind, FORMS[kind](), answer=answer, request_id=request_id)


def request_unlock(asked: Asked) -> tuple[int, bool]:
    """(the number of the wish now on record, whether its names may be shown at once)."""
    alone = not office().config.lookup.second_person
    with office().database.write() as session:
        account = session.get_one(Account, officer().account_id)
        wish = unlocking.Wish(
            kind=asked.kind.value,
            question=asked.tree,
            case=asked.case,
            reason=asked.reason,
            asker=account.username,
            asker_id=account.id,
            organisation_id=account.organisation_id,
            token=officer().noted.get("token"),
        )
        made = unlocking.request(session, office(), wish)
        if alone:
            unlocking.open_alone(session, office(), made)
        return made.id, alone


def use_request(request_id: int) -> tuple[Kind, dict[str, object]]:
    """The revealed answer of an approved request of this officer.

    Raises:
        Refused: it is not approved, not any more, or somebody else's.
    """
    with office().database.write() as session:
        found = find_request(session, request_id)
        tree = unlocking.question_of(found)
        wish = unlocking.Wish(
            kind=found.kind,
            question=tree,
            case=found.case_reference,
            reason=found.reason,
            asker=officer().username,
        )
        unlocking.use(session, office(), request_id, wish)
        kind, approved_by = Kind(found.kind), found.decided_by
        purpose = {"case": found.case_reference, "reason": found.reason}
    zone = office().config.site.timezone
    asked = read_asked(kind, {**tree, **purpose}, zone, office().database)
    return kind, reveal(asked, request_id, approved_by)


def find_request(session: Session, request_id: int) -> UnlockRequest:
    """One request; 404 unless it is the officer's own or theirs to decide."""
    try:
        found = unlocking.get(session, request_id)
    except NotFound:
        abort(404)
    is_mine = found.asker_id == officer().account_id
    may_decide = officer().may(Permission.APPROVE_REVEAL)
    if not is_mine and not (may_decide and officer().reach.covers(found.organisation_id)):
        abort(404)
    return found


def in_words(question: Mapping[str, Value]) -> list[tuple[str, str]]:
    """What is asked, as it is read out: each part with its name, times as the site tells them."""
    zone, language = office().config.site.timezone, current_language()
    told: list[tuple[str, str]] = []
    for key, label in QUESTION_FIELDS.items():
        value = question.get(key)
        if value is None or (key == "tolerance_seconds" and not value):
            continue
        text = f"{value:g}" if isinstance(value, float) else str(value)
        if key in MOMENTS:
            text = format_second(datetime.fromisoformat(text), language, zone)
        elif key == "protocol":
            text = text.upper()
        told.append((str(label), text))
    return told


def _is_open(found: UnlockRequest) -> bool:
    ends = found.expires_at
    return found.state == unlocking.APPROVED and ends is not None and ends > office().clock()


def _questions(rows: Sequence[UnlockRequest]) -> dict[int, dict[str, Value]]:
    return {row.id: unlocking.question_of(row) for row in rows}
