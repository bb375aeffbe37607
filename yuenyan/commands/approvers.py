"""`yuenyan user approver`: what an approver may grant."""

from __future__ import annotations

import click

from common.errors import Refused, UsageError
from identity.services import approval
from yuenyan.commands.tables import print_json
from yuenyan.context import Context


@click.command("approver")
@click.argument("name")
@click.option("--role", "granted", multiple=True, metavar="ROLE", help="May be repeated.")
@click.option("--everywhere/--own-organisation", default=None, help="Whose applicants.")
@click.option("--default", "reset", is_flag=True, help="Guests of the own organisation again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def user_approver(
    context: Context,
    name: str,
    granted: tuple[str, ...],
    everywhere: bool | None,
    reset: bool,
    as_json: bool,
) -> None:
    """Say which roles an approver may grant, and to whom; without options, show it.

    An approver to whom nobody gave more may let guests of the own organisation in; who belongs
    to no organisation, guests everywhere. --own-organisation needs an organisation.
    """
    if reset and (granted or everywhere is not None):
        raise UsageError("--default takes every choice back; give it alone")
    office = context.office
    if reset:
        with office.database.write() as session:
            approval.reset_scope(session, office, name, context.actor)
    elif granted or everywhere is not None:
        with office.database.write() as session:
            account = approval.get_approver(session, name)
            if everywhere is False and account.organisation_id is None:
                raise Refused(
                    f"{account.username} belongs to no organisation, so there is no own one; import"
                    " them with their org (yuenyan user import --update), or say --everywhere"
                )
            before = approval.scope_of(session, account)
            wanted = granted or tuple(sorted(before.roles or ()))
            is_everywhere = before.organisation_id is None if everywhere is None else everywhere
            approval.set_scope(session, office, name, wanted, is_everywhere, context.actor)
    with office.database.read() as session:
        account = approval.get_approver(session, name)
        scope = approval.scope_of(session, account)
        roles = list(approval.grantable(session, account))
        own = account.organisation.code if account.organisation else None
    shown = {
        "username": account.username,
        "roles": roles,
        "organisation": None if scope.organisation_id is None else own,
        "default": scope.is_default,
    }
    if as_json:
        print_json(shown)
        return
    where = own if scope.organisation_id is not None else "everywhere"
    click.echo(f"{account.username} may grant: {', '.join(roles) or 'nothing'} ({where})")
