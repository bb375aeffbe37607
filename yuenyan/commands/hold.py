"""`yuenyan hold`: orders of an authority that records be kept beyond their time."""

from __future__ import annotations

from typing import Any

import click

from common.clock import utc_now
from common.errors import UsageError
from common.thai_time import read_bound
from db.models import Hold
from identity.services import holds
from yuenyan.commands.options import NUMBER
from yuenyan.commands.tables import moment, print_json, print_table, short_moment
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("hold")
def hold_command() -> None:
    """Orders that records be kept beyond retention, two years from their entry at most."""


@hold_command.command("add")
@click.option("--authority", required=True, help="Who orders it.")
@click.option("--document", required=True, help="Number of the order.")
@click.option("--from", "from_text", required=True, metavar="TIME", help="First moment or day.")
@click.option("--to", "to_text", required=True, metavar="TIME", help="Last moment or day.")
@click.option("--account", metavar="NAME", help="Records of this account.")
@click.option("--address", metavar="IP", help="Records of this address.")
@click.option("--all", "everything", is_flag=True, help="Everybody's records.")
@click.option("--reason", required=True, help="Why.")
@click.option("--until", "until_text", required=True, metavar="TIME", help="Last moment or day.")
@click.option(
    "--approved-by",
    required=True,
    metavar="NAME",
    help="An active custodian, coordinator or auditor.",
)
@_JSON
@click.pass_obj
def add(
    context: Context,
    authority: str,
    document: str,
    from_text: str,
    to_text: str,
    account: str | None,
    address: str | None,
    everything: bool,
    reason: str,
    until_text: str,
    approved_by: str,
    as_json: bool,
) -> None:
    """Enter an order. Segments that hold a record of its period are kept whole.

    Times: 1/11/2569, 30 พ.ย. 2569, 2026-11-30 14:05; of --to and --until a date alone counts to
    its end.
    """
    if [bool(account), bool(address), everything].count(True) != 1:
        raise UsageError("say whose records: one of --account NAME, --address IP and --all")
    office, zone = context.office, context.config.site.timezone
    now = office.clock()
    new = holds.NewHold(
        authority=authority,
        document=document,
        from_at=read_bound(from_text, zone, now=now),
        to_at=read_bound(to_text, zone, now=now, end=True),
        until_at=read_bound(until_text, zone, now=now, end=True),
        reason=reason,
        approved_by=approved_by,
        account=account,
        address=address,
    )
    with office.database.write() as session:
        made = holds.make(session, office, new, context.actor)
    if as_json:
        print_json(_tree(made, account, zone))
    else:
        click.echo(f"Hold {made.id} is in force until {short_moment(made.until_at, zone)}.")


@hold_command.command("list")
@_JSON
@click.pass_obj
def list_command(context: Context, as_json: bool) -> None:
    """Every hold, newest first, those that are over included."""
    zone = context.config.site.timezone
    with context.database.read() as session:
        rows = holds.list_holds(session)
    if as_json:
        print_json([_tree(hold, username, zone) for hold, username in rows])
        return
    if not rows:
        click.echo("There are no holds.")
        return
    now = utc_now()
    print_table(
        ("hold", "state", "document", "authority", "whose", "from", "to", "until"),
        [
            (
                hold.id,
                holds.state_of(hold, now),
                hold.document,
                hold.authority,
                username or hold.address or "everybody",
                *(short_moment(value, zone) for value in (hold.from_at, hold.to_at, hold.until_at)),
            )
            for hold, username in rows
        ],
    )


@hold_command.command("end")
@click.argument("number", type=NUMBER)
@click.option("--reason", required=True, help="Why it ends before its time.")
@click.pass_obj
def end(context: Context, number: int, reason: str) -> None:
    """Let go before the time is over; what retention covers stays all the same."""
    office = context.office
    with office.database.write() as session:
        holds.end(session, office, number, reason, context.actor)
    click.echo(f"Hold {number} is ended; what it alone kept goes with the next purge.")


def _tree(hold: Hold, username: str | None, zone: str) -> dict[str, Any]:
    return {
        "hold": hold.id,
        "state": holds.state_of(hold, utc_now()),
        "authority": hold.authority,
        "document": hold.document,
        "account": username,
        "address": hold.address,
        "from": moment(hold.from_at, zone),
        "to": moment(hold.to_at, zone),
        "until": moment(hold.until_at, zone),
        "reason": hold.reason,
        "approved_by": hold.approved_by,
        "created_at": moment(hold.created_at, zone),
        "created_by": hold.created_by,
        "ended_at": moment(hold.ended_at, zone),
        "ended_by": hold.ended_by,
        "end_reason": hold.end_reason,
    }
