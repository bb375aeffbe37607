"""`yuenyan archive rows`: what moved out of the database, and what devices told in lines."""

from __future__ import annotations

import json
from typing import Any

import click

from common.clock import utc_now
from common.errors import UsageError
from common.thai_time import read_bound
from identity.domain.spellings import spellings
from identity.services import audit
from traffic.archive.kinds import KINDS, TIME, Kind
from traffic.archive.status import time_text
from traffic.archive.tables import Found, TableArchive
from traffic.collectors.paths import node_name
from traffic.moments import to_milliseconds
from yuenyan.commands.tables import print_table
from yuenyan.context import Context

_SHOWN = {
    "access": ("user_name", "outcome", "reason", "method", "mac"),
    "admin": ("actor", "action", "target", "detail"),
    "session": ("record", "session_key", "user_name", "address", "mac"),
    "lease": ("event", "address", "mac", "source"),
    "nat": ("event", "inside_address", "inside_port", "outside_address", "outside_port"),
    "gap": ("kind", "source", "lost", "reason"),
    "clock": ("source", "offset_us", "error_us", "state"),
}
_PERSON = {
    "access": ("user_name", "mac"),
    "session": ("user_name", "mac"),
    "admin": ("actor", "target"),
}


@click.command("rows")
@click.argument("kind", type=click.Choice(sorted(KINDS)))
@click.option("--from", "from_text", required=True, metavar="TIME", help="Received from then on.")
@click.option("--to", "to_text", required=True, metavar="TIME", help="Received until then.")
@click.option("--user", metavar="NAME", help="Of this user name, MAC address or officer alone.")
@click.option("--case", required=True, help="The case it is read for.")
@click.option("--reason", required=True, help="Why.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_obj
def rows(
    context: Context,
    kind: str,
    from_text: str,
    to_text: str,
    user: str | None,
    case: str,
    reason: str,
    limit: int,
    as_json: bool,
) -> None:
    """Logins, packets, audit events, gaps and leases that lie in the archive, oldest first.

    Rows of the database move there when they are a week old. Reading them is itself recorded.
    """
    zone = context.config.site.timezone
    now = utc_now()
    begin = read_bound(from_text, zone, now=now)
    end = read_bound(to_text, zone, now=now, end=True)
    if begin > end:
        raise UsageError("the period ends before it begins")
    if not case.strip() or not reason.strip():
        raise UsageError("give the case and the reason: reading records is recorded with both")
    where, parameters = _of(kind, user)
    office = context.office
    with office.database.write() as session:
        audit.record(
            session,
            office.clock(),
            context.actor,
            "archive:read",
            kind,
            from_at=begin.isoformat(),
            to_at=end.isoformat(),
            user=user,
            case=case.strip(),
            reason=reason.strip(),
        )
    chosen = KINDS[kind]
    found = TableArchive(context.config.data_dir / "archive", node_name()).read(
        chosen,
        where,
        parameters,
        from_ms=to_milliseconds(begin),
        to_ms=to_milliseconds(end),
        limit=limit + 1,
    )
    if as_json:
        for one in found[:limit]:
            click.echo(json.dumps(_tree(chosen, one, zone), ensure_ascii=False))
    else:
        print_table(
            ("received", *_SHOWN[kind]),
            [
                (
                    time_text(one.values["received_at"], zone),
                    *(one.values[name] for name in _SHOWN[kind]),
                )
                for one in found[:limit]
            ],
        )
    if len(found) > limit:
        click.echo(f"There are more than {limit}; ask for a shorter time or --limit.", err=True)


def _of(kind: str, user: str | None) -> tuple[str, list[Any]]:
    if user is None:
        return "true", []
    columns = _PERSON.get(kind)
    if columns is None:
        raise UsageError(f"rows of kind {kind} name nobody; leave --user out")
    return (
        "(" + " OR ".join(f"nfc_normalize(lower({column})) = ?" for column in columns) + ")",
        [spellings(user)[-1]] * len(columns),
    )


def _tree(kind: Kind, found: Found, zone: str) -> dict[str, Any]:
    tree: dict[str, Any] = {"record": found.record}
    for name, type_ in kind.columns.items():
        value = found.values[name]
        if value is None:
            continue
        key = "of" if name == "record" else name
        if type_ == TIME:
            tree[key] = time_text(value, zone)
        elif isinstance(value, bytes | bytearray | memoryview):
            tree[key] = bytes(value).hex()
        else:
            tree[key] = value
    return tree
