"""`yuenyan user slips`: new first passwords for a whole class, on paper."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click
from sqlalchemy.orm import Session

from captive_portal.slips.passwords import password_slips_html, password_slips_pdf
from common.counting import counted
from common.errors import UsageError
from common.printable import printable
from db.models import Account
from identity.services import class_passwords, importing
from yuenyan.commands.options import require_new, write_new
from yuenyan.context import Context

_WHY = {
    "directory": "the password is kept in a directory",
    "officer": "an officer's password is changed alone: yuenyan user password",
    "device": "a device has no password",
}


@click.command("slips")
@click.option("--org", metavar="CODE", help="The school; with no --class all its classes.")
@click.option("--class", "classes", multiple=True, metavar="TEXT", help="May be repeated.")
@click.option(
    "--file",
    "roster",
    type=click.File("rb"),
    help="A roster (CSV) whose column username says whose.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help=".pdf or .html")
@click.option("--language", type=click.Choice(["th", "en", "both"]), default="th")
@click.option("--dry-run", is_flag=True, help="Say whose passwords would be replaced.")
@click.pass_obj
def user_slips(
    context: Context,
    org: str | None,
    classes: tuple[str, ...],
    roster: BinaryIO | None,
    out: Path | None,
    language: str,
    dry_run: bool,
) -> None:
    """Give everybody of a class a new first password, and print a slip for each on A4.

    The slips are grouped by class, 16 a page. They are the only place where the passwords stand:
    what is lost is made anew. Each pupil chooses another one at the first sign-in on the portal.
    Officers, accounts of a directory and accounts that are not active keep theirs and are named.
    """
    if roster is not None and (org or classes):
        raise UsageError("give either --file, or --org and --class")
    if roster is None and not org and not classes:
        raise UsageError("say whose: --org CODE, --class TEXT or --file FILE")
    if out is None and not dry_run:
        raise UsageError("say where the slips go: --out FILE.pdf or FILE.html")
    if out is not None:
        if out.suffix.lower() not in (".pdf", ".html"):
            raise UsageError(f"{out}: name a file that ends in .pdf or .html")
        require_new(out)
    names = _names(context, roster) if roster is not None else None
    office = context.office
    with office.database.read() as session:
        accounts = _accounts(session, names, org, classes)
        planned = class_passwords.plan(session, office, accounts)
    portal, wifi = context.config.portal.public_url, context.config.vouchers.wifi_ssid
    if not portal:
        click.echo(
            "warning: the slips do not say where to sign in, because [portal] public_url is not"
            " set in the configuration",
            err=True,
        )
    for one in planned.left:
        why = _WHY.get(one.reason, f"the account is {one.reason}")
        click.echo(f"left as it is: {one.username}: {why}", err=True)
    if dry_run or out is None:
        for slip in planned.slips:
            told = (slip.class_name or "-", slip.username, slip.full_name)
            click.echo("\t".join(map(printable, told)))
        click.echo(
            f"nothing was changed; new passwords would be made: {len(planned.slips)}", err=True
        )
        return
    make = password_slips_pdf if out.suffix.lower() == ".pdf" else None
    terms = (planned.slips, context.config.site.name, portal, language, wifi)
    octets = make(*terms) if make is not None else password_slips_html(*terms).encode()
    # On paper first: a password that is set and stands nowhere would help nobody.
    write_new(out, octets)
    try:
        with office.database.write() as session:
            class_passwords.carry_out(session, office, planned, context.actor)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    click.echo(f"{out}: {counted(len(planned.slips), 'slip')}; print it, then delete the file")


def _names(context: Context, roster: BinaryIO) -> dict[str, int]:
    octets = roster.read(importing.MAXIMUM_OCTETS + 1)
    if not importing.has_usernames(octets):
        raise UsageError("the file has no column username; nothing was changed")
    read = importing.read(octets, context.config.site.timezone)
    if read.bad:
        first = read.bad[0]
        raise UsageError(f"row {first.row}: {first.reason}; mend the file, nothing was changed")
    return {entry.username: entry.row for entry in read.entries}


def _accounts(
    session: Session, names: dict[str, int] | None, org: str | None, classes: tuple[str, ...]
) -> list[Account]:
    if names is not None:
        return list(class_passwords.of_names(session, names))
    return list(class_passwords.of_classes(session, org, classes))
