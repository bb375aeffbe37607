"""The office's registers: what came, when it is due, what was decided and delivered."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from captive_portal.admin import register_words
from captive_portal.admin.desk import office, officer
from captive_portal.admin.permissions import Permission, requires
from common.clock import parse_time
from common.errors import BackendUnavailable, NetAccessError, NotFound, UsageError
from common.thai_time import read_bound
from db.models import RegisterEntry
from identity.domain.registers import KINDS, Action, Form, Register, State
from identity.services import registers
from identity.services.registers import Step

blueprint = Blueprint("registers", __name__, url_prefix="/registers")

_BY_HAND = tuple(action for action in Action if action not in (Action.ADDED, Action.EXPORTED))
"""What an officer does on a page; the others are written by whoever does them."""


@blueprint.get("/")
@requires(Permission.VIEW_REGISTERS)
def first() -> ResponseReturnValue:
    """The register that officials' letters go to."""
    return redirect(url_for("registers.listing", name=Register.REQUEST))


@blueprint.get("/<name>/")
@requires(Permission.VIEW_REGISTERS)
def listing(name: str) -> ResponseReturnValue:
    """Entries, the newest first, and what is due."""
    register = _register(name)
    only_open = request.args.get("show") != "all"
    with office().database.read() as session:
        entries = registers.find(session, register, only_open=only_open)
    return render_template(
        "registers.html",
        say=register_words.word,
        register=register,
        registers=tuple(Register),
        only_open=only_open,
        now=office().clock(),
        rows=[(entry, _title(entry)) for entry in entries],
        coordinator=office().config.office,
    )


@blueprint.route("/<name>/new", methods=["GET", "POST"])
@requires(Permission.KEEP_REGISTERS)
def create(name: str) -> ResponseReturnValue:
    """Enter one."""
    register = _register(name)
    kind = KINDS[register]
    facts = {field.name: request.form.get(field.name, "") for field in kind.fields}
    days = request.form.get("days", "").strip()
    error = None
    if request.method == "POST":
        try:
            with office().database.write() as session:
                entry = registers.add(
                    session,
                    office(),
                    register,
                    facts,
                    officer().username,
                    received_at=_moment(request.form.get("received", "")),
                    days=_number(days),
                )
            flash(gettext("Entered as %(number)s.", number=entry.number), "done")
            return redirect(url_for("registers.show", name=register, number=entry.number))
        except BackendUnavailable:
            raise
        except NetAccessError as refusal:
            error = register_words.explain(refusal)
    page = render_template(
        "register_new.html",
        say=register_words.word,
        register=register,
        kind=kind,
        form=Form,
        facts=facts,
        days=days,
        received=request.form.get("received", ""),
        has_term=register is not Register.INCIDENT,
        error=error,
    )
    return page, 200 if error is None else 422


@blueprint.get("/<name>/<number>")
@requires(Permission.VIEW_REGISTERS)
def show(name: str, number: str) -> ResponseReturnValue:
    """One entry with its history, and the steps that may follow."""
    return _page(_register(name), number, None), 200


@blueprint.post("/<name>/<number>/step")
@requires(Permission.KEEP_REGISTERS)
def take_step(name: str, number: str) -> ResponseReturnValue:
    """Decide, note, deliver, report or close."""
    register = _register(name)
    try:
        action = Action(request.form.get("action", ""))
    except ValueError:
        abort(400)
    if action not in _BY_HAND:
        abort(400)
    step = Step(
        action=action,
        note=request.form.get("note", ""),
        to_whom=request.form.get("to_whom", ""),
        document_number=request.form.get("document_number", ""),
        sha256=request.form.get("sha256", "").strip().lower(),
    )
    try:
        with office().database.write() as session:
            registers.get_of(session, register, number)
            registers.take_step(session, office(), number, step, officer().username)
    except NotFound:
        abort(404)
    except BackendUnavailable:
        raise
    except NetAccessError as refusal:
        return _page(register, number, register_words.explain(refusal)), 422
    flash(gettext("Written down."), "done")
    return redirect(url_for("registers.show", name=register, number=number))


def _page(register: Register, number: str, error: str | None) -> str:
    with office().database.read() as session:
        try:
            entry = registers.get_of(session, register, number)
        except NotFound:
            abort(404)
        steps = registers.history(session, entry)
    actions = KINDS[register].actions
    facts = registers.read_facts(entry)
    return render_template(
        "register_one.html",
        say=register_words.word,
        register=register,
        entry=entry,
        kind=KINDS[register],
        form=Form,
        facts=facts,
        moments={
            field.name: parse_time(facts[field.name])
            for field in KINDS[register].fields
            if field.form is Form.MOMENT and field.name in facts
        },
        steps=steps,
        now=office().clock(),
        offered=[one for one in _BY_HAND if State(entry.state) in actions.get(one, ())],
        error=error,
    )


def _register(name: str) -> Register:
    try:
        return Register(name)
    except ValueError:
        abort(404)


def _title(entry: RegisterEntry) -> str:
    facts = registers.read_facts(entry)
    kind = KINDS[Register(entry.register)]
    parts = []
    for field in kind.fields:
        if field.name in kind.title and facts.get(field.name):
            value = facts[field.name]
            parts.append(register_words.word("CHOICES", value) if field.choices else value)
    return " · ".join(parts)


def _moment(text: str) -> datetime | None:
    """The time an officer wrote; None when they wrote none."""
    if not text.strip():
        return None
    try:
        return read_bound(text, office().config.site.timezone, now=office().clock())
    except UsageError as error:
        raise UsageError(gettext("Write the time like 2569-11-30 14:05.")) from error


def _number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise UsageError(gettext("Write the days as a number."))
    return int(text)
