"""`yuenyan flows`: what passed, of a person, an address or a session."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from typing import Any

import click

from common.counting import counted
from common.errors import UsageError
from common.net import parse_address
from traffic.lookup.flows import DEFAULT_LIMIT, FlowQuestion, find_flows, period_of_session
from traffic.lookup.question import read_period, require_purpose
from yuenyan.commands.answers import (
    APPROVAL,
    ASK_APPROVAL,
    CASE,
    JSON,
    REASON,
    print_answer_json,
    print_asked,
    print_gaps,
    print_waiting,
    refuse_contradictions,
)
from yuenyan.commands.console import operator
from yuenyan.commands.options import refuse_together
from yuenyan.context import Context


@click.command("flows")
@click.option("--user", metavar="NAME")
@click.option("--address", metavar="IP")
@click.option("--session", metavar="ID", help="Of one session, as `session list` names it.")
@click.option("--from", "from_text", metavar="TIME", help="First moment or day.")
@click.option("--to", "to_text", metavar="TIME", help="Last moment or day.")
@click.option("--limit", type=click.IntRange(1), default=DEFAULT_LIMIT, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0, help="Flows to pass over first.")
@CASE
@REASON
@APPROVAL
@ASK_APPROVAL
@JSON
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def flows_command(
    context: Context,
    user: str | None,
    address: str | None,
    session: str | None,
    from_text: str | None,
    to_text: str | None,
    limit: int,
    offset: int,
    case: str,
    reason: str,
    approval: int | None,
    ask_approval: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """The flows of a person, an address or a session. Every reading is recorded.

    A session needs no --from and --to: without them it is asked from its start to its end. A
    date alone is taken whole: --to 30/11/2569 has that day too.
    """
    refuse_together(("--json", as_json), ("--csv", as_csv))
    refuse_contradictions(ask_approval=ask_approval, approval=approval, as_csv=as_csv)
    config = context.config
    zone = config.site.timezone
    case, reason = require_purpose(case, reason)
    if session is not None and from_text is None and to_text is None:
        window = period_of_session(context.database, session)
    elif from_text and to_text:
        window = read_period(from_text, to_text, zone)
    else:
        raise UsageError("give the period: --from TIME --to TIME")
    question = FlowQuestion(
        address=None if address is None else parse_address(address),
        user=user,
        session=session,
        window=window,
        case=case,
        reason=reason,
        limit=limit,
        offset=offset,
    )
    if ask_approval:
        from traffic.lookup.asking import asked_flows
        from yuenyan.commands import unlocking

        number = unlocking.ask_approval(context, asked_flows(question))
        print_waiting(number, as_json=as_json)
        return
    noted: Mapping[str, str | int | bool | None] = operator().noted
    if config.lookup.second_person or approval is not None:
        # Only then: the database layer takes longer to load than the flows to be found.
        from traffic.lookup.asking import asked_flows
        from yuenyan.commands import unlocking

        noted = unlocking.permit(context, asked_flows(question), approval).noted
    answer = find_flows(None, config, question, context.actor, noted)
    flows = answer["flows"]
    if as_json:
        print_answer_json(answer)
        return
    if as_csv:
        _print_csv(flows)
    else:
        for end in ("from", "to"):
            print_asked(f"{question.subject} ({end})", answer["interpretation"][end])
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
        click.echo(counted(len(flows), "flow"))
        print_gaps(answer["gaps"])
    for warning in answer["warnings"]:
        click.echo(f"yuenyan: {warning}", err=True)
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


def _endpoint(address: str | None, port: int | None) -> str | None:
    if address is None:
        return None
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
