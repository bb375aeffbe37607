"""`yuenyan voucher`: issue sheets of codes, see how they stand, print, extend, revoke."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select

from common.clock import to_rfc3339, utc_now
from common.counting import counted
from common.errors import Refused, UsageError
from common.thai_time import read_bound
from db.models import Account, Voucher, VoucherBatch
from identity.domain.levels import Level
from identity.domain.vouchers import Terms, Validity, VoucherState
from identity.services import audit, officers, voucher_changes, voucher_lists, vouchers
from identity.services.voucher_changes import Extension
from yuenyan.commands.options import NUMBER, refuse_together, require_new, write_new
from yuenyan.commands.tables import moment, print_fields, print_json, print_table, short_moment
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_STATES = tuple(state.value for state in VoucherState)


@click.group("voucher")
def voucher_command() -> None:
    """Vouchers: a code on a slip of paper that lets a guest in."""


@voucher_command.command("create")
@click.option("--count", type=int, required=True, metavar="N")
@click.option("--role", default="guest", show_default=True)
@click.option("--minutes", type=int, default=480, show_default=True, help="Of what --valid says.")
@click.option("--devices", type=int, default=1, show_default=True, help="For each code.")
@click.option("--name", default="", metavar="TEXT", help="What the sheet is for.")
@click.option("--issuer", metavar="NAME", help="Who answers for the guests; else the first admin.")
@click.option("--receiver", default="", metavar="TEXT", help="Who is handed the sheet.")
@click.option("--note", default="", metavar="TEXT")
@click.option(
    "--valid",
    type=click.Choice([validity.value for validity in Validity]),
    default=Validity.FROM_FIRST_USE.value,
    show_default=True,
    help="What the minutes count.",
)
@click.option("--from", "begin", metavar="TIME", help="Not before this.")
@click.option("--until", metavar="TIME", help="Never after this.")
@click.option("--uses", type=int, metavar="N", help="Sign-ins with one code.")
@click.option("--quota-mb", type=int, metavar="N", help="Data of one code, both directions.")
@click.option("--down-kbps", type=int, metavar="N")
@click.option("--up-kbps", type=int, metavar="N")
@click.option("--idle-seconds", type=int, metavar="N")
@click.option("--hours", metavar="TEXT", help="Such as 'mon-fri 08:00-16:30'.")
@click.option("--nas", default="", metavar="NAME", help="Only behind this network device.")
@click.option("--org", default="", metavar="CODE", help="Only in this organisation.")
@click.option("--ssid", default="", metavar="NAME", help="Only on this Wi-Fi.")
@click.option("--prefix", default="", metavar="TEXT", help="1 to 4 symbols before each code.")
@click.option("--length", type=click.Choice(["8", "10", "12"]), default="10", show_default=True)
@click.option("--digits", is_flag=True, help="Codes of digits alone, 10 or 12.")
@click.option("--language", type=click.Choice(["th", "en", "both"]), default="th")
@_JSON
@click.pass_obj
def voucher_create(
    context: Context,
    /,
    *,
    issuer: str | None,
    valid: str,
    begin: str | None,
    until: str | None,
    org: str,
    length: str,
    digits: bool,
    as_json: bool,
    **terms: Any,
) -> None:
    """Issue a sheet of codes and print them."""
    office = context.office
    zone = context.config.site.timezone
    wanted = Terms(
        validity=Validity(valid),
        not_before=_time(begin, zone),
        hard_expiry=_time(until, zone, end=True),
        organisation=org,
        code_length=int(length),
        digits_only=digits,
        **terms,
    )
    with office.database.write() as session:
        responsible = issuer or session.scalar(
            select(Account.username)
            .where(officers.has_level(Level.ADMIN), Account.state == "active")
            .order_by(Account.id)
            .limit(1)
        )
        if responsible is None:
            raise Refused("somebody must answer for the guests; give --issuer NAME")
        batch, codes = vouchers.issue(session, office, wanted, responsible)
    if as_json:
        print_json(
            {
                "batch": batch.id,
                "name": batch.name,
                "role": wanted.role,
                "issuer": responsible,
                "validity": batch.validity,
                "minutes": batch.minutes,
                "devices": batch.devices,
                "hard_expiry": to_rfc3339(batch.hard_expiry, zone),
                "codes": list(codes),
            }
        )
        return
    for code in codes:
        click.echo(code)
    # Beside the codes: scripts read those.
    click.echo(f"sheet {batch.id}: yuenyan voucher print {batch.id} --out slips.pdf", err=True)
    if not context.config.portal.public_url:
        from captive_portal.slips.sheets import NO_ADDRESS  # not at the top: only paper needs it

        click.echo(f"warning: {NO_ADDRESS}", err=True)


def _time(text: str | None, zone: str, *, end: bool = False) -> datetime | None:
    return None if text is None else read_bound(text, zone, now=utc_now(), end=end)


@voucher_command.command("list")
@click.option("--state", type=click.Choice(_STATES), help="Sheets with a code in this state.")
@click.option("--issuer", default="", metavar="NAME")
@_JSON
@click.pass_obj
def voucher_list(context: Context, state: str | None, issuer: str, as_json: bool) -> None:
    """Every sheet and how many of its codes are used; no codes."""
    zone, now = context.config.site.timezone, context.office.clock()
    wanted = voucher_lists.Wanted(state=state or "", issuer=issuer)
    with context.database.read() as session:
        rows = list(reversed(session.execute(voucher_lists.sheets(wanted, now)).all()))
        uses = voucher_lists.uses_of(session, [batch.id for batch, _ in rows], now)
    if as_json:
        print_json(
            [
                {
                    **_facts(batch, issued_by, zone),
                    **{name: getattr(uses[batch.id], name) for name in _STATES},
                }
                for batch, issued_by in rows
            ]
        )
        return
    print_table(
        ("batch", "name", "role", "issuer", "receiver", "minutes", "devices", *_STATES, "made"),
        (
            (
                batch.id,
                batch.name,
                batch.role.name,
                issued_by.username,
                batch.receiver,
                batch.minutes,
                batch.devices,
                *(getattr(uses[batch.id], name) for name in _STATES),
                short_moment(batch.created_at, zone),
            )
            for batch, issued_by in rows
        ),
    )


def _facts(batch: VoucherBatch, issuer: Account, zone: str) -> dict[str, object]:
    return {
        "batch": batch.id,
        "name": batch.name,
        "role": batch.role.name,
        "issuer": issuer.username,
        "receiver": batch.receiver,
        "note": batch.note,
        "validity": batch.validity,
        "minutes": batch.minutes,
        "devices": batch.devices,
        "uses": batch.uses,
        "quota_mb": batch.quota_mb,
        "down_kbps": batch.down_kbps,
        "up_kbps": batch.up_kbps,
        "idle_seconds": batch.idle_seconds,
        "hours": batch.hours,
        "ssid": batch.ssid,
        "not_before": moment(batch.not_before, zone),
        "created_at": moment(batch.created_at, zone),
        "hard_expiry": moment(batch.hard_expiry, zone),
    }


@voucher_command.command("show")
@click.argument("batch", type=NUMBER)
@_JSON
@click.pass_obj
def voucher_show(context: Context, batch: int, as_json: bool) -> None:
    """The terms of one sheet and its vouchers by number; no codes."""
    zone, now = context.config.site.timezone, context.office.clock()
    with context.database.read() as session:
        sheet = voucher_changes.get_batch(session, batch)
        issuer = session.get_one(Account, sheet.issuer_id)
        rows = session.execute(voucher_lists.codes(batch, "", now)).all()
    facts = _facts(sheet, issuer, zone)
    listed = [
        {
            "voucher": row.id,
            "state": state,
            "exhausted_by": row.exhausted_by,
            "first_used_at": moment(row.first_used_at, zone),
            "expires_at": moment(row.expires_at, zone),
            "uses": row.use_count,
            "extra_minutes": row.extra_minutes,
            "extra_mb": row.extra_mb,
            "hard_expiry": moment(row.hard_expiry or sheet.hard_expiry, zone),
        }
        for row, state in rows
    ]
    if as_json:
        print_json({**facts, "vouchers": listed})
        return
    print_fields(facts)
    print_table(
        ("voucher", "state", "first used", "ends", "sign-ins", "extended"),
        (
            (
                f"#{row.id}",
                state,
                short_moment(row.first_used_at, zone),
                short_moment(row.expires_at, zone),
                row.use_count,
                _extended(row, zone),
            )
            for row, state in rows
        ),
    )


def _extended(row: Voucher, zone: str) -> str | None:
    """What extensions have added to the terms of the sheet."""
    said = [
        f"+{row.extra_minutes} min" if row.extra_minutes else "",
        f"+{row.extra_mb} MB" if row.extra_mb else "",
        f"until {short_moment(row.hard_expiry, zone)}" if row.hard_expiry else "",
    ]
    return ", ".join(one for one in said if one) or None


@voucher_command.command("revoke")
@click.argument("batch", type=NUMBER, required=False)
@click.option("--code", metavar="CODE", help="Only this code, or #NUMBER of `voucher show`.")
@click.pass_obj
def voucher_revoke(context: Context, batch: int | None, code: str | None) -> None:
    """Revoke every code of a sheet, or one, and suspend the guests that came in by it."""
    refuse_together(("the number of a sheet", batch), ("--code", code))
    office = context.office
    with office.database.write() as session:
        if code is not None:
            row = voucher_changes.get_voucher(session, office, code)
            changed = voucher_changes.revoke(
                session, office, [row], context.actor, f"voucher {row.id}"
            )
        else:
            number = _needed(batch)
            voucher_changes.get_batch(session, number)
            changed = voucher_changes.revoke_batch(session, office, number, context.actor)
    click.echo(f"revoked {counted(changed, 'code')}")


@voucher_command.command("extend")
@click.argument("batch", type=NUMBER, required=False)
@click.option("--code", metavar="CODE", help="Only this code, or #NUMBER of `voucher show`.")
@click.option("--minutes", type=int, default=0, metavar="N")
@click.option("--megabytes", type=int, default=0, metavar="N")
@click.option("--until", metavar="TIME", help="The new end.")
@click.pass_obj
def voucher_extend(
    context: Context,
    batch: int | None,
    code: str | None,
    minutes: int,
    megabytes: int,
    until: str | None,
) -> None:
    """Give a sheet, or one code, more time or data; guests who have run out come in again."""
    refuse_together(("the number of a sheet", batch), ("--code", code))
    office = context.office
    extension = Extension(
        minutes=minutes,
        megabytes=megabytes,
        until=_time(until, context.config.site.timezone, end=True),
    )
    with office.database.write() as session:
        if code is not None:
            row = voucher_changes.get_voucher(session, office, code)
            changed = voucher_changes.extend(
                session, office, [row], extension, context.actor, f"voucher {row.id}"
            )
        else:
            changed = voucher_changes.extend_batch(
                session, office, _needed(batch), extension, context.actor
            )
    click.echo(f"extended {counted(changed, 'code')}")


@voucher_command.command("release")
@click.argument("code")
@click.argument("mac")
@click.pass_obj
def voucher_release(context: Context, code: str, mac: str) -> None:
    """Take a device off a code (or #NUMBER), so that another may use it."""
    from common.net import parse_mac

    office = context.office
    with office.database.write() as session:
        row = voucher_changes.get_voucher(session, office, code)
        voucher_changes.release_device(session, office, row, parse_mac(mac), context.actor)
    click.echo("released")


@voucher_command.command("delete-expired")
@click.option("--batch", type=NUMBER, metavar="N", help="Only of this sheet.")
@click.pass_obj
def voucher_delete_expired(context: Context, batch: int | None) -> None:
    """Delete codes that are over and stand for nobody whom retention still keeps."""
    with context.database.write() as session:
        gone = voucher_changes.delete_expired(session, context.office, context.actor, batch)
    click.echo(f"deleted {counted(gone, 'code')}")


@voucher_command.command("print")
@click.argument("batches", type=NUMBER, nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE.pdf")
@click.option(
    "--layout",
    type=click.Choice(["24", "10", "58", "80"]),
    default="24",
    show_default=True,
    help="Cards on an A4 page, or millimetres of a roll.",
)
@click.pass_obj
def voucher_print(context: Context, batches: tuple[int, ...], out: Path, layout: str) -> None:
    """Write the unused codes of one or more sheets to a PDF, cards with QR codes."""
    # Not at the top: WeasyPrint takes a second to load.
    from captive_portal.slips.layouts import LAYOUTS
    from captive_portal.slips.pdf import slips_pdf
    from captive_portal.slips.sheets import parts_of, portal_address
    from captive_portal.slips.wording import Sheet

    require_new(out)
    office, portal = context.office, portal_address(context.config)
    parts: list[tuple[Sheet, list[str]]] = []
    with office.database.write() as session:
        for number in batches:
            sheet = voucher_changes.get_batch(session, number)
            rows = vouchers.codes_of(session, office, number, only_unused=True)
            parts += parts_of(context.config, sheet, portal, rows)
            audit.record(
                session,
                office.clock(),
                context.actor,
                "voucher:printed",
                f"batch {number}",
                count=len(rows),
            )
    count = sum(len(codes) for _, codes in parts)
    if not count:
        raise Refused("no unused code is left on these sheets")
    write_new(out, slips_pdf(parts, LAYOUTS[layout]))
    click.echo(f"{out}: {counted(count, 'code')}")


@voucher_command.command("export")
@click.argument("batch", type=NUMBER)
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE.csv")
@click.pass_obj
def voucher_export(context: Context, batch: int, out: Path) -> None:
    """Write every code of a sheet, and how it stands, to a CSV file."""
    require_new(out)
    office, zone = context.office, context.config.site.timezone
    with office.database.write() as session:
        voucher_changes.get_batch(session, batch)
        rows = vouchers.codes_of(session, office, batch)
        audit.record(
            session,
            office.clock(),
            context.actor,
            "voucher:exported",
            f"batch {batch}",
            count=len(rows),
        )
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("voucher", "code", "state", "first_used_at", "expires_at"))
    for row in rows:
        writer.writerow(
            (
                row.voucher_id,
                row.code,
                row.state,
                moment(row.first_used_at, zone) or "",
                moment(row.expires_at, zone) or "",
            )
        )
    write_new(out, text.getvalue().encode("utf-8-sig"))
    click.echo(f"{out}: {counted(len(rows), 'code')}")


def _needed(batch: int | None) -> int:
    if batch is None:
        raise UsageError("give the number of a sheet, or --code CODE")
    return batch
