"""`yuenyan archive`: what is stored, whether it is whole, and sealing it."""

from __future__ import annotations

from typing import Any

import click

from common.clock import unix_nanoseconds
from common.errors import ArchiveError
from traffic.archive.seals import make_seal
from traffic.archive.status import archive_status, time_text
from traffic.archive.verification import Verified, mark_verified, verify_archive
from traffic.collectors.paths import collector_paths
from traffic.collectors.tail import check_tail
from yuenyan.commands.keeping import move, purge
from yuenyan.commands.rows import rows
from yuenyan.commands.tables import print_fields, print_json, print_table
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("archive")
def archive_command() -> None:
    """State, verification, sealing and retention of the archive."""


archive_command.add_command(move)
archive_command.add_command(purge)
archive_command.add_command(rows)


@archive_command.command("status")
@_JSON
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """What the archive holds, until when it is sealed, and which gaps are known."""
    config = context.config
    found = archive_status(config.data_dir / "archive", config.site.timezone)
    if as_json:
        print_json(found)
    else:
        _print_status(found)


@archive_command.command("verify")
@_JSON
@click.pass_obj
def verify(context: Context, as_json: bool) -> None:
    """Recompute every hash, the chain and the seals; exit 1 naming the first thing wrong."""
    config = context.config
    archive = config.data_dir / "archive"
    try:
        verified = verify_archive(archive, config.keys_dir)
        check_tail(collector_paths(config))
    except ArchiveError as error:
        if as_json:
            print_json({"ok": False, "path": error.path, "error": str(error)})
        raise
    now_ms = unix_nanoseconds() // 1_000_000
    mark_verified(archive, now_ms, verified)
    if as_json:
        print_json(_verified_tree(verified, time_text(now_ms, config.site.timezone)))
    else:
        click.echo(
            f"The archive is whole: {verified.segments} segments, {verified.records} records, "
            f"{verified.octets} octets, {verified.seals} seals."
        )
        if verified.unsealed:
            click.echo(f"{verified.unsealed} entries are newer than the last seal.")


@archive_command.command("seal")
@_JSON
@click.pass_obj
def seal(context: Context, as_json: bool) -> None:
    """Sign the present end of the archive with the site's key."""
    config = context.config
    now_ms = unix_nanoseconds() // 1_000_000
    made = make_seal(config.data_dir / "archive", config.keys_dir, now_ms)
    sealed_at = time_text(made.at_ms, config.site.timezone)
    if as_json:
        print_json({"sealed_entries": made.seq, "hash": made.hash, "sealed_to": sealed_at})
    else:
        click.echo(f"Sealed up to entry {made.seq} at {sealed_at}: {made.hash}")


def _print_status(found: dict[str, Any]) -> None:
    if not found["kinds"]:
        click.echo("The archive is empty.")
    else:
        print_table(
            ("kind", "records", "octets", "segments", "oldest", "newest"),
            [
                (
                    kind,
                    *(held[name] for name in ("records", "octets", "segments")),
                    held["oldest"],
                    held["newest"],
                )
                for kind, held in found["kinds"].items()
            ],
        )
    print_fields(
        {
            "sealed_to": found["sealed_to"] or "never",
            "verified_at": found["verified_at"] or "never",
            "gaps": found["gaps_total"],
        }
    )
    if found["gaps"]:
        print_table(
            ("from", "to", "lost", "reason", "source"),
            [
                (gap["from"], gap["to"], gap["lost"], gap["reason"], gap["source"])
                for gap in found["gaps"]
            ],
        )


def _verified_tree(verified: Verified, at: str | None) -> dict[str, Any]:
    return {
        "ok": True,
        "verified_at": at,
        "entries": verified.entries,
        "segments": verified.segments,
        "records": verified.records,
        "octets": verified.octets,
        "seals": verified.seals,
        "sealed_entries": verified.sealed_seq,
        "unsealed_entries": verified.unsealed,
    }
