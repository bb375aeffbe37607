"""`yuenyan evidence`: bundles of evidence, checking them, and the custody register."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from common.clock import to_rfc3339, utc_now
from common.errors import ArchiveError, NotFound, Refused, UsageError
from identity.domain.registers import Register
from traffic.evidence import verify
from yuenyan.commands.options import NUMBER, write_new
from yuenyan.commands.tables import print_fields, print_json, print_table, short_moment
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("evidence")
def evidence_command() -> None:
    """Give out evidence for a case, check a bundle, keep the custody register."""


@evidence_command.command("export")
@click.option("--case", default="", metavar="TEXT", help="The case it is for.")
@click.option("--from", "from", metavar="TIME", help="First moment or day, of either era.")
@click.option("--to", "to", metavar="TIME", help="Last moment or day: a date alone counts whole.")
@click.option("--out", required=True, metavar="FILE", help="The bundle, a new .zip file.")
@click.option("--reason", default="", metavar="TEXT", help="Why it is given out.")
@click.option("--address", metavar="IP", help="Only what bears on this address.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N")
@click.option("--protocol", type=click.Choice(["tcp", "udp", "icmp"]))
@click.option("--user", metavar="NAME", help="Only what bears on this person.")
@click.option("--mac", metavar="MAC", help="Only what bears on this device.")
@click.option("--everyone", is_flag=True, help="All persons of the period; think twice.")
@click.option("--request", metavar="ID", help="An approved request of the register.")
@click.option("--recipient", default="", metavar="TEXT", help="Whom the cover letter is to.")
@click.option("--reference", default="", metavar="TEXT", help="Number and date of their letter.")
@click.option("--secret-until", metavar="TIME", help="Until when the persons are not told.")
@_JSON
@click.pass_obj
def export_command(context: Context, /, out: str, as_json: bool, **asked: Any) -> None:
    """Make a signed bundle of what bears on a case. Every export is recorded.

    Without an address, person or device it takes what was looked up for the same case, and the
    reason given then; where nothing was looked up, everyone of the period. Without a recipient
    the letter is a memorandum that asks for approval. With [lookup] second_person it takes the
    --request that another officer approved in the portal.
    """
    from captive_portal.public.notice import VERSION
    from traffic.evidence.export import export
    from traffic.evidence.printing import NO_PDF
    from traffic.evidence.scope import NOBODY_NAMED
    from yuenyan.commands.unlocking import need_request

    need_request(context, Register.REQUEST, asked["request"])
    made = export(
        context.database,
        context.config,
        asked,
        Path(out),
        context.actor,
        clock=utc_now,
        notice_version=VERSION,
    )
    told = {
        "file": str(made.path),
        "exhibit": made.exhibit,
        "sha256": made.sha256,
        "octets": made.octets,
        "items": made.items,
        "records": made.records,
        "lookup_outcomes": list(made.outcomes),
        "gaps": made.gaps,
        "key_fingerprint": made.fingerprint,
        "pdf": made.pdf,
        "nobody_has": list(made.unknown),
    }
    if as_json:
        print_json(told)
    else:
        lists = {"lookup_outcomes": made.outcomes, "nobody_has": made.unknown}
        print_fields({**told, **{name: ", ".join(one) or None for name, one in lists.items()}})
        if made.gaps:
            click.echo("Records of the period are missing, or may be: see reports/gaps.json")
    if made.unnamed:
        click.echo(f"yuenyan: {NOBODY_NAMED}", err=True)
    if made.unknown:
        names = ", ".join(made.unknown)
        click.echo(f"yuenyan: looked up for this case, but nobody has the name: {names}", err=True)
    if not made.pdf:
        click.echo(f"yuenyan: {NO_PDF}", err=True)


@evidence_command.command("verify")
@click.argument("file", metavar="FILE")
@click.option("--public-key", metavar="FILE", help="The key that must have signed it.")
@_JSON
def verify_command(file: str, public_key: str | None, as_json: bool) -> None:
    """Check signature, every hash and the proofs of a bundle; name the first bad item.

    The same check is one file that needs nothing of ours: `evidence verifier`.
    """
    try:
        key = None if public_key is None else verify.load_key(public_key)
        report = verify.check(file, key)
    except verify.Unusable as error:
        raise UsageError(str(error)) from error
    except verify.Altered as error:
        if as_json:
            print_json({"ok": False, "item": error.item, "error": str(error)})
        raise ArchiveError(error.item, error.reason) from error
    if as_json:
        print_json(report)
    else:
        for line in verify.explain(report):
            click.echo(line)


@evidence_command.command("verifier")
def verifier_command() -> None:
    """Print verify.py, the check that runs on a bare Python, to give to whoever asks."""
    sys.stdout.write(Path(verify.__file__).read_text(encoding="utf-8"))


@evidence_command.group("custody")
def custody_command() -> None:
    """The custody register: what was made, and every step of it through hands."""


@custody_command.command("list")
@click.option("--case", metavar="TEXT")
@_JSON
@click.pass_obj
def custody_list(context: Context, case: str | None, as_json: bool) -> None:
    """Exhibits and their steps; exit 1 when the register was tampered with."""
    from traffic.evidence import custody

    zone = context.config.site.timezone
    archived = custody.archived_steps(context.config)
    with context.database.read() as session:
        broken = custody.find_break(session, archived)
        exhibits = [
            (exhibit, custody.steps_of(session, exhibit.id))
            for exhibit in custody.list_exhibits(session, case)
        ]
    if as_json:
        print_json(
            {
                "whole": not broken,
                "broken": broken or None,
                "exhibits": [_exhibit_tree(one, steps, zone) for one, steps in exhibits],
            }
        )
    else:
        print_table(
            ("exhibit", "at", "step", "person", "officer", "document", "case", "file"),
            [
                (
                    exhibit.id,
                    short_moment(step.at, zone),
                    step.step,
                    step.person,
                    step.officer_id,
                    step.document,
                    exhibit.case_reference,
                    exhibit.file_name,
                )
                for exhibit, steps in exhibits
                for step in steps
            ],
        )
    if broken:
        raise ArchiveError("custody register", broken)


def _exhibit_tree(exhibit: Any, steps: list[Any], zone: str) -> dict[str, Any]:
    names = ("actor", "step", "person", "officer_id", "document", "place", "note", "hash")
    return {
        "exhibit": exhibit.id,
        "case": exhibit.case_reference,
        "reason": exhibit.reason,
        "request": exhibit.request,
        "file": exhibit.file_name,
        "sha256": exhibit.sha256,
        "octets": exhibit.octets,
        "records": exhibit.records,
        "created_at": to_rfc3339(exhibit.created_at, zone),
        "steps": [
            {"at": to_rfc3339(step.at, zone), **{name: getattr(step, name) for name in names}}
            for step in steps
        ],
    }


@custody_command.command("add")
@click.argument("exhibit", type=NUMBER, metavar="EXHIBIT")
@click.option(
    "--step",
    required=True,
    type=click.Choice(["approved", "handed-over", "copied", "returned", "destroyed"]),
)
@click.option("--person", default="", metavar="NAME", help="Who approved, received, copied …")
@click.option("--officer-id", default="", metavar="NUMBER", help="Of their card or warrant.")
@click.option("--document", default="", metavar="NUMBER", help="Of the paper that goes with it.")
@click.option("--place", default="", metavar="TEXT")
@click.option("--note", default="", metavar="TEXT")
@_JSON
@click.pass_obj
def custody_add(context: Context, /, exhibit: int, step: str, as_json: bool, **told: str) -> None:
    """Enter what happened to an exhibit; nothing that was entered can be changed."""
    from traffic.evidence import custody

    new = custody.NewStep(step=custody.Step(step.replace("-", "_")), **told)
    row = custody.add_step(context.database, utc_now(), exhibit, new, context.actor)
    if as_json:
        print_json({"exhibit": exhibit, "step": row.step, "hash": row.hash})
    else:
        click.echo(f"Exhibit {exhibit}: {row.step}, entered as {row.hash}")


@custody_command.command("form")
@click.argument("exhibit", type=NUMBER, metavar="EXHIBIT")
@click.option("--out", required=True, metavar="FILE", help="A new .pdf, .html or .txt.")
@click.pass_obj
def custody_form(context: Context, exhibit: int, out: str) -> None:
    """Write the custody form (แบบบันทึกการส่งต่อพยานหลักฐาน) with every step so far."""
    from traffic.evidence.forms import form_of
    from traffic.evidence.printing import NO_PDF

    path = Path(out)
    with context.database.read() as session:
        forms = form_of(session, context.config, exhibit)
    if forms is None:
        raise NotFound(f"there is no exhibit {exhibit}")
    if path.suffix not in (".pdf", ".html", ".txt"):
        raise UsageError("name the form with .pdf, .html or .txt at its end")
    if path.suffix not in forms:
        raise Refused(NO_PDF)
    write_new(path, forms[path.suffix])
    click.echo(f"Written: {path}")
