"""`yuenyan lookup`: who was behind an address or a device, and what a person had."""

from __future__ import annotations

from typing import Any

import click

from common.errors import UsageError
from traffic.lookup.sentences import interpretation
from yuenyan.commands.answers import (
    APPROVAL,
    ASK_APPROVAL,
    CASE,
    JSON,
    REASON,
    print_answer_json,
    print_asked,
    print_candidates,
    print_person,
    print_waiting,
    refuse_contradictions,
)
from yuenyan.commands.console import operator
from yuenyan.context import Context


@click.command("lookup")
@click.option("--at", metavar="TIME", help="Thai or Western date, either era, with the time.")
@click.option("--address", metavar="IP", help="Public or inside.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N")
@click.option("--protocol", type=click.Choice(["tcp", "udp", "icmp"]))
@click.option("--destination", metavar="IP[:PORT]", help="Where the traffic went, if known.")
@click.option("--mac", metavar="MAC", help="Who used this device, instead of an address.")
@click.option("--user", metavar="NAME", help="What a person had, between --from and --to.")
@click.option("--from", "from_text", metavar="TIME", help="First moment or day.")
@click.option("--to", "to_text", metavar="TIME", help="Last moment or day.")
@click.option("--tolerance-seconds", type=click.FloatRange(min=0), default=0.0, metavar="S")
@CASE
@REASON
@click.option("--pseudonyms", is_flag=True, help="Show no name; the same person stays the same.")
@APPROVAL
@ASK_APPROVAL
@JSON
@click.pass_obj
def lookup_command(
    context: Context,
    /,
    as_json: bool,
    pseudonyms: bool,
    approval: int | None,
    ask_approval: bool,
    from_text: str | None,
    to_text: str | None,
    **given: Any,
) -> None:
    """Who was behind an address (and port), or used a device, at a time; what a person had.

    \b
    lookup --at TIME --address IP [--port N] [--protocol P] [--destination IP[:PORT]]
    lookup --at TIME --mac MAC
    lookup --user NAME --from TIME --to TIME

    Names are shown: every look-up is recorded with the case, the reason and who has the shell.
    Times: 15 ม.ค. 2568 14.30 น., 15/1/2568 14:30, 2025-01-15T14:30:00+07:00 (docs/lookup.md).
    Of a period a date alone is taken whole: --to 30/11/2569 has that day too.
    """
    from traffic.lookup.asking import NAMED, Kind, read_asked, run_asked
    from traffic.lookup.pseudonyms import site_key
    from traffic.lookup.views import View
    from yuenyan.commands import unlocking

    refuse_contradictions(ask_approval=ask_approval, approval=approval, pseudonyms=pseudonyms)
    chosen = [kind for kind in ("address", "mac", "user") if given[kind]]
    if len(chosen) != 1:
        raise UsageError("give one of --address, --mac and --user")
    kind = {"address": Kind.ADDRESS, "mac": Kind.MAC, "user": Kind.PERSON}[chosen[0]]
    if kind is Kind.PERSON:
        if given["at"]:
            raise UsageError(
                "--at goes with --address and --mac; what a person had is asked over a period:"
                " --from and --to"
            )
        if not (from_text and to_text):
            raise UsageError("give the period: --from TIME --to TIME")
        if pseudonyms:
            raise UsageError("who is asked about by name has no pseudonym; leave --pseudonyms out")
    elif from_text or to_text:
        raise UsageError(
            "--from and --to go with --user; an address or a device is asked about at one moment:"
            " --at"
        )
    elif not given["at"]:
        raise UsageError("give the time that is asked about: --at TIME")
    zone = context.config.site.timezone
    tree = {**given, "from": from_text, "to": to_text}
    asked = read_asked(kind, tree, zone, context.database)
    if ask_approval:
        number = unlocking.ask_approval(context, asked)
        print_waiting(number, as_json=as_json)
        return
    if not as_json and kind not in NAMED:
        moment = getattr(asked.question, "at")  # noqa: B009 - both kinds have it
        print_asked(str(asked.tree[chosen[0]]), interpretation(moment, zone))
    if pseudonyms:
        noted = operator().noted
        key = site_key(context.config.keys_dir)
        view = View(names=False, pseudonym_key=key, noted=noted)
    else:
        view = View(noted=unlocking.permit(context, asked, approval).noted)
    answer = run_asked(asked, context.database, context.config, context.actor, view)
    if as_json:
        print_answer_json(answer)
    elif kind is Kind.PERSON:
        for end in ("from", "to"):
            print_asked(f"{asked.tree['user']} ({end})", answer["interpretation"][end])
        print_person(answer)
    else:
        print_candidates(answer)
