"""`yuenyan archive`: what is stored, whether it is whole, sealing it, and proving it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from common.clock import unix_milliseconds, unix_nanoseconds, utc_now
from common.config import Config
from common.counting import counted
from common.errors import ArchiveError
from identity.services import audit
from traffic.archive.proving import prove
from traffic.archive.rows import check_rows, restate_rows
from traffic.archive.seals import make_seal
from traffic.archive.selftest import run_self_test, save_result
from traffic.archive.status import archive_status, time_text
from traffic.archive.verification import Verified, mark_verified, verify_archive
from traffic.archive.witness_copies import read_copy
from traffic.collectors.paths import collector_paths, node_name
from traffic.collectors.tail import check_tail
from traffic.witnesses.copies import reachable_copies
from traffic.witnesses.delivery import Witnessed, deliver, standing
from yuenyan.commands.decoding import decode_raw
from yuenyan.commands.keeping import move, purge
from yuenyan.commands.options import write_new
from yuenyan.commands.rows import rows
from yuenyan.commands.store import store_command
from yuenyan.commands.tables import print_fields, print_json, print_table
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_FILE = click.Path(path_type=Path)


@click.group("archive")
def archive_command() -> None:
    """State, verification, sealing, proofs and retention of the archive."""


archive_command.add_command(decode_raw)
archive_command.add_command(move)
archive_command.add_command(purge)
archive_command.add_command(rows)
archive_command.add_command(store_command)


@archive_command.command("status")
@_JSON
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """What the archive holds, until when it is sealed, who has seen it, and known gaps."""
    config = context.config
    found = archive_status(config.data_dir / "archive", config.site.timezone, config.keys_dir)
    found["witnesses"] = [_witness_tree(config, one) for one in standing(config)]
    if as_json:
        print_json(found)
    else:
        _print_status(found)


@archive_command.command("verify")
@_JSON
@click.option(
    "--witness",
    "witnesses",
    type=_FILE,
    multiple=True,
    help="A witness's copy of the seals: file, saved letter (.eml), time-stamp (.tsr) or folder.",
)
@click.option("--public-key", type=_FILE, help="A copy of seal.pub that was kept outside.")
@click.pass_obj
def verify(
    context: Context, as_json: bool, witnesses: tuple[Path, ...], public_key: Path | None
) -> None:
    """Recompute every hash, the chain and the seals; exit 1 naming the first thing wrong.

    Rows that are still in the database are compared with their sealed digests. Seals of the
    configured witnesses that can be read from here, and of every --witness, must all be in
    the archive.
    """
    config = context.config
    archive = config.data_dir / "archive"
    now_ms = unix_nanoseconds() // 1_000_000
    try:
        copies, elsewhere = reachable_copies(config)
        copies += [read_copy(path, config.archive.timestamp_ca) for path in witnesses]
        verified = verify_archive(
            archive, config.keys_dir, now_ms=now_ms, witnesses=copies, public_key=public_key
        )
        check_tail(collector_paths(config))
        rows = check_rows(context.database, archive)
    except ArchiveError as error:
        if as_json:
            print_json({"ok": False, "path": error.path, "error": str(error)})
        raise
    mark_verified(archive, now_ms, verified)
    if as_json:
        tree = _verified_tree(config, verified, now_ms, elsewhere)
        print_json({**tree, "database_rows": rows.rows, "rows_restated": rows.restated})
    else:
        _print_verified(config, verified, elsewhere)
        click.echo(
            counted(
                rows.rows,
                "row of the database is as it was sealed.",
                "rows of the database are as they were sealed.",
            )
        )
        if rows.restated:
            click.echo(
                f"{counted(rows.restated, 'time')} it was declared that rows differ from what was "
                "noted; "
                "see archive:rows_restated in the audit trail."
            )


@archive_command.command("seal")
@_JSON
@click.option(
    "--clock-went-back",
    "clock_note",
    metavar="REASON",
    default="",
    help="Why the clock went back since the last seal; it is signed and shown ever after.",
)
@click.option(
    "--rows-differ",
    "rows_reason",
    metavar="REASON",
    default="",
    help="Why rows of the database are not those that were noted, such as a restored back-up.",
)
@click.pass_obj
def seal(context: Context, as_json: bool, clock_note: str, rows_reason: str) -> None:
    """Sign the present end of the archive with the site's key."""
    config = context.config
    if rows_reason.strip():
        for rows in restate_rows(context.database, config.data_dir / "archive", node_name()):
            with context.database.write() as session:
                audit.record(
                    session,
                    utc_now(),
                    context.actor,
                    "archive:rows_restated",
                    rows,
                    reason=rows_reason.strip(),
                )
    made = make_seal(
        config.data_dir / "archive",
        config.keys_dir,
        unix_milliseconds,
        clock_note=clock_note.strip(),
    )
    if made.note:
        with context.database.write() as session:
            audit.record(
                session,
                utc_now(),
                context.actor,
                "archive:clock_declared",
                "archive",
                reason=made.note,
            )
    sealed_at = time_text(made.at_ms, config.site.timezone)
    if as_json:
        print_json({"sealed_entries": made.seq, "hash": made.hash, "sealed_to": sealed_at})
    else:
        click.echo(f"Sealed up to entry {made.seq} at {sealed_at}: {made.hash}")


@archive_command.command("witness")
@_JSON
@click.pass_obj
def witness(context: Context, as_json: bool) -> None:
    """Show the seals to every witness now; exit 1 when one could not be shown them."""
    config = context.config
    found = deliver(config, unix_nanoseconds() // 1_000_000, all_now=True)
    trees = [_witness_tree(config, one) for one in found]
    if as_json:
        print_json(trees)
    elif trees:
        _print_witnesses(trees)
    else:
        click.echo("No witness is configured: see [archive] witnesses and docs/integrity.md.")
    if any(one.state.error for one in found):
        raise click.exceptions.Exit(1)


@archive_command.command("prove")
@click.argument("path")
@click.option("--out", type=_FILE, required=True, help="The file to write the proof to.")
@click.pass_obj
def prove_command(context: Context, path: str, out: Path) -> None:
    """Prove that one segment, named as in the manifest, belongs to a signed seal.

    Whoever has the segment, the proof and the site's public key can check it without the
    archive.
    """
    config = context.config
    proof, shown = prove(config.data_dir / "archive", config.keys_dir, path)
    write_new(out, (json.dumps(proof, ensure_ascii=False, indent=1) + "\n").encode())
    at = time_text(shown.sealed_at_ms, config.site.timezone)
    click.echo(f"{shown.path} is line {shown.seq} of the {shown.sealed_seq} sealed at {at}.")
    click.echo(f"Ask a witness for the seal with SHA-256 {shown.seal_hash}.")


@archive_command.command("self-test")
@_JSON
@click.pass_obj
def self_test(context: Context, as_json: bool) -> None:
    """Tamper with a copy in every known way; exit 1 unless verify catches each."""
    config = context.config
    archive = config.data_dir / "archive"
    result = run_self_test(archive, unix_nanoseconds() // 1_000_000)
    save_result(archive, result)
    if as_json:
        print_json(
            {
                "good": result.good,
                "ways": result.ways,
                "missed": list(result.missed),
                "error": result.error,
            }
        )
    elif result.good:
        click.echo(f"Verification caught all {result.ways} tamperings with a copy.")
    for missed in result.missed:
        click.echo(f"NOT caught: {missed}", err=True)
    if result.error:
        click.echo(result.error, err=True)
    if not result.good:
        raise click.exceptions.Exit(1)


def _print_verified(config: Config, verified: Verified, elsewhere: list[str]) -> None:
    zone = config.site.timezone
    click.echo(
        f"The archive is whole: {counted(verified.segments, 'segment')}, "
        f"{counted(verified.records, 'record')}, "
        f"{counted(verified.octets, 'octet')}, {counted(verified.seals, 'seal')}."
    )
    if verified.away:
        click.echo(f"{verified.away} of the segments are in the object store alone.")
    if verified.purged:
        click.echo(f"Purged when their time was over: {counted(verified.purged, 'segment')}.")
    if verified.unsealed:
        click.echo(
            f"{counted(verified.unsealed, 'entry is', 'entries are')} newer than the last seal."
        )
    for silence in verified.silences:
        click.echo(
            f"Nothing was sealed from {time_text(silence.from_ms, zone)} "
            f"to {time_text(silence.to_ms, zone)}."
        )
    for declared in verified.declared:
        click.echo(
            f"The clock went back before seal {declared.seal} "
            f"({time_text(declared.at_ms, zone)}): {declared.reason}"
        )
    for name, number in verified.witnessed.items():
        click.echo(f"Every seal of the witness {name} is in it: {number}.")
    if verified.stamped_late:
        click.echo(
            counted(
                verified.stamped_late,
                "seal was time-stamped more than 25 hours after it says it was made: the authority"
                " was away, or it was made anew.",
                "seals were time-stamped more than 25 hours after they say they were made: the"
                " authority was away, or they were made anew.",
            )
        )
    for address in elsewhere:
        click.echo(f"Not asked: {address}; get its copy and name it with --witness.")
    if not verified.witnessed and not elsewhere:
        click.echo("No witness was asked: whoever has the key could have written all of this anew.")


def _aside(files: Sequence[str]) -> str:
    """Segments without a line, which doctor says more of."""
    return f"{len(files)}, the first: {files[0]}" if files else "0"


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
    tested = found["self_test"]
    print_fields(
        {
            "sealed_to": found["sealed_to"] or "never",
            "verified_at": found["verified_at"] or "never",
            "self_test": _tested(tested) if tested else "never",
            "gaps": found["gaps_total"],
            "set_aside": _aside(found["set_aside"]),
        }
    )
    if found["witnesses"]:
        _print_witnesses(found["witnesses"])
    if found["gaps"]:
        print_table(
            ("from", "to", "lost", "reason", "source"),
            [
                (gap["from"], gap["to"], gap["lost"], gap["reason"], gap["source"])
                for gap in found["gaps"]
            ],
        )


def _tested(tested: dict[str, Any]) -> str:
    if tested["good"]:
        return f"{tested['at']}, caught all {tested['ways']}"
    missed = ", ".join(tested["missed"])
    return f"{tested['at']}, FAILED: {tested['error'] or 'missed ' + missed}"


def _print_witnesses(trees: list[dict[str, Any]]) -> None:
    print_table(
        ("witness", "shown", "owed", "last", "behind since", "trouble"),
        [
            (
                tree["witness"],
                tree["shown"],
                tree["owed"],
                tree["last_at"] or "never",
                tree["behind_since"] or "",
                tree["error"],
            )
            for tree in trees
        ],
    )


def _witness_tree(config: Config, one: Witnessed) -> dict[str, Any]:
    zone, state = config.site.timezone, one.state
    return {
        "witness": one.address.shown,
        "kind": one.address.kind,
        "shown": state.delivered,
        "owed": one.owed,
        "last_at": time_text(state.delivered_at_ms or None, zone),
        "behind_since": time_text(state.behind_since_ms or None, zone),
        "next_try_at": time_text(state.next_try_ms or None, zone),
        "disagrees": state.conflict,
        "error": state.error,
    }


def _verified_tree(
    config: Config, verified: Verified, now_ms: int, elsewhere: list[str]
) -> dict[str, Any]:
    zone = config.site.timezone
    return {
        "ok": True,
        "verified_at": time_text(now_ms, zone),
        "entries": verified.entries,
        "segments": verified.segments,
        "records": verified.records,
        "octets": verified.octets,
        "purged": verified.purged,
        "away": verified.away,
        "seals": verified.seals,
        "sealed_entries": verified.sealed_seq,
        "unsealed_entries": verified.unsealed,
        "silences": [
            {"from": time_text(one.from_ms, zone), "to": time_text(one.to_ms, zone)}
            for one in verified.silences
        ],
        "clock_went_back": [
            {"seal": one.seal, "at": time_text(one.at_ms, zone), "reason": one.reason}
            for one in verified.declared
        ],
        "witnesses": verified.witnessed,
        "witnesses_not_asked": elsewhere,
        "stamped_late": verified.stamped_late,
    }
