"""`yuenyan archive move` and `purge`: what the housekeeper does each hour and each day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from common.counting import counted
from traffic.archive.status import time_text
from traffic.keeping.keeper import Keeper, Purged
from yuenyan.checkup.machine import is_clock_kept
from yuenyan.commands.tables import print_fields, print_json
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def keeper_of(context: Context) -> Keeper:
    """The site's keeper, with the kernel's word about the clock."""
    return Keeper(context.office, synchronised=is_clock_kept())


@click.command("move")
@_JSON
@click.pass_obj
def move(context: Context, as_json: bool) -> None:
    """Move rows of the database that are older than a week into the archive; done hourly."""
    moved = keeper_of(context).move()
    told: dict[str, Any] = {
        "rows": moved.rows,
        "stored": moved.stored,
        "waiting": list(moved.waiting),
    }
    if as_json:
        print_json(told)
        return
    click.echo(
        f"{counted(moved.rows, 'row')} left the database, {moved.stored} new in the archive."
    )
    for table in moved.waiting:
        click.echo(f"{table} is being moved into the archive of another node.")


@click.command("purge")
@click.option("--dry-run", is_flag=True, help="Say what would go; let nothing go.")
@click.option(
    "--purged-in",
    "copy",
    type=click.Path(dir_okay=False, path_type=Path),
    help="After a restore: a newer copy of manifest.jsonl; purge what it says was purged.",
)
@_JSON
@click.pass_obj
def purge(context: Context, dry_run: bool, copy: Path | None, as_json: bool) -> None:
    """Let go of records, and of names nothing needs any more, whose time is over; done daily.

    Nothing younger than 90 days ever goes, nor what a hold covers (yuenyan hold list). Each
    purge is a line of the manifest and an audit event with counts, times and hashes.
    """
    keeper = keeper_of(context)
    if copy is not None:
        if dry_run:
            raise click.UsageError("--dry-run and --purged-in do not go together")
        purged = keeper.reapply(copy, actor=context.actor)
    else:
        purged = keeper.purge(dry_run=dry_run, actor=context.actor)
    zone = context.config.site.timezone
    tree = _tree(purged, dry_run, zone)
    if as_json:
        print_json(tree)
        return
    kinds = ", ".join(f"{kind} {number}" for kind, number in purged.kinds.items())
    gone = f"{counted(purged.segments, 'segment')} ({kinds or 'none'})"
    held = f"{counted(purged.held_segments, 'segment')} by {counted(purged.holds, 'hold')} in force"
    print_fields(
        {
            "would go" if dry_run else "gone": gone,
            "records": purged.records,
            "octets": purged.octets,
            "from": tree["from"],
            "to": tree["to"],
            "held": held,
            "sessions": purged.rows.sessions,
            "addresses": purged.rows.addresses,
            "gaps": purged.rows.gaps,
            "accounts_anonymised": purged.accounts,
            "applications_anonymised": purged.applications,
        }
    )


def _tree(purged: Purged, dry_run: bool, zone: str) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "segments": purged.segments,
        "records": purged.records,
        "octets": purged.octets,
        "kinds": purged.kinds,
        "from": time_text(purged.from_ms, zone),
        "to": time_text(purged.to_ms, zone),
        "held_segments": purged.held_segments,
        "holds": purged.holds,
        "sessions": purged.rows.sessions,
        "addresses": purged.rows.addresses,
        "gaps": purged.rows.gaps,
        "runs": purged.rows.runs,
        "accounts_anonymised": purged.accounts,
        "applications_anonymised": purged.applications,
        "left_over_files": purged.left_over,
    }
