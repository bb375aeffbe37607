"""`yuenyan proxy`: what is owed to the home servers of foreign realms."""

from __future__ import annotations

import click

from identity.services import relay_outbox
from yuenyan.commands.tables import moment, print_json, print_table, short_moment
from yuenyan.context import Context


@click.group("proxy")
def proxy_command() -> None:
    """Foreign realms and their home servers."""


@proxy_command.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Each foreign realm, its home servers, and the accounting that waits for them."""
    config = context.config
    with context.database.read() as session:
        backlogs = {found.realm: found for found in relay_outbox.backlogs(session)}
    servers = {realm.name: list(realm.servers) for realm in config.proxy.realm}
    zone = config.site.timezone
    realms = []
    for name in [*servers, *(gone for gone in backlogs if gone not in servers)]:
        backlog = backlogs.get(name)
        realms.append(
            {
                "realm": name,
                "servers": servers.get(name, []),
                "waiting": backlog.waiting if backlog else 0,
                "oldest": moment(backlog.oldest, zone) if backlog else None,
                "unanswered_rounds": backlog.attempts if backlog else 0,
            }
        )
    if as_json:
        print_json({"realms": realms, "waiting": sum(one.waiting for one in backlogs.values())})
        return
    print_table(
        ("REALM", "SERVERS", "WAITING", "OLDEST"),
        (
            (
                one["realm"],
                ", ".join(servers.get(str(one["realm"]), [])) or "not configured any more",
                one["waiting"],
                short_moment(backlogs[str(one["realm"])].oldest, zone) if one["waiting"] else None,
            )
            for one in realms
        ),
    )
