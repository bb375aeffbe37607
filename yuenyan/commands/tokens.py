"""`yuenyan token`: what programs may ask in the name of an officer."""

from __future__ import annotations

import click

from identity.domain.api_tokens import LONGEST, USUAL_DAYS
from identity.services import api_tokens, officers, people, token_endings
from identity.services.reach import EVERYWHERE
from yuenyan.commands.console import operator
from yuenyan.commands.options import NUMBER
from yuenyan.commands.tables import moment, print_json, print_table, short_moment
from yuenyan.context import Context


@click.group("token")
def token_command() -> None:
    """Tokens for programs that use the API (docs/api.md).

    A token is never more than its owner is now. It ends with its time, when it is revoked, when
    its owner is suspended, expires or gets a new password, and with the last of its levels.
    """


@token_command.command("create")
@click.argument("owner")
@click.option("--name", required=True, help="What it is for, so that the right one is revoked.")
@click.option(
    "--level",
    "levels",
    multiple=True,
    required=True,
    help="Which of the owner's levels it has; may be given more than once.",
)
@click.option("--org", metavar="CODE", help="See this organisation and those under it alone.")
@click.option("--names", is_flag=True, help="May ask to unlock names, by the owner's rules.")
@click.option(
    "--days",
    type=click.IntRange(1, LONGEST.days),
    default=USUAL_DAYS,
    show_default=True,
    help="How long it lasts; a year at most.",
)
@click.pass_obj
def token_create(
    context: Context,
    owner: str,
    name: str,
    levels: tuple[str, ...],
    org: str | None,
    names: bool,
    days: int,
) -> None:
    """Make a token of the officer OWNER and print it, this once."""
    wanted = api_tokens.Wanted(
        name=name,
        levels=[officers.read_level(level) for level in levels],
        days=days,
        organisation=org,
        names=names,
    )
    office = context.office
    with office.database.write() as session:
        account = people.get(session, owner)
        made, text = api_tokens.create(
            session, office, account, wanted, context.actor, operator().name
        )
        ends = moment(made.expires_at, context.config.site.timezone)
        click.echo(f"token {made.id} of {account.username}, until {ends}", err=True)
    click.echo(text)


@token_command.command("list")
@click.option("--user", metavar="NAME", help="Of one officer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def token_list(context: Context, user: str | None, as_json: bool) -> None:
    """Every token: whose, until when, when it was last used, and from where."""
    zone, office = context.config.site.timezone, context.office
    when = moment if as_json else short_moment
    with context.database.read() as session:
        account_id = people.get(session, user).id if user else None
        rows = [
            {
                "id": token.id,
                "name": token.name,
                "owner": owner.username,
                "levels": token.levels,
                "org": code,
                "names": token.names,
                "state": token_endings.state_of(token, office.clock()).value,
                "created_at": when(token.created_at, zone),
                "expires_at": when(token.expires_at, zone),
                "last_used_at": when(token.last_used_at, zone),
                "last_used_from": token.last_used_from,
            }
            for token, owner, code in api_tokens.list_tokens(
                session, EVERYWHERE, account_id=account_id
            )
        ]
    if as_json:
        print_json(rows)
        return
    print_table(
        (
            *("id", "name", "owner", "levels", "org", "names", "state"),
            *("since", "until", "last used", "from"),
        ),
        ([*row.values()] for row in rows),
    )


@token_command.command("revoke")
@click.argument("token_id", metavar="ID", type=NUMBER)
@click.pass_obj
def token_revoke(context: Context, token_id: int) -> None:
    """End a token; its next use is refused."""
    office = context.office
    with office.database.write() as session:
        name = api_tokens.revoke(session, office, token_id, context.actor).name
    click.echo(f"token {token_id} ({name}) is revoked")
