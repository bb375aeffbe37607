"""`yuenyan consent`: consent of guardians for pupils (PDPA section 20)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from common.counting import counted
from common.errors import Refused
from common.printable import printable
from identity.domain.guardians import How, Relation
from identity.services import guardians
from identity.services.reach import EVERYWHERE
from yuenyan.commands.console import note_reading
from yuenyan.commands.options import NUMBER, refuse_together
from yuenyan.commands.tables import moment, print_json, print_table
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("consent")
def consent_command() -> None:
    """Consent of guardians, for roles that let their people in only with one.

    A role needs it when it is told so: yuenyan role set ROLE --guardian-consent required. What the
    law makes the office keep needs none and is kept all the same (docs/consent.md).
    """


@consent_command.command("add")
@click.option("--org", default="", metavar="CODE", help="The pupil's school.")
@click.option("--person-code", default="", metavar="NUMBER", help="The pupil's number there.")
@click.option("--user", default="", metavar="NAME", help="The pupil's user name, instead of both.")
@click.option("--guardian", required=True, metavar="NAME", help="Who gives it.")
@click.option("--relation", required=True, type=click.Choice([one.value for one in Relation]))
@click.option("--how", required=True, type=click.Choice([one.value for one in How]))
@click.option("--given-on", required=True, metavar="TIME", help="Day of the signature.")
@click.option("--text-version", required=True, metavar="NAME", help="Of the text agreed to.")
@click.option("--document", required=True, metavar="NUMBER", help="By which the paper is found.")
@click.pass_obj
def add(
    context: Context, /, org: str, person_code: str, user: str, given_on: str, **fields: str
) -> None:
    """Record a consent. The relation `self` is of a pupil who is twenty, or married."""
    refuse_together(("--user", user), ("--person-code", person_code))
    refuse_together(("--user", user), ("--org", org))
    office = context.office
    given = guardians.read_line(
        {**fields, "given_on": given_on}, context.config.site.timezone, office.clock()
    )
    with office.database.write() as session:
        person = guardians.find_person(session, EVERYWHERE, org, person_code, user)
        made = guardians.record(session, office, person, given, context.actor)
        if made is None:
            raise Refused("this consent is recorded already; see: yuenyan consent list")
        number = made.id
    click.echo(f"consent {number} is recorded")


@consent_command.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_JSON
@click.pass_obj
def import_file(context: Context, file: Path, as_json: bool) -> None:
    """Record the consents of a CSV file; sending it twice is harmless.

    Columns: org, person_code, guardian, relation, how, given_on, text_version, document. UTF-8 or
    Windows-874. A column username, where it is filled in, says who instead of the first two. A
    line that is wrong is left out and told by its row; the others are recorded.
    """
    office = context.office
    with file.open("rb") as stream:
        octets = stream.read(guardians.MOST_OCTETS + 1)  # more is refused, not read
    with office.database.write() as session:
        found = guardians.import_csv(session, office, octets, context.actor)
    if as_json:
        bad = [{"row": one.row, "reason": one.reason} for one in found.bad]
        print_json({"recorded": found.recorded, "known": found.known, "bad": bad})
    else:
        click.echo(f"recorded: {found.recorded}, known already: {found.known}")
        for one in found.bad:
            click.echo(printable(f"row {one.row}: {one.reason}"), err=True)
    if found.bad:
        raise Refused(counted(len(found.bad), "row was not recorded", "rows were not recorded"))


@consent_command.command("withdraw")
@click.argument("consent_id", metavar="ID", type=NUMBER)
@click.option("--reason", required=True, metavar="TEXT", help="What the letter says, its number.")
@click.pass_obj
def withdraw(context: Context, consent_id: int, reason: str) -> None:
    """End a consent; where the role needs one, logins are refused and open sessions end."""
    office = context.office
    with office.database.write() as session:
        ending = guardians.withdraw(session, office, consent_id, reason, context.actor)
    click.echo(f"consent {consent_id} is withdrawn; sessions being ended: {ending}")


@consent_command.command("list")
@click.option("--missing", is_flag=True, help="Who needs one and has none, instead.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@_JSON
@click.pass_obj
def list_them(context: Context, missing: bool, limit: int, as_json: bool) -> None:
    """Every consent, the newest first. Reading it is recorded."""
    zone = context.config.site.timezone
    if missing:
        with context.database.read() as session:
            lacking = [
                {"username": one.username, "full_name": one.full_name, "role": one.role.name}
                for one in guardians.list_missing(session, limit=limit)
            ]
        note_reading(context, "people:searched", "without consent", results=len(lacking))
        if as_json:
            print_json(lacking)
        else:
            print_table(("user", "name", "role"), ([*row.values()] for row in lacking))
        return
    with context.database.read() as session:
        found = guardians.list_consents(session, limit=limit)
    note_reading(context, "people:searched", "consents", results=len(found))
    if as_json:
        print_json(
            [
                {
                    "id": one.id,
                    "person_code": person.person_code,
                    "full_name": person.full_name,
                    "guardian": one.guardian,
                    "relation": one.relation,
                    "how": one.how,
                    "given_at": moment(one.given_at, zone),
                    "text_version": one.text_version,
                    "document": one.document,
                    "recorded_by": one.recorded_by,
                    "withdrawn_at": moment(one.withdrawn_at, zone),
                    "withdrawn_why": one.withdrawn_why,
                }
                for one, person in found
            ]
        )
        return
    print_table(
        ("id", "number", "name", "guardian", "relation", "how", "given", "document", "withdrawn"),
        (
            [
                one.id,
                person.person_code,
                person.full_name,
                one.guardian,
                one.relation,
                one.how,
                _day(one.given_at, zone),
                one.document,
                _day(one.withdrawn_at, zone) if one.withdrawn_at else None,
            ]
            for one, person in found
        ),
    )


def _day(value: datetime, zone: str) -> str:
    """A paper has a day and no hour."""
    return f"{value.astimezone(ZoneInfo(zone)):%Y-%m-%d}"
