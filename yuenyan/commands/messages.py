"""`yuenyan message`: letters and short messages: whether they went, and one more try."""

from __future__ import annotations

import click

from identity.services import message_queue
from yuenyan.commands.options import NUMBER
from yuenyan.commands.tables import moment, print_json, print_table, short_moment
from yuenyan.context import Context

STATES = ("waiting", "sent", "failed", "late")


@click.group("message")
def message_command() -> None:
    """Letters and short messages that were written to people; never what they say."""


@message_command.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those that stand so.")
@click.option(
    "--about",
    "wanted",
    default="",
    metavar="TEXT",
    help="Only those whose receiver or purpose has it: a mailbox, a name, the number of a"
    " registration.",
)
@click.option("--limit", type=NUMBER, default=200, show_default=True, metavar="N")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def message_list(
    context: Context, state: str | None, wanted: str, limit: int, as_json: bool
) -> None:
    """Messages of the last 30 days, newest first."""
    zone = context.config.site.timezone
    with context.database.read() as session:
        found = message_queue.list_messages(session, state, limit, wanted.strip())
    if as_json:
        print_json(
            [
                {
                    "id": row.id,
                    "channel": row.channel,
                    "recipient": row.recipient,
                    "about": message_queue.shown_about(row.about),
                    "state": row.state,
                    "attempts": row.attempts,
                    "created_at": moment(row.created_at, zone),
                    "next_try_at": (
                        moment(row.next_try_at, zone) if row.state == "waiting" else None
                    ),
                    "expires_at": moment(row.expires_at, zone),
                    "sent_at": moment(row.sent_at, zone),
                    "last_error": row.last_error,
                }
                for row in found
            ]
        )
        return
    print_table(
        ("id", "to", "about", "state", "tries", "written", "last error"),
        (
            (
                row.id,
                row.recipient,
                message_queue.shown_about(row.about),
                row.state,
                row.attempts,
                short_moment(row.created_at, zone),
                row.last_error,
            )
            for row in found
        ),
    )


@message_command.command("retry")
@click.argument("number", type=NUMBER, metavar="ID")
@click.pass_obj
def message_retry(context: Context, number: int) -> None:
    """Try a message at once that failed or waits; the housekeeper sends it."""
    office = context.office
    with office.database.write() as session:
        message_queue.retry(session, office, number, context.actor)
    click.echo(f"message {number} is tried at once")
