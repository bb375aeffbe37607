"""`yuenyan user|device`: people and the devices they answer for.

Passwords come on standard input only: an argument would be seen by everyone on the machine.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

import click
from sqlalchemy import select

from common.counting import counted
from common.errors import Refused, UsageError
from common.net import find_mac, format_mac
from common.printable import printable
from db.models import Account
from identity.domain.levels import Level, in_order
from identity.domain.recoverable import Recoverable
from identity.office import Office
from identity.services import devices, importing, officers, people, registrations, roles
from identity.services import recoverable as kept_secrets
from yuenyan.commands.approvers import user_approver
from yuenyan.commands.class_slips import user_slips
from yuenyan.commands.console import note_reading
from yuenyan.commands.options import secret_from_stdin
from yuenyan.commands.tables import moment, print_fields, print_json, print_table, short_moment
from yuenyan.context import Context

_SHOWN_BAD_ROWS = 50
"""The operator mends the file and tries again; more lines than this are not read."""

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("user")
def user_command() -> None:
    """Accounts of people."""


user_command.add_command(user_approver)
user_command.add_command(user_slips)


@user_command.command("add")
@click.argument("name")
@click.option("--role", default=importing.DEFAULT_ROLE, show_default=True)
@click.option("--org", metavar="CODE", help="The school or office they belong to.")
@click.option("--full-name", default="", metavar="TEXT")
@click.option("--person-code", metavar="TEXT", help="Pupil or staff number.")
@click.option("--class-name", metavar="TEXT")
@click.option("--expires-at", metavar="TIME", help="A date alone counts to its end.")
@click.option(
    "--admin-level",
    "levels",
    multiple=True,
    type=click.Choice([level.value for level in Level]),
    help="What they are among the staff; may be repeated. See: yuenyan officer grant --help.",
)
@click.option("--password-stdin", is_flag=True, help="Read the password, one line.")
@click.option("--must-change", is_flag=True, help="They choose their own on the portal first.")
@click.option(
    "--recoverable",
    type=click.Choice(["nt-hash", "password"]),
    help="Keep what MS-CHAP (nt-hash), or CHAP as well (password), cannot do without.",
)
@click.pass_obj
def user_add(
    context: Context,
    name: str,
    role: str,
    org: str | None,
    full_name: str,
    person_code: str | None,
    class_name: str | None,
    expires_at: str | None,
    levels: tuple[str, ...],
    password_stdin: bool,
    must_change: bool,
    recoverable: str | None,
) -> None:
    """Make an account for a person."""
    keep = _chosen(recoverable)
    _need(password_stdin, "--password-stdin")
    office = context.office
    zone = context.config.site.timezone
    password = _password(office, bool(levels))
    new = people.NewUser(
        username=name,
        password_hash=office.passwords.hash(password),
        password=password,
        recoverable=keep,
        full_name=full_name,
        role=role,
        organisation=org,
        person_code=person_code,
        class_name=class_name,
        expires_at=importing.parse_expiry(expires_at, zone) if expires_at else None,
        levels=in_order(levels),
        must_change=must_change,
    )
    with office.database.write() as session:
        account = people.add_user(session, office, new, context.actor)
    click.echo(f"added {account.username}")


@user_command.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--dry-run", is_flag=True, help="Check every row, change nothing.")
@click.option("--update", is_flag=True, help="Change accounts that exist; empty cells stay.")
@click.option("--recoverable", type=click.Choice(["nt-hash", "password"]), help="As for add.")
@_JSON
@click.pass_obj
def user_import(
    context: Context,
    file: BinaryIO,
    dry_run: bool,
    update: bool,
    recoverable: str | None,
    as_json: bool,
) -> None:
    """Make accounts from a CSV file: the good rows are imported, the bad ones are listed.

    Columns: username, password, full_name, role, org, person_code, class_name, expires_at,
    contact, birth_date. Other columns are dropped. Without the column password people choose
    theirs when they register from the roster (yuenyan role registration); of a birth date only a
    keyed hash is kept. UTF-8, UTF-16 and Windows-874 (TIS-620) are recognised. Their owners
    change the passwords at their first sign-in on the portal. Exit code 1 when any row was bad.
    """
    keep = _chosen(recoverable)
    office = context.office
    roster = importing.read(file.read(importing.MAXIMUM_OCTETS + 1), context.config.site.timezone)
    with office.database.read() as session:
        roster = importing.check(session, office, roster, update)
    minimum = context.config.passwords.minimum_length
    short = sum(0 < len(entry.password) < minimum for entry in roster.entries)
    if short:
        _warn(f"{counted(short, 'password has', 'passwords have')} fewer than {minimum} characters")
    unset = sum(not entry.exists for entry in roster.entries) if not roster.has_passwords else 0
    if unset:
        wait = counted(unset, "new account waits", "new accounts wait")
        _warn(f"no column 'password': {wait} for the roster's registration")
    for column, cells in roster.dropped.items():
        _warn(f"column {column!r} is not kept ({counted(cells, 'filled cell')} dropped)")
    if dry_run:
        report = importing.Report(added=0, updated=0, bad=roster.bad)
    else:
        progress = _progress(len(roster.entries))
        report = importing.apply(office, roster, context.actor, progress, keep)
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "encoding": roster.encoding,
                "good": len(roster.entries),
                "added": report.added,
                "updated": report.updated,
                "short_passwords": short,
                "dropped_columns": roster.dropped,
                "bad": [
                    {"row": bad.row, "username": bad.username, "reason": bad.reason}
                    for bad in report.bad
                ],
            }
        )
    else:
        for bad in report.bad[:_SHOWN_BAD_ROWS]:
            row = f"row {bad.row}: {bad.username or '-'}: {bad.reason}"
            click.echo(printable(row), err=True)
        if len(report.bad) > _SHOWN_BAD_ROWS:
            click.echo(f"and {len(report.bad) - _SHOWN_BAD_ROWS} more bad rows", err=True)
        if dry_run:
            click.echo(f"would import {len(roster.entries)}; bad {len(report.bad)}")
        else:
            click.echo(f"added {report.added}, updated {report.updated}, bad {len(report.bad)}")
    if report.bad:
        raise click.exceptions.Exit(1)


@user_command.command("list")
@click.option("--org", metavar="CODE")
@click.option("--role", metavar="ROLE")
@click.option("--state", type=click.Choice(["active", "suspended", "expired"]))
@_JSON
@click.pass_obj
def user_list(
    context: Context, org: str | None, role: str | None, state: str | None, as_json: bool
) -> None:
    """Every account of a person or guest, by name."""
    zone = context.config.site.timezone
    query = select(Account).where(Account.kind != "device").order_by(Account.username)
    with context.database.read() as session:
        if org is not None:
            wanted = roles.get_organisation(session, org)
            query = query.where(Account.organisation_id == wanted.id)
        if role is not None:
            query = query.where(Account.role_id == roles.get(session, role).id)
        if state is not None:
            query = query.where(Account.state == state)
        found = session.scalars(query).all()
        held = {
            account.id: " ".join(row.level for row in rows)
            for account, rows in officers.list_officers(session)
        }
    note_reading(context, "people:searched", org or "*", role=role, state=state, results=len(found))
    if as_json:
        print_json(
            [
                {
                    "username": account.username,
                    "full_name": account.full_name,
                    "kind": account.kind,
                    "state": account.state,
                    "role": account.role.name,
                    "org": account.organisation.code if account.organisation else None,
                    "admin_level": held.get(account.id),
                    "expires_at": moment(account.expires_at, zone),
                }
                for account in found
            ]
        )
        return
    print_table(
        ("user", "name", "kind", "state", "role", "org", "admin", "expires"),
        (
            (
                account.username,
                account.full_name,
                account.kind,
                account.state,
                account.role.name,
                account.organisation.code if account.organisation else None,
                held.get(account.id),
                short_moment(account.expires_at, zone),
            )
            for account in found
        ),
    )


@user_command.command("show")
@click.argument("name")
@_JSON
@click.pass_obj
def user_show(context: Context, name: str, as_json: bool) -> None:
    """Everything stored of one account but its secrets."""
    with context.database.read() as session:
        described = people.describe(session, people.get(session, find_mac(name) or name))
    note_reading(context, "person:read", str(described["username"]))
    if as_json:
        print_json(described)
        return
    proofing = described.pop("proofing")
    if isinstance(proofing, dict):
        described["proven"] = f"{proofing['method']} by {proofing['by']}, {proofing['at']}"
    kept = described["recoverable"]
    if isinstance(kept, dict):
        wanted = "" if kept["kept"] == kept["wanted"] else f" (wanted: {kept['wanted']})"
        described["recoverable"] = f"{kept['kept']}{wanted}"
    print_fields(described)


@user_command.command("disable")
@click.argument("name")
@click.pass_obj
def user_disable(context: Context, name: str) -> None:
    """Suspend an account; RADIUS and portal follow within a second."""
    _set_state(context, name, "suspended")
    click.echo(f"disabled {name}")


@user_command.command("enable")
@click.argument("name")
@click.pass_obj
def user_enable(context: Context, name: str) -> None:
    """Let a suspended account log in again."""
    _set_state(context, name, "active")
    click.echo(f"enabled {name}")


def _set_state(context: Context, name: str, state: str) -> None:
    office = context.office
    with office.database.write() as session:
        account = people.set_state(session, office, find_mac(name) or name, state, context.actor)
        registrations.follow_account(session, account)


@user_command.command("contact")
@click.argument("name")
@click.argument("contact")
@click.pass_obj
def user_contact(context: Context, name: str, contact: str) -> None:
    """Note a mailbox or telephone number, such as where letters to a host go; '' for none."""
    office = context.office
    with office.database.write() as session:
        people.set_contact(session, office, name, contact, context.actor)
    click.echo(f"changed the contact of {name}")


@user_command.command("password")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password, one line.")
@click.option("--must-change", is_flag=True, help="They choose their own on the portal first.")
@click.option("--recoverable", type=click.Choice(["nt-hash", "password"]), help="As for add.")
@click.pass_obj
def user_password(
    context: Context, name: str, password_stdin: bool, must_change: bool, recoverable: str | None
) -> None:
    """Replace the password of an account."""
    keep = _chosen(recoverable)
    _need(password_stdin, "--password-stdin")
    office = context.office
    with office.database.read() as session:
        account = people.get(session, name)
        is_officer = bool(officers.levels_of(session, account.id))
    if account.kind == "device":
        raise Refused(f"{name} is a device, which has no password")
    password = _password(office, is_officer)
    hashed = office.passwords.hash(password)
    with office.database.write() as session:
        if keep is not None:
            kept_secrets.choose(session, office, people.get(session, name), keep, context.actor)
        people.set_password(
            session,
            office,
            name,
            hashed,
            context.actor,
            password=password,
            must_change=must_change,
        )
    click.echo(f"changed the password of {account.username}")


@user_command.command("recoverable")
@click.argument("name")
@click.argument("kind", type=click.Choice(["role", "none", "nt-hash", "password"]))
@click.pass_obj
def user_recoverable(context: Context, name: str, kind: str) -> None:
    """Keep the NT hash or the password of an account, or nothing, or what its role says.

    CHAP, MS-CHAP, EAP-MD5 and EAP-pwd need it; docs/methods.md tells which needs what. Less
    is removed at once. More is kept with the next login that tells the password (PAP, GTC,
    the portal) or the next change of it.
    """
    keep = _chosen(None if kind == "role" else kind)
    office = context.office
    with office.database.write() as session:
        account = people.get(session, name)
        kept_secrets.choose(session, office, account, keep, context.actor)
        described = kept_secrets.describe(session, account)
    click.echo(f"{account.username} keeps {described['kept']}, wanted {described['wanted']}")


@user_command.command("expiry")
@click.argument("name")
@click.argument("time")
@click.pass_obj
def user_expiry(context: Context, name: str, time: str) -> None:
    """Let an account end at TIME, or `never`. A date alone counts to its end."""
    office = context.office
    zone = context.config.site.timezone
    expires_at = None if time == "never" else importing.parse_expiry(time, zone)
    with office.database.write() as session:
        account = people.set_expiry(
            session, office, find_mac(name) or name, expires_at, context.actor
        )
    if account.state != "active":
        _warn(f"{account.username} is {account.state}; let it in with: yuenyan user enable")
    click.echo(f"{account.username} expires {moment(expires_at, zone) or 'never'}")


@click.group("device")
def device_command() -> None:
    """Devices known by their MAC address."""


@device_command.command("add")
@click.argument("mac")
@click.option("--role", default="device", show_default=True)
@click.option("--owner", required=True, metavar="NAME", help="The person who answers for it.")
@click.option("--expires-at", metavar="TIME")
@click.pass_obj
def device_add(context: Context, mac: str, role: str, owner: str, expires_at: str | None) -> None:
    """Let a device in by its MAC address."""
    office = context.office
    zone = context.config.site.timezone
    with office.database.write() as session:
        account = devices.add_device(
            session,
            office,
            mac,
            role,
            owner,
            context.actor,
            importing.parse_expiry(expires_at, zone) if expires_at else None,
        )
    click.echo(f"added {format_mac(account.username)}")


@device_command.command("list")
@_JSON
@click.pass_obj
def device_list(context: Context, as_json: bool) -> None:
    """Every device and who answers for it."""
    zone = context.config.site.timezone
    with context.database.read() as session:
        owners = {
            number: name for number, name in session.execute(select(Account.id, Account.username))
        }
        found = session.scalars(
            select(Account).where(Account.kind == "device").order_by(Account.username)
        ).all()
    if as_json:
        print_json(
            [
                {
                    "mac": format_mac(device.username),
                    "state": device.state,
                    "role": device.role.name,
                    "owner": owners.get(device.owner_id or 0),
                    "expires_at": moment(device.expires_at, zone),
                }
                for device in found
            ]
        )
        return
    print_table(
        ("device", "state", "role", "owner", "expires"),
        (
            (
                format_mac(device.username),
                device.state,
                device.role.name,
                owners.get(device.owner_id or 0),
                short_moment(device.expires_at, zone),
            )
            for device in found
        ),
    )


def _password(office: Office, for_admin: bool) -> str:
    """A password from standard input that can be used; short ones only off the admin portal."""
    password = secret_from_stdin("password")
    if for_admin:
        office.passwords.check_strength(password)
    office.passwords.check_usable(password)
    minimum = office.config.passwords.minimum_length
    if len(password) < minimum:
        _warn(f"the password has fewer than {minimum} characters")
    return password


def _chosen(kind: str | None) -> Recoverable | None:
    """What `--recoverable` asks for; its price is told."""
    if kind is None:
        return None
    if kind != Recoverable.NONE:
        _warn(kept_secrets.PRICE)
    return Recoverable(kind)


def _need(given: bool, option: str) -> None:
    if not given:
        raise UsageError(f"give the password on standard input, with {option}")


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)


def _progress(total: int) -> importing.Progress:
    """Shows how far a long import is, on a terminal only."""
    if not sys.stderr.isatty():
        return lambda done: None
    return lambda done: click.echo(f"\r{done}/{total}", err=True, nl=done == total)
