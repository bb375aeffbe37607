"""`yuenyan nas|session`: network equipment, and who is and was connected."""

from __future__ import annotations

import click

from captive_portal.vendors.settings import check_login_url
from common.errors import UsageError
from db.models.network import RADSEC_PREFIX
from identity.domain.shared_secret import SHORT_OCTETS, Strength, assess
from identity.domain.vendors import VENDORS
from identity.services import nas, nas_hygiene, sessions
from yuenyan.commands.console import note_reading
from yuenyan.commands.dynamic import (
    nas_set,
    session_change,
    session_disconnect,
    session_requests,
)
from yuenyan.commands.nas_gateways import hint_at_hand_over, nas_portal, nas_snippet
from yuenyan.commands.nas_table import nas_facts, print_nas
from yuenyan.commands.options import secret_from_stdin
from yuenyan.commands.tables import moment, print_json, print_table, short_moment
from yuenyan.commands.unlocking import refuse_past_names
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_DOUBTS = {
    Strength.KNOWN: "the secret stands in manuals; guessers begin with it",
    Strength.SHORT: f"the secret has fewer than {SHORT_OCTETS} octets; it can be searched for",
}


@click.group("nas")
def nas_command() -> None:
    """Access points, controllers, switches and gateways that speak RADIUS."""


@nas_command.command("add")
@click.argument("name")
@click.argument("prefix")
@click.option("--secret-stdin", is_flag=True, help="Read the shared secret, one line.")
@click.option(
    "--vendor",
    default="generic",
    show_default=True,
    metavar="PROFILE",
    help=f"Its make: {', '.join(VENDORS)}.",
)
@click.option("--org", metavar="CODE", help="The school it stands in.")
@click.option("--login-url", metavar="URL", help="Where browsers post the one-time token.")
@click.option("--radsec", metavar="IDENTITY", help="It also comes over TLS, with this certificate.")
@click.option("--coa-port", type=int, metavar="N", help="For Disconnect; else as its make does.")
@click.option("--coa-address", metavar="IP", help="Else where its accounting comes from.")
@click.option(
    "--allow-missing-message-authenticator",
    is_flag=True,
    help="For equipment that cannot send it; its answers can be forged (CVE-2024-3596).",
)
@click.pass_obj
def nas_add(
    context: Context,
    name: str,
    prefix: str,
    secret_stdin: bool,
    vendor: str,
    org: str | None,
    login_url: str | None,
    radsec: str | None,
    coa_port: int | None,
    coa_address: str | None,
    allow_missing_message_authenticator: bool,
) -> None:
    """Register equipment by the addresses it sends from: 10.1.0.7/32, or 10.1.0.0/24.

    Equipment on changing addresses comes over TLS and is registered by the name in its
    certificate: radsec:ap.school-1.example. It needs no shared secret.
    """
    office = context.office
    by_name = prefix.startswith(RADSEC_PREFIX)
    secret = "" if by_name and not secret_stdin else _secret(secret_stdin)
    with office.database.write() as session:
        added = nas.add_nas(
            session,
            office,
            name,
            prefix,
            secret,
            context.actor,
            vendor=vendor,
            organisation=org,
            require_message_authenticator=not allow_missing_message_authenticator,
            login_url=check_login_url(login_url or "") or None,
            coa_port=coa_port,
            coa_address=coa_address,
            radsec_identity=radsec,
        )
    click.echo(f"added {added.name} {added.prefix}")
    hint_at_hand_over(office, added)


@nas_command.command("list")
@click.option("--unknown", is_flag=True, help="Addresses that sent RADIUS unregistered.")
@_JSON
@click.pass_obj
def nas_list(context: Context, unknown: bool, as_json: bool) -> None:
    """Registered equipment; never a secret."""
    if unknown:
        _list_unknown(context, as_json)
        return
    zone = context.config.site.timezone
    office = context.office
    with office.database.read() as session:
        found = nas.list_nas(session)
        hygiene = nas_hygiene.describe(session, office, found)
    if as_json:
        rows = zip(found, hygiene, strict=True)
        print_json([nas_facts(row, known, zone) for row, known in rows])
    else:
        print_nas(found, hygiene, zone)


def _list_unknown(context: Context, as_json: bool) -> None:
    zone = context.config.site.timezone
    with context.database.read() as session:
        found = nas.list_unknown(session)
    if as_json:
        print_json(
            [
                {
                    "address": row.address,
                    "first_seen_at": moment(row.first_seen_at, zone),
                    "last_seen_at": moment(row.last_seen_at, zone),
                    "datagrams": row.datagrams,
                }
                for row in found
            ]
        )
        return
    print_table(
        ("address", "datagrams", "first seen", "last seen"),
        (
            (
                row.address,
                row.datagrams,
                short_moment(row.first_seen_at, zone),
                short_moment(row.last_seen_at, zone),
            )
            for row in found
        ),
    )


@nas_command.command("remove")
@click.argument("name")
@click.pass_obj
def nas_remove(context: Context, name: str) -> None:
    """Take equipment away; what was ever heard is kept, disabled, for the records' sake."""
    office = context.office
    with office.database.write() as session:
        gone = nas.remove_nas(session, office, name, context.actor)
    if gone:
        click.echo(f"removed {name}")
    else:
        click.echo(f"disabled {name}; it stays listed because records name it")


@nas_command.command("enable")
@click.argument("name")
@click.pass_obj
def nas_enable(context: Context, name: str) -> None:
    """Let disabled equipment speak RADIUS again."""
    office = context.office
    with office.database.write() as session:
        nas.enable_nas(session, office, name, context.actor)
    click.echo(f"enabled {name}")


@nas_command.command("radsec")
@click.argument("name")
@click.argument("identity", required=False)
@click.option("--none", "nothing", is_flag=True, help="It no longer comes over TLS.")
@click.pass_obj
def nas_radsec(context: Context, name: str, identity: str | None, nothing: bool) -> None:
    """Say which name its certificate has when it comes over TLS (RadSec)."""
    if nothing == bool(identity):
        raise UsageError("give the name in its certificate, or --none")
    office = context.office
    with office.database.write() as session:
        nas.set_radsec_identity(session, office, name, identity or None, context.actor)
    click.echo(f"changed the RadSec identity of {name}")


@nas_command.command("secret")
@click.argument("name")
@click.option("--secret-stdin", is_flag=True, help="Read the shared secret, one line.")
@click.pass_obj
def nas_secret(context: Context, name: str, secret_stdin: bool) -> None:
    """Replace the shared secret."""
    office = context.office
    secret = _secret(secret_stdin)
    with office.database.write() as session:
        nas.set_secret(session, office, name, secret, context.actor)
    click.echo(f"changed the secret of {name}")


def _secret(from_stdin: bool) -> str:
    if not from_stdin:
        raise UsageError("give the shared secret on standard input, with --secret-stdin")
    secret = secret_from_stdin("shared secret")
    doubt = _DOUBTS.get(assess(secret.encode()))
    if doubt is not None:
        click.echo(f"warning: {doubt}", err=True)
    return secret


for _command in (nas_set, nas_portal, nas_snippet):
    nas_command.add_command(_command)


@click.group("session")
def session_command() -> None:
    """Who is and was connected."""


@session_command.command("list")
@click.option("--active", is_flag=True, help="Only sessions that are open now.")
@click.option("--user", metavar="NAME", help="Only this person's or device's.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True)
@_JSON
@click.pass_obj
def session_list(
    context: Context, active: bool, user: str | None, limit: int, as_json: bool
) -> None:
    """Sessions, newest first; with [lookup] second_person only with --active."""
    if not active:
        refuse_past_names(context, user or "*")
    zone = context.config.site.timezone
    with context.database.read() as session:
        found = sessions.list_sessions(session, active=active, username=user, limit=limit)
    note_reading(context, "sessions:searched", user or "*", active=active, results=len(found))
    if as_json:
        print_json([_session_json(view, zone) for view in found])
        return
    print_table(
        ("user", "name", "station", "addresses", "nas", "from", "to", "closed", "session"),
        (
            (
                view.account or view.user_name,
                view.full_name,
                view.mac,
                " ".join(dict.fromkeys(span.address for span in view.addresses)),
                view.nas,
                short_moment(view.started_at, zone),
                short_moment(view.until, zone),
                view.close_cause,
                view.session_key,
            )
            for view in found
        ),
    )


for _command in (session_disconnect, session_change, session_requests):
    session_command.add_command(_command)


def _session_json(view: sessions.SessionView, zone: str) -> dict[str, object]:
    return {
        "session_id": view.session_key,
        "account": view.account,
        "full_name": view.full_name,
        "user_name": view.user_name,
        "mac": view.mac,
        "nas": view.nas,
        "called_station_id": view.called_station_id,
        "addresses": [
            {
                "address": span.address,
                "source": span.source,
                "from": moment(span.from_at, zone),
                "to": moment(span.to_at, zone),
            }
            for span in view.addresses
        ],
        "from": moment(view.started_at, zone),
        "to": moment(view.until, zone),
        "active": view.until is None,
        "last_heard_at": moment(view.last_heard_at, zone),
        "session_seconds": view.session_seconds,
        "input_octets": view.input_octets,
        "output_octets": view.output_octets,
        "terminate_cause": view.terminate_cause,
        "close_cause": view.close_cause,
        "known_by": view.known_by,
    }
