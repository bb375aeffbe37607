"""`yuenyan archive store`: the copy of the archive in an object store, and bringing it back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from common.clock import unix_milliseconds, utc_now
from common.counting import counted
from common.printable import printable
from common.thai_time import read_bound
from traffic.archive.elsewhere import recall
from traffic.archive.manifest import Manifest
from traffic.archive.status import time_text
from traffic.keeping.storing import Storer
from traffic.moments import to_milliseconds
from yuenyan.commands.tables import print_fields, print_json
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("store")
def store_command() -> None:
    """The archive's copy in the object store of [store] (docs/object-store.md)."""


@store_command.command("status")
@_JSON
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """How far the archive has been copied; the store is not asked."""
    storer, zone = Storer(context.config), context.config.site.timezone
    state = storer.state()
    told: dict[str, Any] = {
        "url": context.config.store.url,
        "entries": state.seq,
        "waiting": storer.waiting(),
        "complete_at": time_text(state.at_ms or None, zone),
        "checked_at": time_text(storer.checked_ms() or None, zone),
        "error": state.error,
        "wrong": [state.wrong[path] for path in sorted(state.wrong)],
    }
    if as_json:
        print_json(told)
    else:
        wrong = told.pop("wrong")
        times = {name: told[name] or "never" for name in ("complete_at", "checked_at")}
        print_fields({**told, **times, "wrong": len(state.wrong)})
        for sentence in wrong:
            click.echo(printable(sentence))


@store_command.command("push")
@click.option("--free", is_flag=True, help="Also let old segments leave this disk, as done daily.")
@click.option("--all", "again", is_flag=True, help="Ask for every segment, also those copied.")
@_JSON
@click.pass_obj
def push(context: Context, free: bool, again: bool, as_json: bool) -> None:
    """Copy what is not in the store yet; the housekeeper does it each minute."""
    storer, now_ms = Storer(context.config), unix_milliseconds()
    told = {"stored": storer.push(now_ms, again=again)}
    if free:
        told |= {"swept": storer.sweep(), "freed": storer.free(now_ms)}
    if as_json:
        print_json(told)
        return
    click.echo(counted(told["stored"], "segment was copied.", "segments were copied."))
    if free:
        freed = counted(told["freed"], "segment has left", "segments have left")
        swept = counted(told["swept"], "that was purged has", "that were purged have")
        click.echo(f"{freed} this disk; {swept} left the store.")


@store_command.command("check")
@click.option("--contents", is_flag=True, help="Read every object whole and compare its SHA-256.")
@_JSON
@click.pass_obj
def check(context: Context, contents: bool, as_json: bool) -> None:
    """Compare the store with the manifest; exit 1 naming the first object that is wrong."""
    storer = Storer(context.config)
    found = storer.compare(contents=contents)
    if contents:
        storer.mark_checked(unix_milliseconds())
    if as_json:
        print_json({"ok": True, **asdict(found)})
        return
    click.echo(
        f"The store is whole: {counted(found.segments, 'segment')}, "
        f"{counted(found.octets, 'octet')}, of which "
        f"{counted(found.only_there, 'segment is', 'segments are')} there alone."
    )
    if found.waiting:
        click.echo(f"{counted(found.waiting, 'segment is', 'segments are')} still to be copied.")
    if found.left_over:
        click.echo(
            counted(found.left_over, "object was purged and is", "objects were purged and are")
            + " still there; run: yuenyan archive store push --free"
        )


@store_command.command("fetch")
@click.option(
    "--from",
    "from_text",
    metavar="TIME",
    help="Only what was received from then on; a date is its beginning.",
)
@click.option(
    "--to",
    "to_text",
    metavar="TIME",
    help="Only what was received until then; a date is the whole day.",
)
@_JSON
@click.pass_obj
def fetch(context: Context, from_text: str | None, to_text: str | None, as_json: bool) -> None:
    """Bring segments back to this disk, each compared with the manifest.

    On a machine that has no archive, manifest and seals come first: verify them with a
    witness's copy before anything else is believed.
    """
    config = context.config
    archive = config.data_dir / "archive"
    zone = config.site.timezone
    now = utc_now()
    bounds = [
        to_milliseconds(read_bound(text, zone, now=now, end=end)) if text else None
        for text, end in ((from_text, False), (to_text, True))
    ]
    lists = Storer(config).fetch_lists()
    wanted = [
        entry
        for entry in Manifest(archive).committed().present()
        if (bounds[0] is None or entry.received_max_ms >= bounds[0])
        and (bounds[1] is None or entry.received_min_ms <= bounds[1])
    ]
    fetched = recall(archive, wanted)
    if as_json:
        print_json({"lists": lists, "fetched": fetched})
        return
    if lists:
        click.echo("Manifest and seals were brought back.")
    click.echo(counted(fetched, "segment was brought back.", "segments were brought back."))
