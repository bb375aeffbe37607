"""`yuenyan role registration`: how visitors register for each role."""

from __future__ import annotations

import click

from common.errors import UsageError
from db.models import Role
from identity.domain.registering import LONGEST_PROVISIONAL_MINUTES, Way
from identity.services import registration_ways, roles
from yuenyan.commands.tables import print_json, print_table
from yuenyan.context import Context


@click.command("registration")
@click.argument("role", required=False)
@click.option(
    "--way",
    type=click.Choice([way.value for way in Way]),
    help="What lets a visitor in; `closed`: nobody registers for it.",
)
@click.option(
    "--approval/--no-approval",
    "needs_approval",
    default=None,
    help="An officer decides as well, after the code, the host or the roster.",
)
@click.option(
    "--minutes",
    type=click.IntRange(0, LONGEST_PROVISIONAL_MINUTES),
    metavar="N",
    help="On the network to read a code, once a day; 0: none.",
)
@click.option("--answerable", metavar="NAME", help="Sponsor on record where no host is; '': none.")
@click.option(
    "--may-sponsor/--may-not-sponsor",
    default=None,
    help="People of this role may receive guests, who name them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def role_registration(
    context: Context,
    role: str | None,
    way: str | None,
    needs_approval: bool | None,
    minutes: int | None,
    answerable: str | None,
    may_sponsor: bool | None,
    as_json: bool,
) -> None:
    """Say how visitors register for ROLE; without options show it, without ROLE show all.

    Ways: approval (an officer), sponsor (the host whom they visit), mail-code and sms-code (a
    code to their mailbox or telephone), roster (a person who was imported without a password).
    """
    office = context.office
    given = (way, needs_approval, minutes, answerable, may_sponsor)
    if any(value is not None for value in given):
        if role is None:
            raise UsageError("name the role")
        if as_json:
            raise UsageError("--json shows what is chosen; leave it out where you choose something")
        with office.database.write() as session:
            chosen = registration_ways.set_choice(
                session,
                office,
                role,
                context.actor,
                way=Way(way) if way else None,
                needs_approval=needs_approval,
                provisional_minutes=minutes,
                answerable=answerable,
                may_sponsor=may_sponsor,
            )
        _warn(context, chosen)
        click.echo(f"changed how visitors register for {role}")
        return
    with office.database.read() as session:
        wanted = [roles.get(session, role)] if role else session.query(Role).order_by(Role.name)
        found = [registration_ways.choice_of(session, office, one) for one in wanted]
    columns = ("role", "way", "approval", "minutes", "answerable", "may sponsor")
    rows = [
        (
            one.role,
            one.way.value,
            one.needs_approval,
            one.provisional_minutes,
            one.answerable,
            one.may_sponsor,
        )
        for one in found
    ]
    if as_json:
        names = [name.replace(" ", "_") for name in columns]
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    print_table(columns, rows)


def _warn(context: Context, chosen: registration_ways.Choice) -> None:
    """What the configuration lacks for this way; `doctor` says it too."""
    config = context.config
    for way, missing, what in (
        (Way.MAIL_CODE, not config.mail.host, "set [mail] host, or no code is sent"),
        (Way.SMS_CODE, not config.sms.url, "set [sms] url, or no code is sent"),
        (Way.SPONSOR, not config.mail.host, "set [mail] host, or hosts get no letter"),
        (
            Way.SPONSOR,
            not config.portal.public_url,
            "set [portal] public_url, or letters to hosts hold no link",
        ),
    ):
        if chosen.way is way and missing:
            click.echo(f"warning: {what}", err=True)
