"""`yuenyan compliance`: each duty with its evidence, the record of processing, statistics."""

from __future__ import annotations

from typing import Any

import click

from common.config import Config
from common.counting import counted
from identity.domain.suppression import K, tell, total
from identity.services import statistics
from yuenyan.commands.tables import moment, print_fields, print_json, print_table
from yuenyan.compliance.duty import NOT_A_JUDGEMENT, WORDS, Duty, Status
from yuenyan.compliance.processing import record_of_processing
from yuenyan.compliance.report import make_report
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_LANGUAGE = click.option(
    "--language", type=click.Choice(["th", "en"]), help="Without it the site's first."
)


@click.group("compliance")
def compliance_command() -> None:
    """What the law asks for, and what of it can be shown here and now."""


@compliance_command.command("report")
@_LANGUAGE
@_JSON
@click.pass_obj
def report(context: Context, language: str | None, as_json: bool) -> None:
    """Each duty: how it stands, the evidence, its date, who answers for it."""
    config, office = context.config, context.office
    chosen = language or config.site.languages[0]
    now = office.clock()
    with office.database.read() as session:
        duties = make_report(config, session, now, chosen)
    zone = config.site.timezone
    if as_json:
        print_json(
            {
                "at": moment(now, zone),
                "office": config.office.name or config.site.name,
                "coordinator": _named(config, "coordinator"),
                "deputy": _named(config, "deputy"),
                "note": dict(zip(("en", "th"), NOT_A_JUDGEMENT, strict=True)),
                "duties": [
                    {
                        "key": duty.key,
                        "title": {"en": duty.title.en, "th": duty.title.th},
                        "law": {"en": duty.law.en, "th": duty.law.th},
                        "status": duty.shown.status,
                        "evidence": {"en": duty.shown.evidence.en, "th": duty.shown.evidence.th},
                        "at": moment(duty.shown.at or now, zone),
                        "responsible": duty.responsible,
                    }
                    for duty in duties
                ],
            }
        )
        return
    thai = chosen == "th"
    click.echo(f"{config.office.name or config.site.name} · {moment(now, zone)}")
    for name, label in (
        ("coordinator", "ผู้ประสานงาน" if thai else "Coordinator"),
        ("deputy", "ผู้แทน" if thai else "Deputy"),
    ):
        click.echo(f"{label}: {_named(config, name) or ('ยังไม่ระบุ' if thai else 'not named')}")
    click.echo("")
    for duty in duties:
        _print(duty, chosen, zone)
    click.echo(NOT_A_JUDGEMENT[1 if thai else 0])


def _print(duty: Duty, language: str, zone: str) -> None:
    thai = language == "th"
    mark = {Status.IN_PLACE: "✓", Status.ATTENTION: "!", Status.MISSING: "✗"}
    status = WORDS[duty.shown.status][1 if thai else 0]
    click.echo(f"{mark.get(duty.shown.status, '?')} {duty.title.of(language)}: {status}")
    click.echo(f"    {duty.shown.evidence.of(language)}")
    at = "" if duty.shown.at is None else f" · {moment(duty.shown.at, zone)}"
    click.echo(f"    {duty.law.of(language)} · {duty.responsible}{at}")


def _named(config: Config, role: str) -> str | None:
    name, contact = getattr(config.office, role), getattr(config.office, f"{role}_contact")
    return " ".join(filter(None, (name, contact))) or None


@compliance_command.command("ropa")
@_LANGUAGE
@_JSON
@click.pass_obj
def ropa(context: Context, language: str | None, as_json: bool) -> None:
    """The record of processing, from the configuration in force and the tables there are."""
    tree = record_of_processing(context.config, language or context.config.site.languages[0])
    if as_json:
        print_json(tree)
        return
    fields: dict[str, object] = {**tree["controller"], "recipients": tree["recipients"]}
    print_fields({**fields, "security": tree["security"]})
    for activity in tree["activities"]:
        click.echo("")
        click.echo(activity["activity"])
        print_fields({name: activity[name] for name in ("people", "purpose", "basis", "kept")})
        for table, columns in activity["fields"].items():
            click.echo(f"  {table}: {', '.join(columns)}")


@compliance_command.command("statistics")
@click.option("--month", required=True, metavar="YYYY-MM", help="Buddhist or common era.")
@_JSON
@click.pass_obj
def show_statistics(context: Context, month: str, as_json: bool) -> None:
    """People, sessions and volume of a month by organisation and role; groups only."""
    begin, end = statistics.month_span(month, context.config.site.timezone)
    with context.office.database.read() as session:
        told = tell(statistics.count_usage(session, begin, end))
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                "organisation": one.group[0],
                "role": one.group[1],
                "people": one.people,
                "sessions": one.sessions,
                "gigaoctets": one.gigaoctets,
            }
            for one in told
        ]
        print_json({"from": begin.isoformat(), "to": end.isoformat(), "k": K, "groups": rows})
        return
    print_table(
        ("organisation", "role", "people", "sessions", "GB"),
        [
            (
                *one.group,
                f"fewer than {K}" if one.people is None else one.people,
                one.sessions,
                one.gigaoctets,
            )
            for one in told
        ],
    )
    click.echo(
        f"{counted(total(told), 'person', 'people')} in the groups told; all numbers in steps of"
        f" {K}"
    )
