"""`yuenyan subject`: requests of people about their own data, and all that is held on one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from captive_portal.web.dates import format_date
from common.clock import to_rfc3339
from common.counting import counted
from common.errors import UsageError
from db.models import Account
from identity.domain.registers import Register
from identity.services import people, subject_files, subjects
from traffic.archive.kinds import ACCESS, SESSION
from traffic.archive.tables import TableArchive
from traffic.moments import from_milliseconds
from yuenyan.commands.options import require_new, write_new
from yuenyan.commands.registers import make_group
from yuenyan.commands.unlocking import need_request
from yuenyan.context import Context

subject_command = make_group(
    Register.SUBJECT, "Requests of people about their own data (30 days), and what is held on them."
)

_ROWS = 1_000_000
_TIMES = ("received_at", "event_at", "from_at", "to_at")


@subject_command.command("export")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="A new file: .json, or .zip with a CSV for each table.",
)
@click.option("--request", "number", metavar="ID", help="Number of their request in the register.")
@click.pass_obj
def export(context: Context, name: str, out: Path, number: str | None) -> None:
    """Everything held on one person, without secrets and without look-ups by officers.

    With [lookup] second_person it takes their request that another officer approved in the portal.
    """
    if out.suffix not in (".json", ".zip"):
        raise UsageError("name a file that ends in .json or .zip")
    require_new(out)
    office = context.office
    with office.database.read() as session:
        whose = people.get(session, name).id
    need_request(context, Register.SUBJECT, number, whose)
    with office.database.write() as session:
        account = people.get(session, name)
        held = subjects.collect(session, office, account, context.actor)
        until = subjects.kept_until_of(session, office, account)
    held |= _archived(context, account)
    tree = subject_files.make_tree(
        account.username,
        office.clock(),
        until,
        held,
        "Traffic records (flows) are kept by address, not by name: those of an address above"
        " are listed by `yuenyan flows`. No content of communication is kept.",
        context.config.site.timezone,
    )
    octets = subject_files.as_json(tree) if out.suffix == ".json" else subject_files.as_zip(tree)
    write_new(out, octets)
    rows = sum(len(rows) for rows in held.values())
    click.echo(f"{counted(rows, 'row is', 'rows are')} written to {out}")


@subject_command.command("until")
@click.argument("name")
@click.pass_obj
def until(context: Context, name: str) -> None:
    """Until when somebody's identity must be kept: the reason for not erasing it now."""
    office = context.office
    with office.database.read() as session:
        account = people.get(session, name)
        moment = subjects.kept_until_of(session, office, account)
    if moment is None:
        click.echo(
            "The account has not ended; its identity is kept under Computer Crime Act s.26 until 90"
            " days after it does.\n"
            "บัญชียังไม่สิ้นสุด ต้องเก็บข้อมูลระบุตัวตนตาม พ.ร.บ. คอมพิวเตอร์ฯ มาตรา 26"
            " จนครบ 90 วันหลังบัญชีสิ้นสุด"
        )
        return
    text = to_rfc3339(moment.replace(microsecond=0), context.config.site.timezone)
    day = format_date(moment, "th", context.config.site.timezone)
    click.echo(
        f"Kept under Computer Crime Act s.26 until {text}.\n"
        f"ต้องเก็บไว้ตาม พ.ร.บ. คอมพิวเตอร์ฯ มาตรา 26 จนถึงวันที่ {day}"
    )


def _archived(context: Context, account: Account) -> dict[str, list[dict[str, Any]]]:
    """What the archive holds on the account beside the database."""
    archive = TableArchive(context.config.data_dir / "archive", "reader")
    zone = context.config.site.timezone
    found = {}
    for kind in (SESSION, ACCESS):
        rows = archive.read(kind, "account_id = ?", [account.id], limit=_ROWS)
        found[f"archived_{kind.name}"] = [
            {
                "record": row.record,
                **{name: _archive_value(name, value, zone) for name, value in row.values.items()},
            }
            for row in rows
        ]
    return found


def _archive_value(name: str, value: Any, zone: str) -> Any:
    if name in _TIMES and value is not None:
        return to_rfc3339(from_milliseconds(int(value)), zone)
    return value.hex() if isinstance(value, bytes) else value
