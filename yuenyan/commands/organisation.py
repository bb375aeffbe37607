"""`yuenyan org|role`: the office with its schools, and what each role is granted."""

from __future__ import annotations

import click
from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from common.errors import UsageError
from db.models import Organisation, Person, Role
from identity.domain.recoverable import Recoverable
from identity.services import recoverable as kept_secrets
from identity.services import role_changes, roles
from yuenyan.commands.registration_ways import role_registration
from yuenyan.commands.tables import print_json, print_table
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_LIMITS = (
    "vlan",
    "down_kbps",
    "up_kbps",
    "session_seconds",
    "idle_seconds",
    "simultaneous",
    "quota_mb_day",
    "quota_mb_week",
    "quota_mb_month",
    "quota_minutes_day",
    "quota_minutes_week",
    "quota_minutes_month",
)
_TEXTS = ("filter_id", "vendor_role", "egress_vlans")


@click.group("org")
def org_command() -> None:
    """The area office and its schools."""


@org_command.command("add")
@click.argument("code")
@click.argument("name")
@click.option("--parent", metavar="CODE", help="The one it belongs under; '' for none.")
@click.pass_obj
def org_add(context: Context, code: str, name: str, parent: str | None) -> None:
    """Make an organisation, or rename the one with this code.

    Officers see their own organisation and those under it; the one at the head of the tree,
    the area office, sees everything.
    """
    if not code.strip() or not name.strip():
        raise UsageError("an organisation needs a code and a name")
    office = context.office
    with office.database.write() as session:
        roles.add_organisation(
            session, office, code.strip(), name.strip(), context.actor, parent=parent
        )
    click.echo(f"set {code.strip()}: {name.strip()}")


@org_command.command("list")
@_JSON
@click.pass_obj
def org_list(context: Context, as_json: bool) -> None:
    """Every organisation and how many people it has."""
    with context.database.read() as session:
        above = aliased(Organisation)
        found = session.execute(
            select(Organisation.code, Organisation.name, above.code, func.count(Person.id))
            .outerjoin(Person, Person.organisation_id == Organisation.id)
            .outerjoin(above, above.id == Organisation.parent_id)
            .group_by(Organisation.id, Organisation.code, Organisation.name, above.code)
            .order_by(Organisation.code)
        ).all()
    if as_json:
        print_json(
            [
                {"code": code, "name": name, "parent": parent, "people": people}
                for code, name, parent, people in found
            ]
        )
        return
    print_table(("code", "name", "under", "people"), found)


@click.group("role")
def role_command() -> None:
    """Roles and what they grant."""


@role_command.command("set")
@click.argument("role")
@click.option("--vlan", type=int, metavar="N")
@click.option("--down-kbps", type=int, metavar="N")
@click.option("--up-kbps", type=int, metavar="N")
@click.option("--session-seconds", type=int, metavar="N", help="Longest session.")
@click.option("--idle-seconds", type=int, metavar="N")
@click.option("--simultaneous", type=int, metavar="N", help="Sessions at the same time.")
@click.option("--quota-mb-day", type=int, metavar="N", help="Both directions together.")
@click.option("--quota-mb-week", type=int, metavar="N", help="From Monday.")
@click.option("--quota-mb-month", type=int, metavar="N")
@click.option("--quota-minutes-day", type=int, metavar="N", help="All its devices together.")
@click.option("--quota-minutes-week", type=int, metavar="N")
@click.option("--quota-minutes-month", type=int, metavar="N")
@click.option("--filter-id", metavar="TEXT", help="A filter by its name on the equipment.")
@click.option(
    "--vendor-role",
    metavar="TEXT",
    help="A role, group or policy by its name on the equipment, in the attribute of its make.",
)
@click.option("--egress-vlans", metavar="LIST", help="'20, 30, untagged 40': for trunk ports.")
@click.option(
    "--own-devices",
    type=int,
    metavar="N",
    help="Devices without a login that each of its people may register alone; 0: none.",
)
@click.option(
    "--guardian-consent",
    type=click.Choice(["required", "not-required"]),
    help="Whether its people are let in only with one (yuenyan consent).",
)
@click.option("--hours", metavar="TEXT", help="'mon-fri 07:30-17:00; sat 08:00-12:00'; `always`.")
@click.option(
    "--recoverable",
    type=click.Choice(["none", "nt-hash", "password"]),
    help="What to keep of its accounts' passwords for CHAP and MS-CHAP.",
)
@click.option(
    "--live",
    type=click.Choice(["change", "disconnect", "nothing"]),
    help="What its live sessions hear: new values where equipment can change them; an end where"
    " it cannot (disconnect); nothing. Default: [radius] role_changes.",
)
@click.option(
    "--no-limit",
    multiple=True,
    type=click.Choice([name.replace("_", "-") for name in (*_LIMITS, *_TEXTS)]),
    help="Take this limit away; may be repeated.",
)
@click.pass_obj
def role_set(
    context: Context,
    /,
    role: str,
    hours: str | None,
    own_devices: int | None,
    guardian_consent: str | None,
    no_limit: tuple[str, ...],
    recoverable: str | None,
    live: str | None,
    **given: int | str | None,
) -> None:
    """Make a role or change the given limits of one; the others stay. It says which it did.

    The name of a new role holds letters, digits, - and _.
    """
    lifted = {name.replace("-", "_") for name in no_limit}
    for field in lifted:
        if given[field] is not None:
            raise UsageError(f"{field}: give the limit or --no-limit, not both")
    changes = {name: n for name, n in given.items() if n is not None or name in lifted}
    office = context.office
    with office.database.write() as session:
        is_new = session.scalar(select(Role.id).where(Role.name == role)) is None
        followed = role_changes.set_role(session, office, role, changes, context.actor, live)
        if hours is not None:
            session.flush()
            wanted = None if hours == "always" else hours
            roles.set_hours(session, office, role, wanted, context.actor)
        if own_devices is not None:
            session.flush()
            roles.set_own_devices(session, office, role, own_devices, context.actor)
        if guardian_consent is not None:
            session.flush()
            needed = guardian_consent == "required"
            roles.set_guardian_consent(session, office, role, needed, context.actor)
        if recoverable is not None:
            session.flush()
            kind = Recoverable(recoverable)
            kept_secrets.choose_for_role(session, office, role, kind, context.actor)
    if recoverable not in (None, "none"):
        click.echo(f"warning: {kept_secrets.PRICE}", err=True)
    click.echo(f"made role {role}" if is_new else f"changed {role}")
    _tell(followed)


def _tell(followed: role_changes.Followed) -> None:
    """What the live sessions of a changed role hear, if there are any."""
    seconds = round(role_changes.seconds_needed(followed).total_seconds())
    soon = f", the last in {seconds} s" if seconds else ""
    for number, what in (
        (followed.changing, f"told to their equipment{soon} (see: yuenyan session requests)"),
        (followed.ending, f"being ended{soon} (see: yuenyan session requests)"),
        (followed.waiting, "going on as before until their next login"),
    ):
        if number:
            click.echo(f"live sessions {what}: {number}")


_CHOICES = ("own_devices", "recoverable", "guardian_consent")


@role_command.command("list")
@_JSON
@click.pass_obj
def role_list(context: Context, as_json: bool) -> None:
    """Every role; no number means no limit."""
    with context.database.read() as session:
        found = session.scalars(select(Role).order_by(Role.name)).all()
    columns = ("name", "for_guests", *_LIMITS, *_TEXTS, "hours", *_CHOICES)
    if as_json:
        print_json([{column: getattr(role, column) for column in columns} for role in found])
        return
    print_table(
        [column.replace("_", "-") for column in columns],
        ([getattr(role, column) for column in columns] for role in found),
    )


role_command.add_command(role_registration)
