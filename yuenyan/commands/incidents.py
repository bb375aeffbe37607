"""`yuenyan incident affected` and `draft`: whose data it may be, and the letter to write."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from common.counting import counted
from common.spreadsheets import plain_cell
from identity.domain.registers import Register
from identity.services import registers
from identity.services.affected import find_affected
from yuenyan.commands.options import refuse_together, require_new, write_new
from yuenyan.commands.registers import make_group
from yuenyan.commands.tables import print_json, print_table
from yuenyan.compliance.breach import draft_notice
from yuenyan.context import Context

incident_command = make_group(
    Register.INCIDENT, "Breaches of personal data: 72 hours to report, who is affected, a draft."
)

_HEADINGS = ("account", "full_name", "contact", "organisation", "sessions")


@incident_command.command("affected")
@click.argument("number")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def affected(context: Context, number: str, as_json: bool, as_csv: bool) -> None:
    """Who may be concerned: by the entry's period and what it names. The reading is recorded."""
    refuse_together(("--json", as_json), ("--csv", as_csv))
    with context.office.database.write() as session:
        entry = registers.get_of(session, Register.INCIDENT, number)
        found = find_affected(session, entry)
        registers.record_reading(session, context.office, entry, len(found), context.actor)
    rows = [tuple(getattr(one, name) for name in _HEADINGS) for one in found]
    if as_json:
        print_json([dict(zip(_HEADINGS, row, strict=True)) for row in rows])
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(_HEADINGS)
        writer.writerows([plain_cell(value) for value in row] for row in rows)
    else:
        print_table([name.replace("_", " ") for name in _HEADINGS], rows)
        click.echo(counted(len(rows), "account"))


@incident_command.command("draft")
@click.argument("number")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="A new file."
)
@click.pass_obj
def draft(context: Context, number: str, out: Path | None) -> None:
    """A draft of the report to the Office of the PDPC, in Thai; edit it before it leaves."""
    if out is not None:
        require_new(out)
    office = context.office
    with office.database.read() as session:
        entry = registers.get_of(session, Register.INCIDENT, number)
        steps = registers.history(session, entry)
        found = find_affected(session, entry)
    text = draft_notice(context.config, entry, steps, found, office.clock())
    if out is None:
        click.echo(text)
    else:
        write_new(out, text.encode())
        click.echo(f"{out} is written; edit it before it leaves")
