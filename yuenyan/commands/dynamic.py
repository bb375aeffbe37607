"""`yuenyan session disconnect|change|requests` and `yuenyan nas set`: telling a NAS what to do."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click
from sqlalchemy import select

from common.errors import NotFound, UsageError
from common.net import find_mac
from db.models import CoaRequest, NasClient
from identity.domain.dynamic import Change, Kind, State
from identity.services import dynamic, nas, outbox, people, presence
from radius_server.packet.dynamic import error_name
from yuenyan.commands.options import line_from_stdin
from yuenyan.commands.tables import moment, print_json, print_table, short_moment
from yuenyan.context import Context

WAIT_SECONDS = 5.0


@click.command("disconnect")
@click.argument("session_key", required=False)
@click.option("--user", metavar="NAME", help="Every open session of this person or device.")
@click.option("--reason", default="", metavar="TEXT", help="For the audit trail.")
@click.pass_obj
def session_disconnect(
    context: Context, session_key: str | None, user: str | None, reason: str
) -> None:
    """End a session, or all of one user's, and say what the equipment answered.

    Exit code 1 when any of them could not be ended within five seconds; it is tried further.
    """
    if (session_key is None) == (user is None):
        raise UsageError("name one session (see: yuenyan session list --active), or --user NAME")
    office = context.office
    with office.database.write() as session:
        if user is not None:
            account = people.get(session, find_mac(user) or user)
            keys = [one.session_key for one in presence.open_sessions(session, account.id)]
        else:
            keys = [session_key or ""]
        numbers = [
            dynamic.disconnect_session(session, office, key, context.actor, reason) for key in keys
        ]
    if not numbers:
        raise NotFound(f"{user} has no open session")
    _tell(context, numbers)


@click.command("change")
@click.argument("session_key")
@click.option("--session-seconds", type=click.IntRange(1, 2**32 - 1), metavar="N")
@click.option("--idle-seconds", type=click.IntRange(1, 2**32 - 1), metavar="N")
@click.option("--down-kbps", type=click.IntRange(1, 2**31 - 1), metavar="N")
@click.option("--up-kbps", type=click.IntRange(1, 2**31 - 1), metavar="N")
@click.option("--filter-id", metavar="TEXT", help="A role or access list by its name there.")
@click.option("--reauthenticate", is_flag=True, help="Let it ask again (Cisco, Meraki).")
@click.pass_obj
def session_change(
    context: Context,
    session_key: str,
    session_seconds: int | None,
    idle_seconds: int | None,
    down_kbps: int | None,
    up_kbps: int | None,
    filter_id: str | None,
    reauthenticate: bool,
) -> None:
    """Change an open session where its equipment can (CoA), and say what it answered."""
    change = Change(
        session_seconds=session_seconds,
        idle_seconds=idle_seconds,
        down_kbps=down_kbps,
        up_kbps=up_kbps,
        filter_id=filter_id,
        reauthenticate=reauthenticate,
    )
    office = context.office
    with office.database.write() as session:
        number = dynamic.request_change(session, office, session_key, change, context.actor)
    _tell(context, [number])


@click.command("requests")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def session_requests(context: Context, limit: int, as_json: bool) -> None:
    """What equipment was told lately, why, and what it answered; newest first."""
    zone = context.config.site.timezone
    with context.database.read() as session:
        names = {
            number: name for number, name in session.execute(select(NasClient.id, NasClient.name))
        }
        found = session.scalars(
            select(CoaRequest).order_by(CoaRequest.id.desc()).limit(limit)
        ).all()
    if as_json:
        print_json(
            [
                {
                    "id": row.id,
                    "created_at": moment(row.created_at, zone),
                    "kind": row.kind,
                    "session_id": row.session_key,
                    "nas": names.get(row.nas_client_id),
                    "reason": row.reason,
                    "actor": row.actor,
                    "state": row.state,
                    "error_cause": row.error_cause,
                    "error": error_name(row.error_cause) if row.error_cause else None,
                    "attempts": row.attempts,
                    "finished_at": moment(row.finished_at, zone),
                }
                for row in found
            ]
        )
        return
    print_table(
        ("asked", "kind", "session", "nas", "reason", "by", "outcome"),
        (
            (
                short_moment(row.created_at, zone),
                row.kind,
                row.session_key,
                names.get(row.nas_client_id),
                row.reason,
                row.actor,
                _outcome(row),
            )
            for row in found
        ),
    )


@click.command("set")
@click.argument("name")
@click.option("--coa-port", metavar="N", help="0: takes no requests; `profile`: as its make does.")
@click.option(
    "--coa-address",
    metavar="IP",
    help="`source`: where its accounting comes from; `radsec`: over the connection it holds.",
)
@click.option("--vendor", metavar="PROFILE", help="Its make.")
@click.option("--mab-suffix", metavar="TEXT", help="What follows a device's address; '' is none.")
@click.option(
    "--mab-password-stdin",
    is_flag=True,
    help="Read what it sends as the password of a device, one line; an empty one is none.",
)
@click.option(
    "--require-message-authenticator/--allow-missing-message-authenticator",
    "required",
    default=None,
    help="Whether every Access-Request must be signed (CVE-2024-3596).",
)
@click.pass_obj
def nas_set(
    context: Context,
    name: str,
    coa_port: str | None,
    coa_address: str | None,
    vendor: str | None,
    mab_suffix: str | None,
    mab_password_stdin: bool,
    required: bool | None,
) -> None:
    """Change how equipment must sign, its make, what it says of devices, and where it takes
    Disconnect- and CoA-Requests.

    RADIUS follows within a second, without a restart.
    """
    given = (coa_port, coa_address, vendor, mab_suffix, required)
    if not mab_password_stdin and all(value is None for value in given):
        raise UsageError(
            "say what is to change: --require-message-authenticator,"
            " --allow-missing-message-authenticator, --vendor, --mab-suffix,"
            " --mab-password-stdin, --coa-port or --coa-address"
        )
    office = context.office
    if vendor is not None:
        with office.database.write() as session:
            nas.set_vendor(session, office, name, vendor, context.actor)
    if mab_suffix is not None or mab_password_stdin:
        password = line_from_stdin("password of devices") if mab_password_stdin else None
        with office.database.write() as session:
            nas.set_station_words(
                session, office, name, context.actor, suffix=mab_suffix, password=password
            )
    if required is not None:
        with office.database.write() as session:
            nas.require_message_authenticator(session, office, name, required, context.actor)
    if coa_port is not None or coa_address is not None:
        _set_coa(context, name, coa_port, coa_address)
    click.echo(f"set {name}")


def _set_coa(context: Context, name: str, coa_port: str | None, coa_address: str | None) -> None:
    office = context.office
    with office.database.write() as session:
        known = nas.get(session, name)
        port, address = known.coa_port, known.coa_address
        if coa_port is not None:
            port = None if coa_port == "profile" else _port(coa_port)
        if coa_address is not None:
            address = None if coa_address == "source" else coa_address
        nas.set_coa(session, office, name, context.actor, address=address, port=port)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise UsageError("--coa-port is a number, or `profile`")
    return int(text)


def _tell(context: Context, numbers: Sequence[int]) -> None:
    """Wait a moment for the outcomes and print them."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        with context.database.read() as session:
            rows = session.scalars(select(CoaRequest).where(CoaRequest.id.in_(numbers))).all()
        if all(row.state != State.QUEUED for row in rows) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    for row in rows:
        click.echo(f"{row.session_key}: {_outcome(row)}")
    if any(row.state != State.ACKED for row in rows):
        raise click.exceptions.Exit(1)


def _outcome(row: CoaRequest) -> str:
    """What came of a request, in words for an operator."""
    if row.state == State.NAKKED:
        cause = error_name(row.error_cause) if row.error_cause else "no reason given"
        return f"refused by the equipment ({cause})"
    if row.state == State.QUEUED:
        return f"no answer yet ({row.attempts} of {outbox.MAXIMUM_ROUNDS} rounds)"
    return {
        State.ACKED: "ended" if row.kind == Kind.DISCONNECT else "changed",
        State.TIMED_OUT: "no answer; is CoA switched on there, and is the port right?",
        State.SUPERSEDED: "not needed any more",
        State.UNSUPPORTED: "this equipment takes no requests, or its address is not known",
        State.FAILED: "the request could not be made; the server's log says why",
    }[State(row.state)]
