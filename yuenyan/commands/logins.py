"""`yuenyan login`: who logged in, who was refused, and why, in words."""

from __future__ import annotations

from datetime import datetime

import click

from captive_portal.admin.language import speaking
from captive_portal.admin.login_story import Story, tell
from captive_portal.admin.words import METHODS, OUTCOMES, REASONS, login_result, word
from common.errors import NotFound
from common.printable import printable
from identity.services import login_log
from identity.services.login_log import LoginView
from yuenyan.commands.console import note_reading
from yuenyan.commands.tables import moment, print_json, print_table, short_moment
from yuenyan.commands.unlocking import refuse_past_names
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_LANGUAGE = click.option(
    "--language", type=click.Choice(["th", "en"]), help="Of the words; else the site's first."
)


@click.group("login")
def login_command() -> None:
    """Login decisions: the list, and why one was taken."""


@login_command.command("list")
@click.option("--user", metavar="NAME", help="Only this user name or MAC address.")
@click.option("--refused", is_flag=True, help="Only refusals.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@_LANGUAGE
@_JSON
@click.pass_obj
def login_list(
    context: Context,
    user: str | None,
    refused: bool,
    limit: int,
    language: str | None,
    as_json: bool,
) -> None:
    """Decisions of the last 7 days, newest first.

    Older ones are in the archive: yuenyan archive rows access. With [lookup] second_person it is
    refused: it names people without a case.
    """
    refuse_past_names(context, user or "*")
    zone = context.config.site.timezone
    office = context.office
    with office.database.read() as session:
        found = login_log.list_logins(session, office, user=user, refused=refused, limit=limit)
    note_reading(context, "logins:searched", user or "*", refused=refused, results=len(found))
    if as_json:
        print_json([_facts(login, zone) for login in found])
        return
    with speaking(language or context.config.site.languages[0], zone):
        print_table(
            ("time", "user", "station", "nas", "method", "result", "reason"),
            (
                (
                    short_moment(login.at, zone),
                    login.account or login.user_name,
                    login.station,
                    login.nas,
                    word(METHODS, login.method),
                    word(OUTCOMES, login_result(login.outcome, login.reason)),
                    word(REASONS, login.reason),
                )
                for login in found
            ),
        )


@login_command.command("why")
@click.argument("name")
@_LANGUAGE
@_JSON
@click.pass_obj
def login_why(context: Context, name: str, language: str | None, as_json: bool) -> None:
    """The last refusal of NAME (a user name or MAC address): what happened and what to do."""
    zone = context.config.site.timezone
    office = context.office
    with office.database.read() as session:
        refusals = login_log.list_logins(session, office, user=name, refused=True, limit=1)
        known = refusals or login_log.list_logins(session, office, user=name, limit=1)
        later = login_log.find_next_accept(session, refusals[0]) if refusals else None
    note_reading(context, "login:read", name, results=len(known))
    if not known:
        raise NotFound(
            f"nobody called {name!r} tried to log in during the last"
            f" {login_log.LOOKED_AT.days} days; is the request dropped? see: yuenyan nas list"
        )
    login = known[0]
    with speaking(language or context.config.site.languages[0], zone):
        story = tell(login)
        if as_json:
            print_json({**_facts(login, zone), **_told(story), "let_in_later": moment(later, zone)})
        else:
            _print_story(login, story, later, zone)


def _facts(login: LoginView, zone: str) -> dict[str, object]:
    return {
        "login_id": login.login_id,
        "at": moment(login.at, zone),
        "user_name": login.user_name,
        "account": login.account,
        "full_name": login.full_name,
        "role": login.role,
        "station": login.station,
        "nas": login.nas,
        "ssid": login.ssid,
        "method": login.method,
        "outcome": login.outcome,
        "reason": login.reason,
        "trace": list(login.trace),
    }


def _told(story: Story) -> dict[str, object]:
    return {
        "headline": story.headline,
        "steps": [step.text for step in story.steps],
        "advice": list(story.advice),
    }


def _print_story(login: LoginView, story: Story, later: datetime | None, zone: str) -> None:
    result = word(OUTCOMES, login_result(login.outcome, login.reason))
    click.echo(f"{short_moment(login.at, zone)}  {result}")
    click.echo(printable(story.headline))
    click.echo()
    for step in story.steps:
        code = f"  [{step.code}]" if step.code and step.code != step.text else ""
        click.echo(f"  · {printable(step.text + code)}")
    if story.advice:
        click.echo()
        for number, text in enumerate(story.advice, 1):
            click.echo(f"  {number}. {printable(text)}")
    if later is not None:
        click.echo()
        click.echo(f"→ {short_moment(later, zone)}  {word(OUTCOMES, 'accept')}")
