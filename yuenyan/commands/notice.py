"""`yuenyan notice`: rules of use and notices by version, and who accepted or was given which."""

from __future__ import annotations

from typing import TextIO

import click
from sqlalchemy import select

from captive_portal.public import create_app
from captive_portal.public import notice as pages
from captive_portal.web.drafts import draft_rules
from common.errors import NotFound, UsageError
from db.models import NoticeText
from identity.services import notices, people, published
from identity.services.notices import Audience
from identity.services.published import Kind, Written
from yuenyan.commands.console import note_reading
from yuenyan.commands.tables import moment, print_json, print_table, short_moment
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FOR = click.option(
    "--for", "audience", type=click.Choice([str(one) for one in Audience]), default="everybody"
)
_TEXT = click.File("r", encoding="utf-8-sig")
"""Editors of Windows begin a file with a mark, behind which `# ` would be no heading."""

_LANGUAGE = click.option("--language", type=click.Choice(["th", "en"]), default="th")


@click.group("notice")
def notice_command() -> None:
    """Rules of use and notices on personal data, by version, in Thai and English."""


def current(context: Context, audience: str, language: str) -> notices.Text:
    """The notice as the portal shows it now; kept by its hash."""
    app = create_app(context.office)
    with app.test_request_context(f"/notice?lang={language}"):
        text = pages.stored_form(pages.current(Audience(audience)))
    notices.store(context.office, text)
    return text


@notice_command.command("show")
@_FOR
@_LANGUAGE
@click.pass_obj
def show(context: Context, audience: str, language: str) -> None:
    """The text in force, as HTML, with its version and hash."""
    text = current(context, audience, language)
    click.echo(text.text)
    click.echo(f"<!-- {text.version} SHA-256 {text.sha256} -->")


@notice_command.command("list")
@_JSON
@click.pass_obj
def listing(context: Context, as_json: bool) -> None:
    """Every text that was shown or handed out."""
    zone = context.config.site.timezone
    with context.office.database.read() as session:
        rows = session.scalars(select(NoticeText).order_by(NoticeText.first_at)).all()
    if as_json:
        print_json(
            [
                {
                    "sha256": row.sha256,
                    "version": row.version,
                    "for": row.audience,
                    "language": row.language,
                    "first_at": moment(row.first_at, zone),
                }
                for row in rows
            ]
        )
        return
    print_table(
        ("version", "for", "language", "first", "sha-256"),
        [
            (
                row.version,
                row.audience,
                row.language,
                short_moment(row.first_at, zone),
                row.sha256,
            )
            for row in rows
        ],
    )


@notice_command.command("give")
@click.argument("names", nargs=-1)
@click.option("--org", metavar="CODE", help="Everybody of an organisation.")
@click.option("--class", "class_name", metavar="TEXT", help="Of it only this class.")
@click.option("--how", default="", metavar="TEXT", help="Such as: handed out in class.")
@_FOR
@_LANGUAGE
@click.pass_obj
def give(
    context: Context,
    names: tuple[str, ...],
    org: str | None,
    class_name: str | None,
    how: str,
    audience: str,
    language: str,
) -> None:
    """Write that people were given the notice in force, by name or by organisation and class."""
    if bool(names) == bool(org) or (class_name and not org):
        raise UsageError("name people, or --org CODE with or without --class TEXT")
    text = current(context, audience, language)
    office = context.office
    with office.database.write() as session:
        accounts = (
            notices.accounts_of(session, org, class_name)
            if org
            else [people.get(session, name) for name in names]
        )
        number = notices.give(session, office, text.sha256, accounts, how, context.actor)
    click.echo(f"{number} of {len(accounts)} had not been given {text.version} ({audience}) yet")


@notice_command.command("given")
@click.argument("name")
@_JSON
@click.pass_obj
def given(context: Context, name: str, as_json: bool) -> None:
    """Which notices somebody accepted or was given."""
    zone = context.config.site.timezone
    with context.office.database.read() as session:
        found = notices.given_to(session, people.get(session, name))
    if as_json:
        print_json(
            [
                {
                    "at": moment(one.at, zone),
                    "version": one.version,
                    "how": one.how,
                    "sha256": one.sha256,
                }
                for one in found
            ]
        )
        return
    print_table(
        ("at", "version", "how", "sha-256"),
        [(short_moment(one.at, zone), one.version, one.how, one.sha256) for one in found],
    )


_KIND = click.argument("kind", type=click.Choice([str(one) for one in Kind]))


@notice_command.command("draft")
@_LANGUAGE
def draft(language: str) -> None:
    """A draft of rules of use to begin with; in force is only what is published."""
    click.echo(draft_rules(language), nl=False)


@notice_command.command("publish")
@_KIND
@click.option("--version", required=True, metavar="NAME", help="Such as 2569-1; never used again.")
@click.option("--th", "thai", type=_TEXT, metavar="FILE")
@click.option("--en", "english", type=_TEXT, metavar="FILE")
@click.option("--changed-th", default="", metavar="TEXT", help="What has changed, in Thai.")
@click.option("--changed-en", default="", metavar="TEXT", help="What has changed, in English.")
@_FOR
@click.pass_obj
def publish(
    context: Context,
    kind: str,
    version: str,
    thai: TextIO | None,
    english: TextIO | None,
    changed_th: str,
    changed_en: str,
    audience: str,
) -> None:
    """Put rules of use, or a privacy notice of your own, into force.

    Plain text: an empty line begins a paragraph, `# ` a heading, `- ` a list. Whoever comes
    through the portal accepts it once before the network opens.
    """
    written = {
        language: Written(text=file.read(), summary=changed)
        for language, file, changed in (("th", thai, changed_th), ("en", english, changed_en))
        if file is not None
    }
    office = context.office
    with office.database.write() as session:
        published.publish(
            session, office, Kind(kind), version, written, context.actor, Audience(audience)
        )
    click.echo(f"{kind} {version.strip()} is in force")


@notice_command.command("published")
@_JSON
@click.pass_obj
def published_list(context: Context, as_json: bool) -> None:
    """Every version that was published, the newest first."""
    zone = context.config.site.timezone
    with context.office.database.read() as session:
        rows = published.all_versions(session)
    if as_json:
        print_json(
            [
                {
                    "kind": row.kind,
                    "for": row.audience,
                    "language": row.language,
                    "version": row.version,
                    "published_at": moment(row.published_at, zone),
                    "published_by": row.published_by,
                    "sha256": row.sha256,
                }
                for row in rows
            ]
        )
        return
    print_table(
        ("kind", "for", "language", "version", "published", "by", "sha-256"),
        [
            (
                row.kind,
                row.audience,
                row.language,
                row.version,
                short_moment(row.published_at, zone),
                row.published_by,
                row.sha256,
            )
            for row in rows
        ],
    )


@notice_command.command("pending")
@_JSON
@click.pass_obj
def pending(context: Context, as_json: bool) -> None:
    """Who has not accepted the rules of use in force yet, such as people of 802.1X alone."""
    language = context.config.site.languages[0]
    with context.office.database.read() as session:
        text = published.in_force(session, Kind.ACCEPTABLE_USE, language)
        if text is None:
            raise NotFound("no rules of use are published; see: yuenyan notice publish --help")
        waiting = published.find_not_accepted(session, text)
    note_reading(context, "people:searched", f"not accepted {text.version}", results=len(waiting))
    if as_json:
        print_json([{"username": one.username, "full_name": one.full_name} for one in waiting])
        return
    print_table(("user", "name"), [(one.username, one.full_name) for one in waiting])
