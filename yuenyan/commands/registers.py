"""`yuenyan request` and `abuse`, and what the office's registers have in common there.

One register is like the other: `add`, `list`, `show`, `decide`, and the steps that follow. What
an entry says comes from identity.domain.registers, so an option is never forgotten here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from common.thai_time import read_bound
from db.models import RegisterEntry, RegisterStep
from identity.domain.registers import KINDS, Action, Field, Form, Register
from identity.services import registers
from identity.services.registers import Step
from yuenyan.commands.options import refuse_together
from yuenyan.commands.tables import (
    moment,
    print_fields,
    print_json,
    print_table,
    short_moment,
)
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_NOTE = click.option("--note", default="", metavar="TEXT", help="What, or why.")
_TO = click.option("--to", "to_whom", default="", metavar="TEXT", help="To whom.")
_DOCUMENT = click.option("--document", default="", metavar="NUMBER", help="Of our letter.")

_HELP = {
    "office": "Which office asks.",
    "officer": "Who asks: name and position.",
    "officer_id": "Number of the officer's card or of the warrant.",
    "basis": "s18-1 question, s18-2 traffic data, s18-3 user data, a court's order, another act.",
    "basis_text": "Which other act, or which court.",
    "document_number": "Number of the letter that came.",
    "scope": "What it is about, in words.",
    "from_at": "Begin of the period: a time, or a day.",
    "to_at": "End of the period: a time, or a day, which counts to its end.",
    "about": "An account, address or device it names; may be repeated.",
    "person": "Who asks.",
    "account": "User name of the account it is about.",
    "right": "What is asked.",
    "contact": "Where the answer goes.",
    "identity_check": "How it was made sure that it is them.",
    "risk": "To the people whose data it is.",
    "data_kinds": "Which data.",
    "measures": "What was done about it.",
    "complainant": "Who complains or orders.",
    "notice": "On what it rests.",
    "target": "The address, page or account complained of.",
}
_OPTION = {"from_at": "--from", "to_at": "--to", "document_number": "--document"}


def make_group(register: Register, text: str) -> click.Group:
    """The commands of one register."""
    group = click.Group(register, help=text)
    for command in (_adding(register), _listing(register), _showing(register)):
        group.add_command(command)
    actions = KINDS[register].actions
    if Action.APPROVED in actions:
        group.add_command(_deciding(register))
    if Action.DELIVERED in actions:
        group.add_command(_delivering(register))
    for action, name, said in (
        (Action.NOTED, "note", "Write something beside an entry."),
        (Action.REPORTED, "report", "It was reported, answered or handed on: say to whom."),
        (Action.TOLD, "tell", "The people concerned were told."),
        (Action.ACTED, "act", "Something was done about it."),
        (Action.CLOSED, "close", "Nothing more is to be done; say why."),
    ):
        if action in actions:
            group.add_command(_stepping(register, action, name, said))
    return group


def _adding(register: Register) -> click.Command:
    """`add`, with an option for each field."""

    def run(
        context: Context,
        /,
        received: str | None,
        as_json: bool,
        days: int | None = None,
        **said: Any,
    ) -> None:
        facts = {
            name: "\n".join(value) if isinstance(value, tuple) else value
            for name, value in said.items()
            if value
        }
        zone, now = context.config.site.timezone, context.office.clock()
        with context.office.database.write() as session:
            entry = registers.add(
                session,
                context.office,
                register,
                facts,
                context.actor,
                received_at=None if received is None else read_bound(received, zone, now=now),
                days=days,
            )
        if as_json:
            print_json(tree_of(entry, (), zone))
        else:
            due = short_moment(entry.due_at, zone)
            click.echo(f"{entry.number}" + (f", due {due}" if due else ""))

    command: Any = click.pass_obj(run)
    command = _JSON(command)
    if register is not Register.INCIDENT:
        due = click.option("--due-days", "days", type=int, metavar="N", help="Until it is due.")
        command = due(command)
    received = "When it came; without it now."
    if register is Register.INCIDENT:
        received = "When the office came to know of it: 72 hours run from then."
    command = click.option("--received", metavar="TIME", help=received)(command)
    for field in reversed(KINDS[register].fields):
        command = _option(field)(command)
    return click.command("add", help="Enter one; prints its number.")(command)


def _option(field: Field) -> Any:
    name = _OPTION.get(field.name, "--" + field.name.replace("_", "-"))
    more: dict[str, Any] = {"metavar": "TIME" if field.form is Form.MOMENT else "TEXT"}
    if field.choices:
        more = {
            "type": click.Choice([str(one) for one in field.choices]),
            "default": str(field.default),
            "show_default": True,
        }
    elif field.form is Form.LINES:
        more["multiple"] = True
    else:
        more["required"] = field.needed
    return click.option(name, field.name, help=_HELP[field.name], **more)


def _listing(register: Register) -> click.Command:
    @click.command("list")
    @click.option("--open", "only_open", is_flag=True, help="Only what is not done.")
    @_JSON
    @click.pass_obj
    def run(context: Context, only_open: bool, as_json: bool) -> None:
        """Entries, the newest first."""
        zone, now = context.config.site.timezone, context.office.clock()
        with context.office.database.read() as session:
            found = registers.find(session, register, only_open=only_open)
        if as_json:
            print_json([tree_of(entry, (), zone) for entry in found])
            return
        print_table(
            ("number", "received", "due", "state", "what"),
            [
                (
                    entry.number,
                    short_moment(entry.received_at, zone),
                    _due(entry, now, zone),
                    entry.state,
                    registers.title_of(entry),
                )
                for entry in found
            ],
        )

    return run


def _showing(register: Register) -> click.Command:
    @click.command("show")
    @click.argument("number")
    @_JSON
    @click.pass_obj
    def run(context: Context, number: str, as_json: bool) -> None:
        """One entry and everything that was done about it."""
        zone = context.config.site.timezone
        with context.office.database.read() as session:
            entry = registers.get_of(session, register, number)
            steps = registers.history(session, entry)
        if as_json:
            print_json(tree_of(entry, steps, zone))
            return
        print_fields(
            {
                "number": entry.number,
                "state": entry.state,
                "received": moment(entry.received_at, zone),
                "due": moment(entry.due_at, zone),
                **{name: text.replace("\n", ", ") for name, text in _facts(entry).items()},
                "decided": moment(entry.decided_at, zone),
                "decided_by": entry.decided_by,
                "reason": entry.reason,
            }
        )
        print_table(
            ("at", "by", "step", "note", "to", "document", "sha-256"),
            [
                (
                    short_moment(step.at, zone),
                    step.actor,
                    step.action,
                    step.note,
                    step.to_whom,
                    step.document_number,
                    step.sha256,
                )
                for step in steps
            ],
        )

    return run


def _deciding(register: Register) -> click.Command:
    @click.command("decide")
    @click.argument("number")
    @click.option("--approve/--refuse", "approved", default=None, help="One of them.")
    @click.option("--reason", required=True, metavar="TEXT", help="Kept with the entry.")
    @click.pass_obj
    def run(context: Context, number: str, approved: bool | None, reason: str) -> None:
        """Approve or refuse an entry, with the reason."""
        if approved is None:
            raise click.UsageError("say --approve or --refuse")
        action = Action.APPROVED if approved else Action.REFUSED
        _step(context, register, number, Step(action=action, note=reason))

    return run


def _delivering(register: Register) -> click.Command:
    @click.command("deliver")
    @click.argument("number")
    @click.option("--file", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
    @click.option("--sha256", default="", metavar="HEX", help="Instead of --file.")
    @_TO
    @_DOCUMENT
    @_NOTE
    @click.pass_obj
    def run(
        context: Context,
        number: str,
        path: Path | None,
        sha256: str,
        to_whom: str,
        document: str,
        note: str,
    ) -> None:
        """Write what was handed over, to whom, by which letter, and its hash."""
        refuse_together(("--file", path), ("--sha256", sha256))
        if path is not None:
            with path.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        step = Step(
            action=Action.DELIVERED,
            note=note,
            to_whom=to_whom,
            document_number=document,
            sha256=sha256,
        )
        _step(context, register, number, step)

    return run


def _stepping(register: Register, action: Action, name: str, said: str) -> click.Command:
    @click.command(name, help=said)
    @click.argument("number")
    @_NOTE
    @_TO
    @_DOCUMENT
    @click.pass_obj
    def run(context: Context, number: str, note: str, to_whom: str, document: str) -> None:
        step = Step(action=action, note=note, to_whom=to_whom, document_number=document)
        _step(context, register, number, step)

    return run


def _step(context: Context, register: Register, number: str, step: Step) -> None:
    with context.office.database.write() as session:
        registers.get_of(session, register, number)
        entry = registers.take_step(session, context.office, number, step, context.actor)
    click.echo(f"{entry.number} is {entry.state}")


def tree_of(entry: RegisterEntry, steps: Sequence[RegisterStep], zone: str) -> dict[str, Any]:
    """The JSON of an entry."""
    return {
        "number": entry.number,
        "register": entry.register,
        "state": entry.state,
        "received_at": moment(entry.received_at, zone),
        "due_at": moment(entry.due_at, zone),
        "facts": _facts(entry),
        "decided_at": moment(entry.decided_at, zone),
        "decided_by": entry.decided_by,
        "reason": entry.reason,
        "finished_at": moment(entry.finished_at, zone),
        "steps": [
            {
                "at": moment(step.at, zone),
                "actor": step.actor,
                "action": step.action,
                "note": step.note,
                "to": step.to_whom,
                "document_number": step.document_number,
                "sha256": step.sha256,
            }
            for step in steps
        ],
    }


def _facts(entry: RegisterEntry) -> dict[str, str]:
    return registers.read_facts(entry)


def _due(entry: RegisterEntry, now: datetime, zone: str) -> str | None:
    late = entry.due_at is not None and entry.due_at <= now and entry.finished_at is None
    return f"{short_moment(entry.due_at, zone)}{' OVERDUE' if late else ''}" or None


request_command = make_group(
    Register.REQUEST, "Requests of officials: who asks on what basis, by when, what was delivered."
)
abuse_command = make_group(Register.ABUSE, "Complaints and take-down notices, and what was done.")
