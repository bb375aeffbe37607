"""`yuenyan officer`: who among the staff may do what in the admin portal."""

from __future__ import annotations

import click

from identity.domain.levels import Level
from identity.services import officers
from yuenyan.commands.tables import moment, print_json, print_table
from yuenyan.context import Context

_LEVELS = ", ".join(level.value for level in Level)


@click.group("officer")
def officer_command() -> None:
    """Staff of the admin portal and their levels; one account may have several.

    admin: people, roles, equipment. custodian: keeps the traffic data, agrees to unlocking.
    coordinator: answers lawful requests. auditor: reads what the others did. school: one
    school's people and connections. approver: lets guests in. voucher-desk: hands out
    vouchers. help-desk: why a login failed. executive: numbers only. An administrator alone
    reads no identified log.
    """


@officer_command.command("grant", help=f"Give an account a level: {_LEVELS}.")
@click.argument("name")
@click.argument("level")
@click.pass_obj
def officer_grant(context: Context, name: str, level: str) -> None:
    wanted = officers.read_level(level)
    office = context.office
    with office.database.write() as session:
        officers.grant(session, office, name, wanted, context.actor)
    click.echo(f"{name} is {wanted.value}")


@officer_command.command("revoke")
@click.argument("name")
@click.argument("level")
@click.pass_obj
def officer_revoke(context: Context, name: str, level: str) -> None:
    """Take a level from an account; the pages close to it at once."""
    wanted = officers.read_level(level)
    office = context.office
    with office.database.write() as session:
        officers.revoke(session, office, name, wanted, context.actor)
    click.echo(f"{name} is no longer {wanted.value}")


@officer_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def officer_list(context: Context, as_json: bool) -> None:
    """Every officer, since when, and who made them one."""
    zone = context.config.site.timezone
    with context.database.read() as session:
        rows = [
            {
                "username": account.username,
                "full_name": account.full_name,
                "org": account.organisation.code if account.organisation else None,
                "state": account.state,
                "level": row.level,
                "granted_by": row.granted_by,
                "granted_at": moment(row.granted_at, zone),
            }
            for account, levels in officers.list_officers(session)
            for row in levels
        ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("user", "name", "org", "state", "level", "by", "since"),
        ([*row.values()] for row in rows),
    )
