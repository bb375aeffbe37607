"""`yuenyan lookup` and `yuenyan flows`: who was behind an address, and what passed."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from common.net import parse_address
from traffic.lookup.attribution import Window
from traffic.lookup.flows import DEFAULT_LIMIT, FlowQuestion, find_flows
from traffic.lookup.question import read_moment, read_question, require_purpose
from yuenyan.context import Context

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_CASE = click.option("--case", "case", default="", metavar="TEXT", help="The case it is for.")
_REASON = click.option("--reason", default="", metavar="TEXT", help="Why it is asked.")
_BUDDHIST_ERA = 543

_OUTCOMES = {
    "single": "One account had it.",
    "ambiguous": "Several may have had it; the records cannot tell which.",
    "none": "Nobody had it: the records are complete for that time and name no one.",
    "gap": "Not known: records for that time are missing.",
}


def _print_json(answer: Mapping[str, Any]) -> None:
    """One JSON document. Not by commands.tables, whose imports take as long as the reading."""
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2))


@click.command("lookup")
@click.option("--at", required=True, metavar="TIME", help="Buddhist or common era.")
@click.option("--address", required=True, metavar="IP")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N")
@click.option("--protocol", type=click.Choice(["tcp", "udp", "icmp"]))
@click.option("--tolerance-seconds", type=click.FloatRange(min=0), default=0.0, metavar="S")
@_CASE
@_REASON
@_JSON
@click.pass_obj
def lookup_command(context: Context, /, as_json: bool, **asked: Any) -> None:
    """Who was behind an address (and port) at a time. Every look-up is recorded."""
    config = context.config
    question = read_question(asked, config.site.timezone)
    if not as_json:
        click.echo(f"Asked: {question.address} at {_both(question.at, config.site.timezone)}")
    from traffic.lookup.service import run_lookup

    answer = run_lookup(context.database, config, question, context.actor)
    if as_json:
        _print_json(answer)
        return
    from yuenyan.commands.tables import print_table

    click.echo(_OUTCOMES[answer["outcome"]])
    if answer["candidates"]:
        print_table(
            ("account", "name", "mac", "inside address", "port", "nas", "from", "to"),
            [
                (
                    one["account"] or one["user_name"],
                    one["full_name"],
                    one["mac"],
                    one["inside_address"],
                    one["inside_port"],
                    one["nas"],
                    one["from"],
                    one["to"] or f"open, last heard {one['last_heard_at']}",
                )
                for one in answer["candidates"]
            ],
        )
        for one in answer["candidates"]:
            for record in one["evidence"]:
                click.echo(f"  {record}")
    _print_gaps(answer["gaps"])
    for warning in answer["warnings"]:
        click.echo(warning)


@click.command("flows")
@click.option("--user", metavar="NAME")
@click.option("--address", metavar="IP")
@click.option("--from", "from_text", required=True, metavar="TIME")
@click.option("--to", "to_text", required=True, metavar="TIME")
@click.option("--limit", type=click.IntRange(1), default=DEFAULT_LIMIT, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, help="Flows to pass over first.")
@_CASE
@_REASON
@_JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def flows_command(
    context: Context,
    user: str | None,
    address: str | None,
    from_text: str,
    to_text: str,
    limit: int,
    offset: int,
    case: str,
    reason: str,
    as_json: bool,
    as_csv: bool,
) -> None:
    """The flows of a person or address. Every reading is recorded."""
    config = context.config
    zone = config.site.timezone
    case, reason = require_purpose(case, reason)
    question = FlowQuestion(
        address=None if address is None else parse_address(address),
        user=user,
        window=Window(read_moment(from_text, zone), read_moment(to_text, zone)),
        case=case,
        reason=reason,
        limit=limit,
        offset=offset,
    )
    answer = find_flows(None, config, question, context.actor)
    flows = answer["flows"]
    if as_json:
        _print_json(answer)
        return
    if as_csv:
        _print_csv(flows)
    else:
        from yuenyan.commands.tables import print_table

        print_table(
            ("start", "end", "protocol", "from", "to", "translated", "octets", "packets"),
            [
                (
                    one["start"],
                    one["end"],
                    one["protocol"],
                    _endpoint(one["src"], one["src_port"]),
                    _endpoint(one["dst"], one["dst_port"]),
                    _endpoint(one["nat_src"], one["nat_src_port"]),
                    one["octets"],
                    one["packets"],
                )
                for one in flows
            ],
        )
        click.echo(f"{len(flows)} flows")
        _print_gaps(answer["gaps"])
    if answer["truncated"]:
        click.echo(
            f"yuenyan: there are more flows; go on with --offset {offset + len(flows)}", err=True
        )


def _print_csv(flows: list[dict[str, Any]]) -> None:
    if not flows:
        return
    writer = csv.DictWriter(sys.stdout, fieldnames=list(flows[0]))
    writer.writeheader()
    writer.writerows(flows)


def _print_gaps(gaps: list[dict[str, Any]]) -> None:
    if not gaps:
        return
    from yuenyan.commands.tables import print_table

    click.echo("Missing, or perhaps missing:")
    print_table(
        ("kind", "from", "to", "lost", "reason", "source"),
        [
            (gap["kind"], gap["from"], gap["to"], gap["lost"], gap["reason"], gap["source"])
            for gap in gaps
        ],
    )


def _both(moment: datetime, zone: str) -> str:
    """The moment in both eras, so that a slip is seen before the answer is used."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.isoformat()} (B.E. {local.year + _BUDDHIST_ERA})"


def _endpoint(address: str | None, port: int | None) -> str | None:
    if address is None:
        return None
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
