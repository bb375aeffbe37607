"""`yuenyan archive decode-raw`: datagrams whose template came too late."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from common.clock import utc_now
from common.counting import counted
from identity.services import audit
from traffic.collectors.again import Redecoder, newest_state
from traffic.collectors.paths import collector_paths
from yuenyan.commands.tables import print_json
from yuenyan.context import Context


@click.command("decode-raw")
@click.option(
    "--state",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A decoder state with the templates, such as an older one; default: the newest.",
)
@click.option(
    "--other-start",
    is_flag=True,
    help="Use templates that an exporter sent after it was started anew, or in another connection,"
    " too: only if you know that it sends the same fields.",
)
@click.option("--dry-run", is_flag=True, help="Count, and store nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def decode_raw(
    context: Context, state: Path | None, other_start: bool, dry_run: bool, as_json: bool
) -> None:
    """Decode flow datagrams that were kept because their template was not known.

    What comes of them is stored as flows; the line of the manifest names the segment they came
    from. Flows that are stored already are left out: run it as often as you like. The datagrams
    stay, and so do the gaps that were noted for them.
    """
    config = context.config
    paths = collector_paths(config)
    wanted = state or newest_state(paths)
    found = Redecoder(config, paths, wanted, trusting=other_start).run(dry=dry_run)
    if found.segments:
        with context.database.write() as session:
            audit.record(
                session,
                utc_now(),
                context.actor,
                "archive:raw_decoded",
                wanted.name,
                flows=found.flows,
                blocks=found.blocks,
                segments=len(found.segments),
                other_start=other_start,
            )
    tree = asdict(found)
    if as_json:
        print_json(tree)
        return
    click.echo(
        f"{counted(found.datagrams, 'datagram was', 'datagrams were')} kept for want of a template:"
        f" {found.decoded} can be read now, of {found.unknown} the template is still unknown, of"
        f" {found.restarted} the exporter was started anew since, or its connection is over"
    )
    verb = "would be stored" if dry_run else "stored"
    click.echo(
        f"{verb}: {counted(found.flows, 'flow')} and"
        f" {counted(found.blocks, 'block of ports', 'blocks of ports')}; there already:"
        f" {found.known}"
    )
    for path in found.segments:
        click.echo(path)
